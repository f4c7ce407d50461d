"""The README in each of its languages, taken apart for the tests."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

__all__ = ["BLOCKS", "CHINESE", "ENGLISH", "PAGES", "ROOT", "Page", "anchor"]

ROOT = Path(__file__).parents[2]
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FIGURE = re.compile(r"\d+(?:[.,]\d+)*")
_ADDRESS = re.compile(r"(?<=\])\([^)]*\)")
"""Where a link leads: sections are called otherwise in another language."""


@dataclass(frozen=True)
class Page:
    """One README.

    Attributes:
        name: Its file.
        text: All of it.
    """

    name: str
    text: str

    @classmethod
    def read(cls, name: str) -> Page:
        """Read one from the root of the repository."""
        return cls(name, (ROOT / name).read_text("utf-8"))

    @property
    def code(self) -> list[tuple[str, str]]:
        """Its blocks of code, each with its language."""
        return _FENCE.findall(self.text)

    @property
    def prose(self) -> str:
        """What is left without the code."""
        return _FENCE.sub("", self.text)

    @property
    def headings(self) -> list[str]:
        """What its sections are called."""
        return re.findall(r"^##+ (.*)$", self.prose, re.MULTILINE)

    @property
    def figures(self) -> list[Counter[str]]:
        """The figures in the prose and the tables of each section."""
        sections = re.split(r"^##+ ", _ADDRESS.sub("", self.prose), flags=re.MULTILINE)
        return [Counter(_FIGURE.findall(section)) for section in sections]

    @property
    def tables(self) -> list[list[str]]:
        """The figures of each row of a table, from left to right."""
        rows = re.findall(r"^\|.*$", self.prose, re.MULTILINE)
        return [_FIGURE.findall(row) for row in rows]


def anchor(heading: str) -> str:
    """Return the address within its page that GitHub gives to a heading."""
    return re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-")


ENGLISH = Page.read("README.md")
CHINESE = Page.read("README.zh-CN.md")
PAGES = (ENGLISH, CHINESE)
BLOCKS = [code for language, code in ENGLISH.code if language == "python"]
"""The Python blocks; the other page has the same ones."""
