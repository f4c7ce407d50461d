"""A request as far as its prefix is concerned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from langchain_moonshot_cache.errors import InvalidPromptError
from langchain_moonshot_cache.prefix.canonical import canonical_bytes
from langchain_moonshot_cache.prefix.estimate import estimate_tokens

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

__all__ = ["BLOCK", "Request"]

BLOCK = 256
"""Tokens that a prompt must exceed to be cached automatically, as Moonshot documents,
and the steps in which matches were seen. Less than that is never lost."""

_SETTINGS = ("reasoning_effort", "thinking")
"""Options that Moonshot says are part of what a prefix is held under. Measurements
disagree, so a change counts as a break."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request in wire form, without what plays no part in caching.

    Attributes:
        messages: The messages; never shown in a ``repr``.
        tools: The tools; never shown either.
        model: The model it goes to.
        account: Any name that tells accounts apart, such as a digest. Never a key.
        settings: Options that a prefix is held under, each in canonical JSON.
        at: When it was sent, in unix seconds; None if nobody knows.
        tier: Lifetime that the provider was asked to keep it for, such as ``1h``; None
            for its default.
    """

    messages: Sequence[Mapping[str, Any]] = field(repr=False)
    tools: Sequence[Mapping[str, Any]] = field(repr=False, default=())
    model: str = ""
    account: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    at: float | None = None
    tier: str | None = None

    @classmethod
    def of(
        cls, body: Mapping[str, Any], *, account: str = "", at: float | None = None
    ) -> Self:
        """Take what matters from the body of a chat request.

        Args:
            body: What is sent to ``/v1/chat/completions``, as JSON values.
            account: Any name that tells accounts apart. Never a key.
            at: When it was sent, in unix seconds.

        Raises:
            InvalidPromptError: It is no such body. The error does not quote it.
        """
        if not isinstance(body, Mapping):
            raise InvalidPromptError(
                "a request is a JSON object with 'messages', as it is sent to "
                "/v1/chat/completions."
            )
        return cls(
            messages=_objects(body.get("messages"), name="messages", needed=True),
            tools=_objects(body.get("tools"), name="tools", needed=False),
            model=str(body.get("model") or ""),
            account=account,
            settings={
                name: canonical_bytes(body[name]).decode("utf-8", "surrogatepass")
                for name in _SETTINGS
                if body.get(name) is not None
            },
            at=at,
            tier=_tier(body.get("prompt_cache_options")),
        )

    @property
    def tokens(self) -> int:
        """Estimated tokens of messages and tools."""
        return estimate_tokens(self.messages, self.tools)

    def __reduce__(self) -> NoReturn:
        raise TypeError("A request holds a prompt, which is a secret: not pickled.")


def _tier(options: Any) -> str | None:
    asked = options.get("ttl") if isinstance(options, Mapping) else None
    return asked if isinstance(asked, str) else None


def _objects(value: Any, *, name: str, needed: bool) -> list[Mapping[str, Any]]:
    if value is None and not needed:
        return []
    if isinstance(value, list | tuple) and all(isinstance(v, Mapping) for v in value):
        return list(value)
    raise InvalidPromptError(
        f"'{name}' of a request is a list of JSON objects, and here it is not."
    )
