"""What the public clients ask for, as flows: one function for each of their methods.

Both clients call these with the same arguments, so that validation, paths, retries
and decoding cannot differ between them.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from langchain_moonshot_cache.errors import ConfigurationError
from langchain_moonshot_cache.protocol import files, flows
from langchain_moonshot_cache.protocol.encode import (
    BALANCE,
    CACHES,
    DEFAULT_TTL,
    ESTIMATE,
    MODELS,
    TAGS,
    body_of,
    cache_path,
    checked,
    json_bytes,
    json_objects,
    page,
    tag_path,
)
from langchain_moonshot_cache.protocol.exchange import Flow, Request
from langchain_moonshot_cache.protocol.models import (
    CREATE_ID_KEY,
    MAX_METADATA_PAIRS,
    Balance,
    CacheCreate,
    CacheDeleted,
    CacheList,
    CacheTag,
    CacheUpdate,
    ContextCache,
    ListPage,
    ModelList,
    TagBinding,
    TagDeleted,
    TagList,
    TokenEstimate,
)

if TYPE_CHECKING:
    from langchain_moonshot_cache.protocol.endpoint import Endpoint
    from langchain_moonshot_cache.protocol.retry import RetryPolicy

__all__ = ["Operations", "Pages"]

Messages = Sequence[Mapping[str, Any]]
Item = TypeVar("Item", ContextCache, CacheTag)


class Operations:
    """The operations of one account at one endpoint.

    Attributes:
        endpoint: Where requests go.
        policy: How patient to be unless a call says otherwise.
    """

    def __init__(self, *, endpoint: Endpoint, policy: RetryPolicy) -> None:
        self.endpoint = endpoint
        self.policy = policy
        # Texts of extracted files, so that each is uploaded once.
        self._texts: dict[bytes, str] = {}
        # Jitter needs no secrecy; a generator of its own is not seeded by anybody.
        self.chance = random.Random().random  # noqa: S311  # jitter, no secret

    def attempts(self, max_retries: int | None) -> flows.Attempts:
        """A fresh count of attempts."""
        policy = self.policy
        if max_retries is not None:
            policy = replace(policy, max_retries=max_retries)
        return flows.Attempts(endpoint=self.endpoint, policy=policy, chance=self.chance)

    def create(
        self,
        *,
        model: str,
        messages: Messages,
        tools: Messages | None,
        metadata: Mapping[str, str] | None,
        ttl: int | None,
        expired_at: int | None,
        find_first: bool,
        max_retries: int | None,
        **described: Any,
    ) -> Flow[ContextCache]:
        """See `MoonshotCachingClient.create`."""
        if find_first and not metadata:
            raise ConfigurationError("find_first needs metadata to find a cache by.")
        if ttl is None and expired_at is None:
            ttl = DEFAULT_TTL
        stamped, stamp = _stamped(metadata)
        fields = {
            "model": model,
            "messages": json_objects(messages, "messages"),
            "tools": None if tools is None else json_objects(tools, "tools"),
            "metadata": stamped,
            "ttl": ttl,
            "expired_at": expired_at,
            **described,
        }
        body = checked(CacheCreate, fields)
        request = Request(method="POST", path=CACHES, body=body_of(body))
        attempts = self.attempts(max_retries)
        if find_first and metadata:
            found = yield from flows.find(
                attempts, request, model=model, metadata=metadata
            )
            if found is not None:
                return found
        return (yield from flows.create(attempts, request, model=model, stamp=stamp))

    def get(self, cache_id: str, *, max_retries: int | None) -> Flow[ContextCache]:
        """See `MoonshotCachingClient.get`."""
        request = Request(method="GET", path=cache_path(cache_id), cache_id=cache_id)
        return flows.repeat(self.attempts(max_retries), request, ContextCache)

    def update(
        self,
        cache_id: str,
        *,
        metadata: Mapping[str, str] | None,
        ttl: int | None,
        expired_at: int | None,
        max_retries: int | None,
    ) -> Flow[ContextCache]:
        """See `MoonshotCachingClient.update`."""
        pairs = None if metadata is None else dict(metadata)
        body = checked(
            CacheUpdate, {"metadata": pairs, "ttl": ttl, "expired_at": expired_at}
        )
        request = Request(
            method="PUT",
            path=cache_path(cache_id),
            body=body_of(body),
            cache_id=cache_id,
        )
        return flows.repeat(self.attempts(max_retries), request, ContextCache)

    def delete(self, cache_id: str, *, max_retries: int | None) -> Flow[bool]:
        """See `MoonshotCachingClient.delete`."""
        request = Request(method="DELETE", path=cache_path(cache_id), cache_id=cache_id)
        return flows.delete(self.attempts(max_retries), request, CacheDeleted)

    def caches(
        self,
        *,
        metadata: Mapping[str, str] | None,
        limit: int,
        order: str,
        after: str | None,
        before: str | None,
        max_retries: int | None,
    ) -> Pages[ContextCache]:
        """See `MoonshotCachingClient.list`."""
        first = page(
            CACHES,
            limit=limit,
            order=order,
            after=after,
            before=before,
            metadata=metadata,
        )
        return Pages(
            first=first,
            model=CacheList,
            name=lambda cache: cache.id,
            attempts=lambda: self.attempts(max_retries),
        )

    def create_tag(
        self, tag: str, *, cache_id: str, max_retries: int | None
    ) -> Flow[CacheTag]:
        """See `Tags.create`."""
        body = checked(TagBinding, {"tag": tag, "cache_id": cache_id})
        request = Request(
            method="POST", path=TAGS, body=body_of(body), cache_id=cache_id
        )
        return flows.repeat(self.attempts(max_retries), request, CacheTag)

    def get_tag(self, tag: str, *, max_retries: int | None) -> Flow[CacheTag]:
        """See `Tags.get`."""
        request = Request(method="GET", path=tag_path(tag))
        return flows.repeat(self.attempts(max_retries), request, CacheTag)

    def tag_content(self, tag: str, *, max_retries: int | None) -> Flow[ContextCache]:
        """See `Tags.content`."""
        request = Request(method="GET", path=f"{tag_path(tag)}/content")
        return flows.repeat(self.attempts(max_retries), request, ContextCache)

    def delete_tag(self, tag: str, *, max_retries: int | None) -> Flow[bool]:
        """See `Tags.delete`."""
        request = Request(method="DELETE", path=tag_path(tag))
        return flows.delete(self.attempts(max_retries), request, TagDeleted)

    def tags(
        self,
        *,
        limit: int,
        order: str,
        after: str | None,
        before: str | None,
        max_retries: int | None,
    ) -> Pages[CacheTag]:
        """See `Tags.list`."""
        first = page(TAGS, limit=limit, order=order, after=after, before=before)
        return Pages(
            first=first,
            model=TagList,
            name=lambda tag: tag.tag,
            attempts=lambda: self.attempts(max_retries),
        )

    def estimate_tokens(
        self,
        *,
        model: str,
        messages: Messages,
        tools: Messages | None,
        max_retries: int | None,
    ) -> Flow[TokenEstimate]:
        """See `MoonshotCachingClient.estimate_tokens`."""
        asked: dict[str, Any] = {
            "model": model,
            "messages": json_objects(messages, "messages"),
        }
        if tools is not None:
            asked["tools"] = json_objects(tools, "tools")
        request = Request(method="POST", path=ESTIMATE, body=json_bytes(asked))
        return flows.repeat(self.attempts(max_retries), request, TokenEstimate)

    def extract(self, name: str, data: bytes, *, max_retries: int | None) -> Flow[str]:
        """See `MoonshotCachingClient.extract_file`."""
        digest = blake2b(name.encode("utf-8", "surrogatepass") + b"\0" + data).digest()
        if digest not in self._texts:
            self._texts[digest] = yield from files.extract(
                lambda: self.attempts(max_retries), name=name, data=data
            )
        return self._texts[digest]

    def models(self, *, max_retries: int | None) -> Flow[ModelList]:
        """See `MoonshotCachingClient.models`."""
        request = Request(method="GET", path=MODELS)
        return flows.repeat(self.attempts(max_retries), request, ModelList)

    def balance(self, *, max_retries: int | None) -> Flow[Balance]:
        """See `MoonshotCachingClient.balance`."""
        request = Request(method="GET", path=BALANCE)
        return flows.repeat(self.attempts(max_retries), request, Balance)


@dataclass(kw_only=True)
class Pages(Generic[Item]):
    """The pages of a list, one after the other.

    The documented answer does not say whether more follows, so the end is a page
    without anything new: an empty one, or the same again from a server that ignores
    the cursor. ``has_more: false`` ends it sooner.

    Attributes:
        first: The request for the first page.
        model: What a page is.
        name: What the cursor calls an item.
        attempts: Gives each page its own count of attempts.
    """

    first: Request
    model: type[ListPage[Item]]
    name: Callable[[Item], str]
    attempts: Callable[[], flows.Attempts]
    _seen: set[str] = field(default_factory=set)
    _cursor: str | None = None
    _ended: bool = False

    def next(self) -> Flow[ListPage[Item]] | None:
        """A flow for the next page, or ``None`` after the last."""
        if self._ended:
            return None
        request = self.first
        if self._cursor is not None:
            params = tuple(pair for pair in request.params if pair[0] != "after")
            params += (("after", self._cursor),)
            request = replace(request, params=params)
        return flows.repeat(self.attempts(), request, self.model)

    def take(self, page: ListPage[Item]) -> Sequence[Item]:
        """What is new in a page."""
        new = [item for item in page.data if self.name(item) not in self._seen]
        self._seen.update(map(self.name, new))
        self._ended = not new or page.has_more is False
        if new:
            self._cursor = self.name(new[-1])
        return new


def _stamped(
    metadata: Mapping[str, str] | None,
) -> tuple[dict[str, str], dict[str, str] | None]:
    """Add an id to the metadata of a create, where there is room for one.

    Returns:
        The metadata to send, and the pair by which this create, and no other, can be
        looked up. A ``create_id`` of the caller's own is trusted to be unique.
    """
    pairs = dict(metadata or {})
    if CREATE_ID_KEY not in pairs:
        if len(pairs) >= MAX_METADATA_PAIRS:
            return pairs, None
        pairs[CREATE_ID_KEY] = uuid.uuid4().hex
    return pairs, {CREATE_ID_KEY: pairs[CREATE_ID_KEY]}
