"""What travels over the wire of the named-caching API, as pydantic models.

Readers are tolerant where servers are known to differ (either spelling of
``object``, ``expired`` for ``inactive``, ``metadata: null``, fields nobody told us
about) and strict where a wrong value would be acted upon (ids, states, numbers).
None of them shows messages, tools or metadata in its ``repr``: a prompt is a secret.
"""

from __future__ import annotations

import math
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Generic, Literal, TypeVar

from pydantic import (
    AfterValidator,
    AliasPath,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "CREATE_ID_KEY",
    "Balance",
    "CacheCreate",
    "CacheDeleted",
    "CacheError",
    "CacheList",
    "CacheStatus",
    "CacheTag",
    "CacheUpdate",
    "ContextCache",
    "FileDeleted",
    "FileText",
    "FileUploaded",
    "ListPage",
    "ModelList",
    "ModelName",
    "TagBinding",
    "TagDeleted",
    "TagList",
    "TokenEstimate",
]

CREATE_ID_KEY = "create_id"
"""Metadata key under which a create carries an id of its own.

By this id the cache is found again when the reply to its create was lost.
"""

Item = TypeVar("Item", bound=BaseModel)

MAX_METADATA_PAIRS = 16  # documented limit of the API
_MAX_UNIX_TIME = 253_402_300_799  # the last second of the year 9999: datetime's end
_MAX_COUNT = 2**53  # the largest integer that every JSON reader keeps exact


class CacheStatus(StrEnum):
    """The state of a cache, as the server tells it."""

    PENDING = "pending"
    """Being built; it cannot be used yet."""
    READY = "ready"
    """Usable."""
    ERROR = "error"
    """The server gave up building it; ``ContextCache.error`` says why."""
    INACTIVE = "inactive"
    """Expired. A call with ``reset_ttl`` may bring it back."""


def _status(value: object) -> object:
    """Turn a documented or observed state into ours; pydantic refuses the rest."""
    if value == "expired":  # a published sample program knows this word, no page does
        return CacheStatus.INACTIVE
    if isinstance(value, str) and value in set(CacheStatus):
        return CacheStatus(value)
    return value


def _one_spelling(value: str) -> str:
    """The documentation says ``context-cache``, real answers are spelt otherwise."""
    return "context_cache_object" if value == "context-cache" else value


def _null_is_empty(value: object) -> object:
    return {} if value is None else value


def _null_is_no_text(value: object) -> object:
    return "" if value is None else value


def _null_is_none_sent(value: object) -> object:
    return [] if value is None else value


def _exactly(value: object) -> object:
    """Take a JSON number as it was written; pydantic refuses the rest."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return Decimal(str(value)) if number and math.isfinite(value) else value  # type: ignore[arg-type]  # a number, by the line above


# An id goes into a path and into a header, so only visible ASCII can be one.
Identifier = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,256}$")]
UnixSeconds = Annotated[int, Field(ge=0, le=_MAX_UNIX_TIME)]
Count = Annotated[int, Field(ge=0, le=_MAX_COUNT)]
Text = Annotated[str, BeforeValidator(_null_is_no_text)]
ObjectName = Annotated[str, AfterValidator(_one_spelling)]
JsonObjects = Annotated[list[dict[str, Any]], BeforeValidator(_null_is_none_sent)]
StringPairs = Annotated[dict[str, str], BeforeValidator(_null_is_empty)]


class _Wire(BaseModel):
    """Common ground: frozen, strict types, input never quoted in an error."""

    model_config = ConfigDict(
        extra="ignore", frozen=True, hide_input_in_errors=True, strict=True
    )


class CacheError(_Wire):
    """Why a cache could not be built.

    Attributes:
        type: The server's name for the error.
        message: The server's words. They may quote the prompt, so they are kept out
            of ``repr``.
    """

    type: Text = ""
    message: Text = Field(default="", repr=False)


class ContextCache(_Wire):
    """A cache as the server describes it.

    Only ``id`` and ``status`` are demanded: an answer to a create that lacks less
    important fields still names something that must be deleted one day.

    Attributes:
        id: The server's id, such as ``cache-essqmysd6h1111dauub1``.
        status: Where it is in its life.
        object: Kind of object, always ``context_cache_object`` for a cache, whichever
            spelling the server used.
        model: The model family it was made for, such as ``moonshot-v1``.
        tokens: Tokens stored; ``None`` when the server did not say.
        created_at: Unix seconds by the server's clock, or ``None``.
        expired_at: Unix seconds by the server's clock, or ``None``.
        messages: The cached messages, as sent.
        tools: The cached tools, as sent.
        name: As given at creation, else empty.
        description: As given at creation, else empty.
        metadata: As given, plus the pair that the client added (`CREATE_ID_KEY`).
        error: Set when ``status`` is ``error``.
    """

    id: Identifier
    status: Annotated[CacheStatus, BeforeValidator(_status)]
    object: ObjectName = "context_cache_object"
    model: str | None = None
    tokens: Count | None = None
    created_at: UnixSeconds | None = None
    expired_at: UnixSeconds | None = None
    messages: JsonObjects = Field(default_factory=list)
    tools: JsonObjects = Field(default_factory=list)
    name: Text = ""
    description: Text = ""
    metadata: StringPairs = Field(default_factory=dict)
    error: CacheError | None = None

    @property
    def is_live(self) -> bool:
        """Whether it is usable, or will be without anybody's doing."""
        return self.status in {CacheStatus.PENDING, CacheStatus.READY}

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        yield "id", self.id
        yield "status", self.status.value
        yield "model", self.model
        yield "tokens", self.tokens
        yield "expired_at", self.expired_at


