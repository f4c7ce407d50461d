"""What the tests of the automatic prefix cache share: a manual, and how it is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from server_kit import Api

Json = dict[str, Any]

BLOCK = 256
KIMI = "kimi-k3"
MANUAL = {"role": "system", "content": "Lighthouses 灯塔 guide ships. " * 200}
MORE = {"role": "user", "content": "And how are they lit 照明? " * 60}
MILLION = 1_000_000
WRITE_5M, WRITE_1H = (f"Msh-Usage-Cache-Write-Tokens-{tier}" for tier in ("5m", "1h"))


def ask(api: Api, *messages: Json, **fields: Any) -> Json:
    """Return the usage of a call, which must succeed."""
    reply = api.chat(*messages, **{"model": KIMI, **fields})
    assert reply.status_code == 200, reply.text
    usage: Json = reply.json()["usage"]
    return usage


def read(usage: Json) -> int:
    return int(usage["prompt_tokens_details"]["cached_tokens"])


def written(usage: Json) -> int:
    return int(usage["prompt_tokens_details"]["cache_write_tokens"])


def whole_blocks(tokens: int) -> int:
    return tokens // BLOCK * BLOCK


def with_ttl(ttl: str) -> Json:
    return {"prompt_cache_options": {"mode": "implicit", "ttl": ttl}}
