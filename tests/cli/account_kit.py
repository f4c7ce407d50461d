"""What the tests of commands that work on an account share."""

from __future__ import annotations

import json
import sqlite3
import sys
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from langchain_moonshot_cache.cli import main

if TYPE_CHECKING:
    from pathlib import Path

    from langchain_moonshot_cache.protocol import ContextCache, MoonshotCachingClient
    from langchain_moonshot_cache.testing import MoonshotServer

KEY = "sk-canary-5f1d0c"
SECRET = "The canary prompt that no command may repeat."
SYSTEM = {"role": "system", "content": SECRET}


@dataclass(frozen=True)
class Done:
    """A command that came to its end."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.status == 0, self.err
        return json.loads(self.out)


@dataclass
class Shell:
    """Runs commands within this process, and sees that they keep secrets."""

    server: MoonshotServer
    registry: str
    capture: pytest.CaptureFixture[str]
    patch: pytest.MonkeyPatch
    client: MoonshotCachingClient = field(repr=False)
    key: str = field(default=KEY, repr=False)

    def __call__(
        self, *arguments: str | Path, reveals: bool = False, **environment: str
    ) -> Done:
        """Run a command.

        Args:
            arguments: What is typed.
            reveals: Whether it is right that the prompt is printed.
            environment: Variables set for this command alone.
        """
        typed = [str(argument) for argument in arguments]
        with self.patch.context() as patch:
            patch.setattr(sys, "argv", ["moonshot-cache", *typed])
            for name, value in environment.items():
                patch.setenv(name, value)
            with pytest.raises(SystemExit) as ended:
                main()
        out, err = self.capture.readouterr()
        assert KEY not in out + err
        assert reveals or SECRET not in out + err
        assert "Traceback" not in err
        return Done(int(ended.value.code or 0), out, err)

    def cache(self, **fields: Any) -> ContextCache:
        """Make a cache as another program would."""
        made = {"model": "moonshot-v1", "messages": [SYSTEM], **fields}
        return self.client.create(**made)

    def statuses(self) -> dict[str, str]:
        """Return the server's caches and their status."""
        return {cache["id"]: cache["status"] for cache in self.server.caches()}


def database_of_another_program(directory: Path) -> Path:
    """Return the path of a database that no command may take for a registry."""
    path = directory / "other.sqlite"
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("CREATE TABLE recipes (name TEXT)")
    return path
