"""What a question has to offer for the arguments of a tool, handed out once each."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from langchain_moonshot_cache.server.engine import program, words
from langchain_moonshot_cache.server.engine.conversation import as_list

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["Material"]

LONGEST_STRING: Final = 500
"""Characters taken from a question for one string."""

_CODE_KEYS: Final = frozenset({"code", "script", "source", "program", "snippet"})
_LANGUAGE_KEYS: Final = frozenset({"language", "lang", "interpreter"})
_PLACE_KEYS: Final = frozenset(
    {"location", "city", "place", "country", "region", "address", "destination", "town"}
)
_NO: Final = re.compile(
    r"\b(?:false|no|not|without|off|disable\w*|don't|never)\b|不|否|没|别|关闭",
    re.IGNORECASE,
)
_SCRIPT: Final = re.compile(r"javascript|\bjs\b|\bnode\b", re.IGNORECASE)
# What each format looks like in a text, and an example where the text has none.
_FORMATS: Final[Mapping[str, tuple[str, str]]] = {
    "date": (r"\d{4}-\d\d-\d\d", "2024-07-01"),
    "date-time": (
        r"\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)",
        "2024-07-01T00:00:00Z",
    ),
    "email": (r"[\w.+-]{1,64}@[\w-]+\.[\w.-]*\w", "someone@example.com"),
    "time": (r"\d\d:\d\d:\d\d(?:Z|[+-]\d\d:\d\d)", "00:00:00Z"),
    "uri": (r"https?://[^\s\"'<>，。]+", "https://example.com/"),
    "uuid": (
        r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
        "00000000-0000-4000-8000-000000000000",
    ),
}


@dataclass(slots=True)
class Material:
    """The numbers, quotations and places of a text, less what was taken from them.

    Attributes:
        source: The text.
        question: The whole question, which tells which enum value is meant and what a
            program is to do.
        numbers: The numbers that are left, in order.
        quoted: The quotations that are left.
        places: The places that are left.
    """

    source: str
    question: str
    numbers: list[int | float] = field(init=False)
    quoted: list[str] = field(init=False)
    places: list[str] = field(init=False)

    def __post_init__(self) -> None:
        """Read the text once."""
        self.numbers = words.numbers(self.source)
        self.quoted = words.quoted(self.source)
        self.places = words.places(self.source)

    def mark(self) -> tuple[list[int | float], list[str], list[str]]:
        """Remember what is left, for ``put_back``."""
        return list(self.numbers), list(self.quoted), list(self.places)

    def put_back(self, mark: tuple[list[int | float], list[str], list[str]]) -> None:
        """Undo whatever was taken since a mark."""
        self.numbers, self.quoted, self.places = mark

    def take(self, used: float | str) -> None:
        """Strike out something that was used."""
        for store in (self.numbers, self.quoted, self.places):
            if used in store:
                store.remove(used)  # type: ignore[arg-type]  # it is in there

    def says_yes(self) -> bool:
        """Tell whether the text denies nothing."""
        return not _NO.search(self.source)

    def mentioned(self, choices: Sequence[Any]) -> list[str]:
        """List the choices that the question names, longest first."""
        text = self.question.lower()
        found = [c for c in choices if isinstance(c, str) and c and c.lower() in text]
        return sorted(found, key=len, reverse=True)

    def about(self, key: str) -> bool:
        """Tell whether the text speaks of a property."""
        return bool(words.stems(key) & words.stems(self.source))

    def numbers_for(self, key: str) -> list[int | float]:
        """List the numbers that a property may take, the likeliest first."""
        return [*words.numbers(self._assigned(key)), *self.numbers]

    def texts_for(self, key: str, rules: Mapping[str, Any]) -> Iterator[str]:
        """Give the texts that a property may take, the likeliest first.

        Args:
            key: The property's name.
            rules: Its schema.

        Yields:
            Texts, of any length and in any number.
        """
        keys = set(words.spoken(key))
        if keys & _CODE_KEYS:
            yield program.write_program(self.question, language=self._language())
        if keys & _LANGUAGE_KEYS and program.wants_program(self.question):
            yield self._language()
        if isinstance(form := rules.get("format"), str) and form in _FORMATS:
            pattern, example = _FORMATS[form]
            yield from re.findall(pattern, self.source)
            yield example
        if found := self._assigned(key):
            yield found
        yield from [*self.places] if keys & _PLACE_KEYS else ()
        yield from [*self.quoted]
        if "name" in keys and (name := words.named(self.source)):
            yield name
        named = (rules.get("default"), *as_list(rules.get("examples")))
        yield from (text for text in named if isinstance(text, str))
        yield words.salient(self.source)[:LONGEST_STRING]
        # What is left is for schemas with a pattern or a length of their own.
        yield from words.spoken(self.source)
        yield from map(str, words.numbers(self.source))
        yield from ("a", "A", "0", "")

    def _language(self) -> str:
        return "javascript" if _SCRIPT.search(self.question) else "python"

    def _assigned(self, key: str) -> str:
        """Read ``key: value`` or ``key=value``; nothing found is an empty text."""
        pattern = rf"(?<![^\W_]){re.escape(key)}\s*[=:：]\s*([^\s\"',，。;；]+)"
        found = re.search(pattern, self.source) if key else None
        return found[1] if found else ""
