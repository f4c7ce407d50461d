"""The page on the commands says what their help says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from langchain_moonshot_cache.cli.app import app
from langchain_moonshot_cache.cli.reference import page

PAGE = (Path(__file__).parents[2] / "docs" / "cli.md").read_text("utf-8")
COMMANDS = sorted(typer.main.get_command(app).commands)  # type: ignore[attr-defined]  # a group


def test_the_page_is_up_to_date() -> None:
    assert page() == PAGE


@pytest.mark.parametrize("name", COMMANDS)
def test_the_page_has_every_option_that_the_help_shows(name: str) -> None:
    shown = CliRunner().invoke(
        app, [name, "--help"], env={"TERMINAL_WIDTH": "200"}, prog_name="moonshot-cache"
    )
    assert shown.exit_code == 0
    section = PAGE.partition(f"## moonshot-cache {name}\n")[2].partition("\n## ")[0]
    options = set(re.findall(r"(?<!\S)--[a-z][a-z-]+", shown.output))
    assert options - {"--help"} <= set(re.findall(r"--[a-z][a-z-]+", section))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_what_it_does_and_what_each_option_means(name: str) -> None:
    command = typer.main.get_command(app).commands[name]  # type: ignore[attr-defined]  # a group
    assert command.help
    for parameter in command.params:
        if parameter.param_type_name == "option":
            assert parameter.help, parameter.opts
            assert parameter.help.endswith("."), parameter.opts
