"""Digests that name a prefix without telling what it says.

Every digest is keyed by the account, for two reasons: two keys must never share a
cache entry, and a short prompt could be guessed from its plain digest.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from langchain_moonshot_cache.prefix.canonical import canonical_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["account_key", "fingerprint"]

_DIGEST_BYTES = 20
"""160 bits: 2**80 prefixes until a collision is likely, and 40 characters of text,
which fit a metadata value (512) and an index."""

_ACCOUNT_PERSON = b"lmc-account"
_PREFIX_PERSON = b"lmc-prefix"


def account_key(*, api_key: str, base_url: str) -> bytes:
    """Derive the secret under which one account's digests are made.

    Args:
        api_key: The bearer key; it cannot be read back from the result.
        base_url: The endpoint. The same key at two endpoints is two accounts.

    Returns:
        32 bytes, to be kept in memory only.
    """
    named = canonical_bytes([api_key, base_url.rstrip("/")])
    return blake2b(named, digest_size=32, person=_ACCOUNT_PERSON).digest()


def fingerprint(
    account: bytes,
    *,
    model: str,
    messages: Sequence[Mapping[str, Any]],
    tools: Sequence[Mapping[str, Any]] = (),
) -> str:
    """Name a prefix: what two callers must agree on to share one cache.

    Args:
        account: The key from :func:`account_key`.
        model: The model family, such as ``"moonshot-v1"``.
        messages: The messages of the prefix, in wire form.
        tools: The tools of the prefix, in wire form. None and no tools are one.

    Returns:
        40 hexadecimal digits.
    """
    digest = blake2b(key=account, digest_size=_DIGEST_BYTES, person=_PREFIX_PERSON)
    for part in (model, list(tools), *messages):
        data = canonical_bytes(part)
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return digest.hexdigest()
