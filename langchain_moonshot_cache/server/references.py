"""How a chat request refers to a cache: by its first message or by headers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .marks import implements
from .models import belongs
from .refusals import bad_request
from .rules import (
    BY_HEADERS,
    BY_MESSAGE,
    CACHE_CONTENT,
    CACHE_CONTENT_PARTS,
    ERROR_FORM,
    FAMILY_USE,
    HEADERS_MISMATCH,
    ONE_REFERENCE,
    RESET_TTL_REVIVAL_ANSWER,
    TOOLS_ABSENT,
    UNUSABLE,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .cache_object import Cache
    from .caches import Caches
    from .settings import Settings
    from .tags import Tags

__all__ = ["Prompt", "Reference", "Resolver", "from_headers", "from_message"]

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reference:
    """What a request says about a cache.

    Attributes:
        cache_id: The cache, unless a tag names it.
        tag: The tag, if one is used.
        reset_ttl: Seconds that the cache shall live from now, if asked for.
        dry_run: Only check.
        by_message: Whether the first message is the reference.
    """

    cache_id: str | None = None
    tag: str | None = None
    reset_ttl: int | None = None
    dry_run: bool = False
    by_message: bool = False


@dataclass(frozen=True, slots=True)
class Prompt:
    """What reaches the engine.

    Attributes:
        messages: All messages, the cached ones in their place.
        tools: All tools.
        cache: The cache that was used, if one was.
        reference: What the request said about it.
    """

    messages: list[Json]
    tools: list[Json] | None
    cache: Cache | None
    reference: Reference | None


@implements(CACHE_CONTENT, CACHE_CONTENT_PARTS)
def from_message(content: str) -> Reference:
    """Read the content of a cache message, which matches its schema already."""
    parts = dict(part.split("=", 1) for part in content.split(";"))
    reset_ttl = parts.get("reset_ttl")
    return Reference(
        cache_id=parts.get("cache_id"),
        tag=parts.get("tag"),
        reset_ttl=None if reset_ttl is None else int(reset_ttl),
        dry_run=parts.get("dry_run") == "1",
        by_message=True,
    )


def from_headers(headers: Mapping[str, Any]) -> Reference | None:
    """Read the cache headers, checked against their schemas already."""
    if "x-msh-context-cache" not in headers:
        return None
    reset_ttl = headers.get("x-msh-context-cache-reset-ttl")
    return Reference(
        cache_id=headers["x-msh-context-cache"],
        reset_ttl=None if reset_ttl is None else int(reset_ttl),
        dry_run=headers.get("x-msh-context-cache-dryrun") == "1",
    )


class Resolver:
    """Turns a chat request into what reaches the engine."""

    def __init__(self, *, caches: Caches, tags: Tags) -> None:
        self._caches = caches
        self._tags = tags

    @implements(ONE_REFERENCE)
    def resolve(
        self,
        body: Json,
        headers: Mapping[str, Any],
        *,
        account: str,
        settings: Settings,
    ) -> Prompt:
        """Put the cached messages and tools where the request refers to them.

        Args:
            body: The chat request, checked against its schema.
            headers: The request's cache headers, checked likewise.
            account: Who asks.
            settings: Bounds of a life.

        Raises:
            RefusedError: 404 for an unknown cache or tag, 400 for a useless one.
        """
        first = body["messages"][0]
        references = (
            from_message(first["content"]) if first["role"] == "cache" else None,
            from_headers(headers),
        )
        found = [(r, self._find(r, account=account)) for r in references if r]
        if not found:
            return Prompt(body["messages"], body.get("tools"), None, None)
        if len(found) > 1:
            raise bad_request("Refer to a cache by message or by header, not both.")
        reference, cache = found[0]
        cache = self._usable(cache, reference, model=body["model"], settings=settings)
        use = _expanded if reference.by_message else _compared
        return use(body, cache, reference)

    def _find(self, reference: Reference, *, account: str) -> Cache:
        if reference.tag is not None:
            return self._tags.content(reference.tag, account=account)
        return self._caches.get(reference.cache_id or "", account=account)

    @implements(UNUSABLE, FAMILY_USE, ERROR_FORM, RESET_TTL_REVIVAL_ANSWER)
    def _usable(
        self, cache: Cache, reference: Reference, *, model: str, settings: Settings
    ) -> Cache:
        seconds = reference.reset_ttl
        if seconds is not None and seconds > settings.max_ttl:
            raise bad_request(f"reset_ttl must be at most {settings.max_ttl} seconds.")
        if not belongs(model, family=cache.model):
            raise bad_request(f"The cache is for {cache.model}, not for {model}.")
        if cache.status == "inactive" and seconds and not reference.dry_run:
            cache = self._caches.renew(cache, seconds=seconds, settings=settings)
        if cache.status != "ready":
            raise bad_request(f"The cache {cache.id} is {cache.status}, not ready.")
        return cache


@implements(BY_MESSAGE, TOOLS_ABSENT)
def _expanded(body: Json, cache: Cache, reference: Reference) -> Prompt:
    if body.get("tools") is not None:
        raise bad_request("Beside a cache message tools must be absent or null.")
    messages = [*cache.messages(), *body["messages"][1:]]
    return Prompt(messages, cache.tools(), cache, reference)


@implements(BY_HEADERS, HEADERS_MISMATCH)
def _compared(body: Json, cache: Cache, reference: Reference) -> Prompt:
    messages, tools = body["messages"], body.get("tools")
    matches = _starts_with(messages, cache.messages()) and tools == cache.tools()
    return Prompt(messages, tools, cache if matches else None, reference)


def _starts_with(messages: Sequence[Json], first: Sequence[Json]) -> bool:
    return list(messages[: len(first)]) == list(first)
