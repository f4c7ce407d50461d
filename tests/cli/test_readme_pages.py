"""The README reads the same in both languages, and its links lead somewhere."""

from __future__ import annotations

import re

import pytest
from readme_kit import BLOCKS, CHINESE, ENGLISH, PAGES, ROOT, Page, anchor
from ttft_results import COLD, RESULTS, read, readme_rows, verdicts

TOLD, TIMES = read(RESULTS)
MEDIANS = {(row.tokens, row.way): row.median for row in TIMES}
NAMES = ["README.md", "README.zh-CN.md", "CONTRIBUTING.md", "CHANGELOG.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_runnable_example_ends_within_the_first_25_lines(page: Page) -> None:
    assert f"```python\n{BLOCKS[0]}```" in "\n".join(page.text.splitlines()[:25])


def test_both_readmes_have_the_same_code() -> None:
    assert CHINESE.code == ENGLISH.code


def test_both_readmes_have_the_same_figures_in_their_tables() -> None:
    assert CHINESE.tables == ENGLISH.tables


def test_both_readmes_have_the_same_figures_in_each_section() -> None:
    assert CHINESE.figures == ENGLISH.figures


def test_each_readme_leads_to_the_other() -> None:
    for page, other in (PAGES, PAGES[::-1]):
        assert f"]({other.name})" in "\n".join(page.text.splitlines()[:5])


@pytest.mark.parametrize("name", NAMES)
def test_every_file_that_a_page_links_to_exists(name: str) -> None:
    page = Page.read(name)
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.prose)
    assert all((ROOT / link).exists() for link in links), links


@pytest.mark.parametrize("name", NAMES)
def test_every_section_that_a_page_links_to_exists(name: str) -> None:
    page = Page.read(name)
    links = set(re.findall(r"\]\(#([^)]+)\)", page.prose))
    assert links <= {anchor(heading) for heading in page.headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_times_to_the_first_token_are_those_that_were_measured(page: Page) -> None:
    assert "\n".join(readme_rows(TIMES)) in page.text
    (row,) = (row for row in readme_rows(TIMES) if row.startswith("| 8,192 |"))
    _, cold, _, named, *_ = re.findall(r"[\d,.]+(?= \(| \|)", row)
    top = page.text.splitlines()[6]
    assert {"8,192", cold, named} <= {*re.findall(r"\d+(?:[.,]\d+)*", top)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_is_said_of_the_times_follows_from_them(page: Page) -> None:
    section = next(s for s in page.prose.split("\n## ") if "docs/ttft.svg" in s)
    growth = [
        MEDIANS[16384, way] / MEDIANS[1024, way] for way in (COLD, "named", "prefix")
    ]
    assert [round(times) for times in growth] == [26, 5, 5]
    assert {"26", "5"} <= {*re.findall(r"\d+", section)}
    picture = re.findall(r"!\[(.*)\]", section)[0]
    last = (f"{MEDIANS[16384, COLD]:.1f}", f"{MEDIANS[16384, 'named']:.2f}")
    assert re.findall(r"\d+\.\d+", picture) == [*last]


def test_the_measured_times_reach_what_they_were_to_reach() -> None:
    found = verdicts(TIMES)
    assert found == TOLD["verdicts"]
    assert all(found.values())
    assert {row.questions for row in TIMES} == {3, 9}
