"""Values that a schema's own bounds lead to, when a question names none."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from langchain_moonshot_cache.server.engine.conversation import as_list
from langchain_moonshot_cache.server.engine.validity import fits

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["number_within", "size", "sized"]

MOST_ITEMS: Final = 64
"""Items of an array, whatever ``minItems`` asks for."""

LONGEST_PADDING: Final = 10_000
"""Characters up to which a ``minLength`` is honoured."""

LARGEST: Final = 1e300
"""Bounds beyond this are not reckoned with, so that no arithmetic overflows."""


def number_within(rules: Mapping[str, Any], *, whole: bool) -> int | float:
    """Find a number that a schema allows.

    Args:
        rules: The schema.
        whole: Whether only an integer will do.

    Returns:
        The default, an example, 0 or 1 if allowed; else a number near a bound; 0 if
        none of those is.
    """
    strict = {**rules, "type": "integer" if whole else "number"}
    for number in _tries(rules):
        if fits(number, strict):
            return int(number) if whole else number
    return 0


def sized(text: str, rules: Mapping[str, Any]) -> str:
    """Bring a text to the length that a schema asks for.

    Args:
        text: The text.
        rules: The schema.

    Returns:
        The text, cut to ``maxLength`` or filled up with dots to ``minLength``.
    """
    low, high = _finite(rules.get("minLength")), _finite(rules.get("maxLength"))
    if high is not None and len(text) > high:
        return text[: max(0, math.floor(high))]
    if low is not None and len(text) < low <= LONGEST_PADDING:
        return (text or "…").ljust(math.ceil(low), ".")
    return text


def size(bound: Any, *, default: int) -> int:
    """Read a bound on the number of an array's items.

    Args:
        bound: ``minItems`` or ``maxItems``.
        default: What counts if there is none.

    Returns:
        A number from 0 to 64.
    """
    number = _finite(bound)
    return default if number is None else math.ceil(max(0, min(number, MOST_ITEMS)))


def _tries(rules: Mapping[str, Any]) -> Iterator[Any]:
    """Give numbers worth trying, the most natural first."""
    yield from (rules.get("default"), *as_list(rules.get("examples")), 0, 1)
    low = _tightest(max, rules, "minimum", "exclusiveMinimum")
    high = _tightest(min, rules, "maximum", "exclusiveMaximum")
    step = _finite(rules.get("multipleOf"))
    for bound in (b for b in (low, high) if b is not None):
        yield from (math.ceil(bound), math.floor(bound) + 1, math.ceil(bound) - 1)
        yield from (math.floor(bound), bound)
        if step and step > 0 and abs(bound / step) < LARGEST:
            steps = math.floor(bound / step)
            yield from (step * (steps + more) for more in (0, 1, -1))
    if step and step > 0:
        yield step
    if low is not None and high is not None:
        yield low / 2 + high / 2


def _tightest(pick: Any, rules: Mapping[str, Any], *keys: str) -> int | float | None:
    """Pick among bounds that all hold."""
    found = [bound for key in keys if (bound := _finite(rules.get(key))) is not None]
    tightest: int | float | None = pick(found, default=None)
    return tightest


def _finite(bound: Any) -> int | float | None:
    """Read a bound that arithmetic can be done with."""
    if isinstance(bound, bool) or not isinstance(bound, int | float):
        return None
    return bound if abs(bound) < LARGEST else None
