"""Two requests compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_moonshot_cache.errors import InvalidPromptError
from langchain_moonshot_cache.prefix.drift.finding import Cause, Drift, Place
from langchain_moonshot_cache.prefix.drift.parting import parting, written
from langchain_moonshot_cache.prefix.drift.request import BLOCK
from langchain_moonshot_cache.prefix.drift.toolchange import among_tools, name_of
from langchain_moonshot_cache.prefix.drift.turnchange import in_message
from langchain_moonshot_cache.prefix.estimate import estimate_tokens

if TYPE_CHECKING:
    from langchain_moonshot_cache.prefix.drift.parting import Parting
    from langchain_moonshot_cache.prefix.drift.request import Request

__all__ = ["compare", "held_elsewhere"]

_AROUND = 40
"""Characters on either side of the parting that are kept for who asks for them."""


def compare(
    before: Request,
    after: Request,
    *,
    least_tokens: int = BLOCK,
    lifetime: float | None = None,
    whole: bool = False,
) -> Drift | None:
    """Say why a request cannot be read whole from what an earlier one left in a cache.

    Args:
        before: The earlier request.
        after: The later one.
        least_tokens: Prompts with no more tokens are not cached; by default what
            Moonshot documents for its automatic caching.
        lifetime: Seconds for which a cache is kept after its last use, None if it is
            not known. It counts where both requests say when they were sent.
        whole: Whether a cache can be used as a whole only, as one that was created by
            name. Then requests part, too, where one of them merely goes on, and
            nothing of what they have in common can be read.

    Returns:
        What moved, or None if nothing did: the later one carries the earlier one on,
        repeats it, or ends before it.

    Raises:
        InvalidPromptError: They hold something that is no JSON.
    """
    try:
        return _compared(
            before, after, least=least_tokens, lifetime=lifetime, whole=whole
        )
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidPromptError(
            "the messages or tools hold something that JSON does not know, such as "
            "NaN, or are nested too deeply: give plain values."
        ) from error


def _compared(
    before: Request,
    after: Request,
    *,
    least: int,
    lifetime: float | None,
    whole: bool,
) -> Drift | None:
    most = min(before.tokens, after.tokens)
    lost = most if before.tokens > least else 0
    if drift := held_elsewhere(before, after, lost=lost):
        return drift
    found = parting(before, after, whole=whole)
    if found is None:
        return _not_held(before, after, least=least, lifetime=lifetime)
    cause, detail = _cause(found, before, after)
    shared = 0 if whole else min(_tokens_before(found, before), most)
    return Drift(
        cause=cause,
        place=_place(found, before, after),
        detail=detail,
        shared_tokens=shared if lost else 0,
        lost_tokens=max(lost - shared, 0),
        texts=_texts(found),
    )


def held_elsewhere(before: Request, after: Request, *, lost: int) -> Drift | None:
    """Compare what a prefix is held under, apart from what it says.

    Args:
        before: The earlier request.
        after: The later one.
        lost: Tokens that are lost if that differs.
    """
    if before.account != after.account:
        return Drift(cause=Cause.ACCOUNT, lost_tokens=lost)
    if before.model != after.model:
        detail = f"{before.model or '?'}, now {after.model or '?'}"
        return Drift(cause=Cause.MODEL, detail=detail, lost_tokens=lost)
    names = sorted(
        name
        for name in before.settings.keys() | after.settings.keys()
        if before.settings.get(name) != after.settings.get(name)
    )
    if names:
        detail = ", ".join(names)
        return Drift(cause=Cause.SETTINGS, detail=detail, lost_tokens=lost)
    return None


def _not_held(
    before: Request, after: Request, *, least: int, lifetime: float | None
) -> Drift | None:
    """Look for what else may keep a request from the cache if nothing moved."""
    if before.tokens <= least:
        detail = f"about {before.tokens} tokens; caching begins above {least}"
        return Drift(cause=Cause.TOO_SHORT, detail=detail)
    if lifetime is None or before.at is None or after.at is None:
        return None
    pause = after.at - before.at
    if pause <= lifetime:
        return None
    detail = f"last used {pause:.0f} s ago, and kept for {lifetime:.0f} s"
    lost = min(before.tokens, after.tokens)
    return Drift(cause=Cause.EXPIRED, detail=detail, lost_tokens=lost)


def _cause(found: Parting, before: Request, after: Request) -> tuple[Cause, str]:
    if found.path[0] == "tools":
        return among_tools(found, before.tools, after.tools)
    return in_message(found, before.messages, after.messages)


def _place(found: Parting, before: Request, after: Request) -> Place:
    path = written(found.path)
    kind, index = found.path[0], int(found.path[1])
    if kind == "tools":
        tools = after.tools if index < len(after.tools) else before.tools
        name = name_of(tools[index])
        return Place(path=path, offset=found.offset, tool=name, tool_index=index)
    ends = index >= len(after.messages)
    message = (before if ends else after).messages[index]
    role = str(message.get("role", ""))
    return Place(path=path, offset=found.offset, message=index, role=role)


def _tokens_before(found: Parting, before: Request) -> int:
    """Estimate the tokens of what stands before the place."""
    kind, index = found.path[0], int(found.path[1])
    if kind == "tools":
        return estimate_tokens([], before.tools[:index])
    begun = {"content": found.before[: found.offset]} if found.offset else {}
    return estimate_tokens([*before.messages[:index], begun], before.tools)


def _texts(found: Parting) -> tuple[str, str] | None:
    if found.offset is None:
        return None
    start, end = max(found.offset - _AROUND, 0), found.offset + _AROUND
    return found.before[start:end], found.after[start:end]