class CacheDeleted(_Wire):
    """The answer to the deletion of a cache."""

    id: Identifier | None = None
    deleted: Literal[True]


class CacheTag(_Wire):
    """A tag: a name of the user's own that points at a cache.

    Attributes:
        tag: 1 to 128 characters.
        cache_id: The cache it points at.
        created_at: Unix seconds by the server's clock, or ``None``.
        owned_by: The account, as the server writes it.
    """

    tag: Identifier
    cache_id: Identifier
    object: str = "cache_object.tag"
    created_at: UnixSeconds | None = None
    owned_by: Text = ""


class ListPage(_Wire, Generic[Item]):
    """One page of a list.

    Attributes:
        object: ``list``.
        data: The items, sorted by ``created_at``.
        has_more: Whether another page follows; ``None`` when the server did not say,
            which is what the documented API does.
    """

    object: Literal["list"] = "list"
    data: list[Item]
    has_more: bool | None = None


class CacheList(ListPage[ContextCache]):
    """One page of caches."""


class TagList(ListPage[CacheTag]):
    """One page of tags."""


class TagDeleted(_Wire):
    """The answer to the deletion of a tag; the server always says yes."""

    tag: Identifier | None = None
    deleted: Literal[True]


class TokenEstimate(_Wire):
    """How many tokens a request would have.

    Attributes:
        total_tokens: Tokens of all messages and tools together.
    """

    total_tokens: Count = Field(validation_alias=AliasPath("data", "total_tokens"))


class ModelName(_Wire):
    """A model that the key may use.

    Attributes:
        id: Its name.
    """

    id: Identifier


class ModelList(ListPage[ModelName]):
    """The models that the key may use."""


class Balance(_Wire):
    """What is left on an account.

    Attributes:
        available: In the account's currency; it may be negative.
    """

    available: Annotated[Decimal, BeforeValidator(_exactly)] = Field(
        validation_alias=AliasPath("data", "available_balance")
    )


class FileUploaded(_Wire):
    """The answer to an upload.

    Attributes:
        id: What the file is called at the server.
    """

    id: Identifier


class FileText(_Wire):
    """What was extracted from a file.

    Attributes:
        content: Its text.
    """

    content: str = Field(repr=False)


class FileDeleted(_Wire):
    """The answer to the deletion of a file."""

    deleted: Literal[True]


class _Asked(_Wire):
    """A request body: nothing unknown may slip into it."""

    model_config = ConfigDict(extra="forbid")

    metadata: (
        Annotated[
            dict[
                Annotated[str, StringConstraints(min_length=1, max_length=64)],
                Annotated[str, StringConstraints(max_length=512)],
            ],
            Field(max_length=MAX_METADATA_PAIRS),
        ]
        | None
    ) = None
    ttl: Count | None = None
    expired_at: UnixSeconds | None = None

    @model_validator(mode="after")
    def _one_expiry(self) -> _Asked:
        if self.ttl is not None and self.expired_at is not None:
            raise ValueError("ttl and expired_at exclude each other")
        return self

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        yield "ttl", self.ttl
        yield "expired_at", self.expired_at


class CacheCreate(_Asked):
    """The body of ``POST /v1/caching``; limits are the documented ones.

    Attributes:
        model: The model family.
        messages: What to cache.
        tools: Tool definitions to cache, or ``None``.
        name: At most 256 characters.
        description: At most 512 characters.
        metadata: At most 16 pairs, keys of at most 64, values of 512 characters.
        tags: Tags to bind to the new cache.
        ttl: Seconds to live. Excludes ``expired_at``.
        expired_at: Unix seconds at which it expires.
    """

    model: Annotated[str, StringConstraints(min_length=1)]
    messages: Annotated[list[dict[str, Any]], Field(min_length=1)]
    tools: list[dict[str, Any]] | None = None
    name: Annotated[str, Field(max_length=256)] | None = None
    description: Annotated[str, Field(max_length=512)] | None = None
    tags: list[Identifier] | None = None


class CacheUpdate(_Asked):
    """The body of ``PUT /v1/caching/{id}``: new metadata, a new expiry, or both."""


class TagBinding(_Wire):
    """The body of ``POST /v1/caching/refs/tags``."""

    tag: Identifier
    cache_id: Identifier
