"""Finding the sentence of a long text that has most in common with a question.

Texts may be megabytes long and are never split up: each term of the question is looked
for with the string's own search, and only the sentences around the rare ones are read.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from langchain_moonshot_cache.server.engine.words import terms

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["best_passage"]

MOST_TERMS: Final = 16
"""Terms of a question that are looked for, each one search through the text."""

MOST_PLACES: Final = 32
"""Occurrences of a term that are read; a term with more says little."""

MOST_TEXT: Final = 4_000_000
"""Characters searched in all, which bounds the time of an answer."""

LONGEST_PASSAGE: Final = 400
"""Characters of a passage: an answer quotes, it does not repeat the document."""

FEWEST_TERMS: Final = 2
"""Terms that a passage shares with the question; one alone is an accident."""

_ENDS: Final = re.compile(r"(?<=[.!?])\s|[。！？]|\n\s*\n|\n(?=[-*•#\d])")


def best_passage(question: str, texts: Sequence[str]) -> str | None:
    """Find the sentence that shares the rarest words with a question.

    Args:
        question: The question.
        texts: The texts to search, the most important first.

    Returns:
        The sentence, at most 400 characters and never more than half of all that was
        searched, or None if no sentence shares two terms with the question.
    """
    wanted = sorted(terms(question), key=len, reverse=True)[:MOST_TERMS]
    most, best, searched = 0.0, None, 0
    total = sum(map(len, texts))
    for text in texts:
        body = text[: MOST_TEXT - searched]
        searched += len(body)
        for score, passage in _candidates(body, wanted):
            if score > most and 2 * len(passage) <= total and passage != question:
                most, best = score, passage
    return best


def _candidates(text: str, wanted: Sequence[str]) -> Iterator[tuple[float, str]]:
    """Score the sentences around the occurrences of the wanted terms."""
    lower = text.lower()
    if len(lower) != len(text):  # a few letters grow when lowered: places would shift
        lower = text
    worth = {term: 1 / (1 + lower.count(term)) ** 0.5 for term in wanted}
    seen: set[int] = set()
    for term in sorted(wanted, key=worth.__getitem__, reverse=True):
        for place in _places(lower, term):
            start, end = _sentence(text, place)
            if start in seen:
                continue
            seen.add(start)
            sentence = lower[start:end]
            shared = [t for t in wanted if _begins(sentence, t)]
            if len(shared) >= FEWEST_TERMS:
                passage = _plain(text[start:end])
                yield sum(worth[t] for t in shared), passage


def _plain(sentence: str) -> str:
    """Write a sentence on one line, without the rules that help texts draw."""
    return " ".join(word for word in sentence.split() if word != "|")


def _places(lower: str, term: str) -> Iterator[int]:
    place = -1
    for _ in range(MOST_PLACES):
        place = lower.find(term, place + 1)
        if place < 0:
            return
        yield place


def _begins(sentence: str, term: str) -> bool:
    """Tell whether a word of the sentence begins with the term."""
    at = sentence.find(term)
    while at > 0 and term.isascii() and sentence[at - 1].isalnum():
        at = sentence.find(term, at + 1)
    return at >= 0


def _sentence(text: str, place: int) -> tuple[int, int]:
    """Give the bounds of the sentence around a place, cut to the longest allowed."""
    left = max(0, place - LONGEST_PASSAGE // 2)
    start = left
    for end in _ENDS.finditer(text, left, place + 1):
        start = end.end()
    after = _ENDS.search(text, place, start + LONGEST_PASSAGE)
    if after is None:
        return start, min(len(text), start + LONGEST_PASSAGE)
    return start, after.end()
