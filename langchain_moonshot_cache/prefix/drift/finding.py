"""What is found where two requests part."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from langchain_moonshot_cache.prefix.drift.request import BLOCK
from langchain_moonshot_cache.prefix.drift.words import MENDING, WORDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Self

__all__ = ["Cause", "Drift", "Place"]


class Cause(StrEnum):
    """What kept a request from being read from the cache of an earlier one."""

    ACCOUNT = "other_account"
    """Another key or another endpoint: caches are never shared between accounts."""
    MODEL = "other_model"
    SETTINGS = "other_settings"
    """Another ``reasoning_effort`` or ``thinking``."""
    TOOL_ORDER = "tool_order"
    TOOL_SET = "tool_set"
    """Tools were added or removed."""
    TOOL_SCHEMA = "tool_schema"
    TIMESTAMP = "timestamp"
    DATE = "date"
    IDENTIFIER = "identifier"
    """A UUID, a digest, an address in memory."""
    COUNTER = "counter"
    """A number."""
    WHITESPACE = "whitespace"
    REWRITTEN = "rewritten_json"
    """The same JSON in other bytes: spaces, order of keys, escapes."""
    CALL_ID = "tool_call_id"
    REASONING = "reasoning_content"
    IMAGE = "image"
    INSERTED = "messages_inserted"
    REMOVED = "messages_removed"
    TEXT = "text"
    """Any other change of something that was sent before."""
    QUESTION = "other_question"
    """Another question behind the same beginning, which is how calls are."""
    PROMPT = "other_prompt"
    """A prompt that has nothing to do with the earlier one."""
    TOO_SHORT = "too_short"
    EXPIRED = "expired"
    GONE = "gone"
    """Nothing moved, and the provider did not have it any more."""


_AS_IT_SHOULD_BE = {Cause.QUESTION, Cause.PROMPT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The first place where two requests differ, in the order in which models read.

    Tools come before messages; of a message the role, the id of the call it answers,
    the reasoning, the content and the tool calls, in this order.

    Attributes:
        path: JSON path, such as ``messages[2].tool_calls[0].function.arguments``.
        offset: Characters of the text at that path that are still equal; None where
            no two texts differ.
        message: Index of the message, if it is in one.
        role: Its role.
        tool: Name of the tool, if it is in one.
        tool_index: Its index; in the longer list, where one of them ends.
    """

    path: str
    offset: int | None = None
    message: int | None = None
    role: str | None = None
    tool: str | None = None
    tool_index: int | None = None

    def __str__(self) -> str:
        inside = self.role or self.tool
        where = f"{self.path} ({inside})" if inside else self.path
        if self.offset is None:
            return where
        return f"{where}, from character {self.offset + 1} on"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """Why a request cannot be read from the cache of an earlier one, or not all of it.

    Attributes:
        cause: What moved.
        place: Where; None if it is nothing in the prompt.
        detail: More about the cause, such as the names of tools.
        shared_tokens: Estimated tokens that can still be read from the cache.
        lost_tokens: Estimated tokens that could be, had nothing moved.
        texts: What stands around the place before and after: prompt text, so it is
            left out of ``repr``, ``str``, comparisons and pickles.
    """

    cause: Cause
    place: Place | None = None
    detail: str = ""
    shared_tokens: int = 0
    lost_tokens: int = 0
    texts: tuple[str, str] | None = field(default=None, repr=False, compare=False)

    @property
    def matters(self) -> bool:
        """Whether something is lost that need not be: a block of tokens or more."""
        return self.cause not in _AS_IT_SHOULD_BE and self.lost_tokens >= BLOCK

    @property
    def what(self) -> str:
        """What moved, in a few words."""
        words = WORDS[self.cause]
        return f"{words} ({self.detail})" if self.detail else words

    @property
    def mend(self) -> str:
        """How to mend it, in one sentence."""
        return MENDING[self.cause]

    def __str__(self) -> str:
        return (
            f"{self.brief}. About {self.shared_tokens} tokens can still be read from "
            f"the cache, {self.lost_tokens} are lost. {self.mend}"
        )

    @property
    def brief(self) -> str:
        """Where and what, without figures."""
        return f"{self.place}: {self.what}" if self.place else self.what

    def to_dict(self, *, show_text: bool = False) -> dict[str, Any]:
        """Return it as JSON values.

        Args:
            show_text: Whether to include the texts around the place, which are a part
                of the prompt.
        """
        told: dict[str, Any] = {
            "cause": str(self.cause),
            "what": self.what,
            "detail": self.detail,
            "place": None if self.place is None else asdict(self.place),
            "shared_tokens": self.shared_tokens,
            "lost_tokens": self.lost_tokens,
            "mend": self.mend,
        }
        if show_text:
            told["texts"] = None if self.texts is None else list(self.texts)
        return told

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Self:
        """Make one again of what :meth:`to_dict` returned, the texts left out.

        Raises:
            KeyError: A key is missing.
            ValueError: The cause is unknown.
        """
        place = told["place"]
        return cls(
            cause=Cause(told["cause"]),
            place=None if place is None else Place(**place),
            detail=told["detail"],
            shared_tokens=told["shared_tokens"],
            lost_tokens=told["lost_tokens"],
        )

    def __reduce__(self) -> tuple[Callable[[Mapping[str, Any]], Drift], tuple[Any]]:
        # Through pickle it goes without the texts, which are a secret.
        return Drift.from_dict, (self.to_dict(),)
