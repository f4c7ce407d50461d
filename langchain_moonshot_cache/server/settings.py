"""What can be set about the stand-in, in one frozen object."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from datetime import date

__all__ = [
    "Currency",
    "RetiredStatus",
    "Settings",
    "UsageFields",
    "UsageLayout",
    "WriteHeaders",
]

Currency = Literal["CNY", "USD"]
UsageLayout = Literal["choice", "chunk", "both"]
UsageFields = Literal["both", "details", "top", "bare", "absent"]
WriteHeaders = Literal["counts", "empty", "negative", "words", "absent"]
RetiredStatus = Literal[200, 404]


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """How the stand-in behaves.

    Attributes:
        host: Address to listen on; anything but loopback is the user's decision.
        port: TCP port; 0 takes a free one.
        ready_after: Seconds of the server's clock between accepting a cache and
            ``ready``. Moonshot's took 40 to 60; the default keeps tests short.
        cache_token_limit: Most tokens one cache may hold.
        account_token_limit: Most tokens the living caches of one account may hold.
        max_ttl: Longest life of a cache, in seconds.
        data: Path of the SQLite file, or ``":memory:"``.
        currency: Currency of the bill.
        price_date: Day whose prices the bill uses; None means the clock's today.
        usage_layout: Where a stream reports usage: in the finishing ``choice``, in a
            ``chunk`` of its own (only when the request asks for it), or ``both``. A
            kimi model reports in either place only when asked.
        usage_fields: Where usage says what came from a prefix cache: in
            ``prompt_tokens_details`` (``details``), at its ``top``, in ``both``, or
            nowhere (``bare``); ``absent`` reports no usage at all. On moonshot-v1
            ``both`` means ``top``.
        write_headers: What the headers about written prefixes carry: ``counts``, or
            what no client should stumble over: ``empty`` values, ``negative`` ones,
            ``words``; or they are ``absent``.
        cached_surplus: How many tokens more than true usage reports as cached on kimi
            models; self-hosted engines were seen to report 1 or 2 too many.
        require_reasoning: Whether a thinking model refuses tool calls that come back
            without their ``reasoning_content``.
        retired_models: Whether models are gone from the day on that their vendor
            retired them, by the server's clock; False serves them on.
        retired: Answer every ``/v1/caching`` route as a host that no longer has it,
            under this status; None serves the routes.
        control: Whether the ``/_stand_in/`` routes (clock, faults, requests) exist.
        seed: Seed of the ids; None makes them different in every run.
        api_keys: The only keys that are accepted; None accepts every key.
        max_body_bytes: Largest request body, in bytes.
        log_entries: How many requests the request log remembers.
        log_bytes: How many bytes of request bodies the request log remembers.
    """

    host: str = "127.0.0.1"
    port: int = 0
    ready_after: float = 0.05
    cache_token_limit: int = 128 * 1024
    account_token_limit: int = 1_000_000
    max_ttl: int = 3600
    data: str = ":memory:"
    currency: Currency = "CNY"
    price_date: date | None = None
    usage_layout: UsageLayout = "both"
    usage_fields: UsageFields = "both"
    write_headers: WriteHeaders = "counts"
    cached_surplus: int = 0
    require_reasoning: bool = True
    retired_models: bool = False
    retired: RetiredStatus | None = None
    control: bool = True
    seed: int | None = None
    api_keys: frozenset[str] | None = field(default=None, repr=False)
    max_body_bytes: int = 32 * 1024 * 1024
    log_entries: int = 10_000
    log_bytes: int = 64 * 1024 * 1024
