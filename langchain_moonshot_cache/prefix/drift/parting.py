"""The first place where two requests differ, in the order in which models read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from langchain_moonshot_cache.prefix.drift.request import Request

__all__ = ["MISSING", "Parting", "Path", "first_difference", "parting", "written"]

Path = tuple[str | int, ...]

_READ_IN_ORDER = (
    "role",
    "tool_call_id",
    "name",
    "reasoning_content",
    "content",
    "tool_calls",
)
"""Fields of a message in the order in which a model writes a turn; it thinks before it
speaks, and speaks before it calls."""

_NOT_READ = {"partial"}
"""Says that the turn is to be continued, and is no part of it."""

_PLAIN_KEY = frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_$"
)


class _Missing:
    """What stands where nothing stands; JSON's null is something."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()


@dataclass(frozen=True, slots=True)
class Parting:
    """Where two JSON values differ first.

    Attributes:
        path: Keys and indices that lead there.
        before: What stands there in the earlier one, or ``MISSING``.
        after: What stands there in the later one, or ``MISSING``.
        offset: Characters that two differing texts have in common.
    """

    path: Path
    before: Any
    after: Any
    offset: int | None = None


def parting(before: Request, after: Request, *, whole: bool = False) -> Parting | None:
    """Find where a request parts from an earlier one.

    A request that goes on where the earlier one ended does not part from it, nor does
    one that ends before.

    Args:
        before: The earlier request.
        after: The later one.
        whole: Whether they part where one of them goes on, too.
    """
    found = first_difference(list(before.tools), list(after.tools), path=("tools",))
    if found is not None:
        return found
    pairs = list(zip(before.messages, after.messages, strict=False))
    for index, (old, new) in enumerate(pairs):
        if old is new:
            continue
        found = first_difference(_read(old), _read(new), path=("messages", index))
        if found is not None:
            last = index == len(before.messages) - 1
            return None if last and _continued(old, found) else found
    if whole and len(before.messages) != len(after.messages):
        at = len(pairs)
        one, other = (
            next(iter(request.messages[at:]), MISSING) for request in (before, after)
        )
        return Parting(("messages", at), one, other)
    return None


def first_difference(before: Any, after: Any, *, path: Path) -> Parting | None:
    """Find where two JSON values differ first; the order of keys counts."""
    if before is after:
        return None
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        return _in_objects(before, after, path)
    if isinstance(before, list | tuple) and isinstance(after, list | tuple):
        return _in_lists(before, after, path)
    if isinstance(before, str) and isinstance(after, str) and before != after:
        return Parting(path, before, after, _common_start(before, after))
    # Python takes 1, 1.0 and True for equal, and on the wire they are not.
    same = type(before) is type(after) and before == after
    return None if same else Parting(path, before, after)


def _in_objects(
    before: Mapping[str, Any], after: Mapping[str, Any], path: Path
) -> Parting | None:
    for one, other in zip_longest(before, after):
        if one is not None and one == other:
            found = first_difference(before[one], after[one], path=(*path, one))
            if found is not None:
                return found
            continue
        # The key that the other one lacks says more than the key in its place.
        gone = one is not None and one not in after
        key = str(one if gone or other is None else other)
        return Parting((*path, key), before.get(key, MISSING), after.get(key, MISSING))
    return None


def _in_lists(
    before: Sequence[Any], after: Sequence[Any], path: Path
) -> Parting | None:
    pairs = zip_longest(before, after, fillvalue=MISSING)
    for index, (one, other) in enumerate(pairs):
        found = first_difference(one, other, path=(*path, index))
        if found is not None:
            return found
    return None


def _common_start(one: str, other: str) -> int:
    """Count the characters that two texts begin with alike, by halving."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _read(message: Mapping[str, Any]) -> dict[str, Any]:
    """Bring a message into the form in which it is read.

    What is empty leaves no trace, and parts that are all text are one text.
    """
    rest = sorted(message.keys() - {*_READ_IN_ORDER, *_NOT_READ})
    said = {name: message.get(name) for name in (*_READ_IN_ORDER, *rest)}
    said["content"] = _joined(said["content"])
    return {
        name: value
        for name, value in said.items()
        if not (value is None or value in ("", []))
    }


def _joined(content: Any) -> Any:
    if not isinstance(content, list | tuple):
        return content
    texts = [
        part.get("text") if isinstance(part, Mapping) else part for part in content
    ]
    if all(isinstance(text, str) for text in texts):
        return "".join(map(str, texts))
    return content


def _continued(message: Mapping[str, Any], found: Parting) -> bool:
    """Tell whether a turn that was to be continued merely was."""
    return (
        bool(message.get("partial"))
        and found.path[2:] == ("content",)
        and isinstance(found.before, str)
        and found.offset == len(found.before)
    )


def written(path: Path) -> str:
    """Write a path, such as ``messages[0].content``."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif step and _PLAIN_KEY.issuperset(step):
            text += f".{step}" if text else step
        else:
            text += f"[{json.dumps(step)}]"
    return text
