"""The README reads the same in both languages, and its links lead somewhere."""

from __future__ import annotations

import re

import pytest
from readme_kit import BLOCKS, CHINESE, ENGLISH, PAGES, ROOT, Page, anchor

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
