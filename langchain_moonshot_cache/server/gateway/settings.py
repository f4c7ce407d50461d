"""What can be set about a gateway, whatever engine stands behind it."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["GatewaySettings"]


@dataclass(frozen=True, kw_only=True, slots=True)
class GatewaySettings:
    """How a gateway behaves.

    Attributes:
        host: Address to listen on; anything but loopback needs ``keys``.
        port: TCP port; 0 takes a free one.
        data: Where the state is kept: a SQLite file, or a ``redis://`` URL that several
            gateways share. The empty text is a file that is gone when the gateway
            stops.
        keys: The only keys that are accepted; None accepts every key, each as an
            account of its own.
        max_body_bytes: Largest request body, in bytes: room for the 128k tokens that a
            cache may hold, several times over.
        body_seconds: How long a client may take to send its body.
        account_token_limit: Most tokens that the living caches of an account may hold,
            by the gateway's own estimate; it bounds what an account stores.
        content_bytes: How many bytes of cached messages and tools are kept in memory;
            the rest is read when it is used.
        builds: How many prefixes are run through the engine at the same time.
        stop_seconds: How long running calls may go on once the gateway is told to stop.
    """

    host: str = "127.0.0.1"
    port: int = 0
    data: str = field(default="", repr=False)  # the URL may hold a password
    keys: frozenset[str] | None = field(default=None, repr=False)
    max_body_bytes: int = 32 * 1024 * 1024
    body_seconds: float = 60.0
    account_token_limit: int = 1_000_000
    content_bytes: int = 64 * 1024 * 1024
    builds: int = 8
    stop_seconds: float = 30.0
