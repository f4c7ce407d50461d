"""How a call's tokens are reported: in usage and in headers, sound or odd."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .kimi_rules import USAGE_DETAILS, WRITE_HEADERS
from .marks import implements
from .models import caches_prefixes
from .rules import CACHED_TOKENS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .billing import Usage
    from .settings import Settings

__all__ = ["wire_usage", "write_headers"]

Json = dict[str, Any]

_ODD: Final[Mapping[str, str]] = {"empty": "", "negative": "-1", "words": "n/a"}


@implements(CACHED_TOKENS, USAGE_DETAILS)
def wire_usage(usage: Usage, *, model: str, settings: Settings) -> Json | None:
    """Return the usage object of the API.

    Args:
        usage: Tokens.
        model: The model that answered.
        settings: Where usage says what came from a cache.

    Returns:
        The object; None if no usage is to be reported.
    """
    where = settings.usage_fields
    if where == "absent":
        return None
    report: Json = {
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.completion,
        "total_tokens": usage.prompt + usage.completion,
    }
    cached = usage.cached
    if caches_prefixes(model):
        cached += settings.cached_surplus
        if where in ("both", "details"):
            report["prompt_tokens_details"] = _details(cached, usage.written)
    elif where == "details":
        report["prompt_tokens_details"] = _details(cached, None)
    if where in ("both", "top"):
        report["cached_tokens"] = cached
    return report


def _details(cached: int, written: int | None) -> Json:
    details = {"cached_tokens": cached}
    return details if written is None else {**details, "cache_write_tokens": written}


@implements(WRITE_HEADERS)
def write_headers(usage: Usage, *, settings: Settings) -> dict[str, str]:
    """Return the headers that tell what was written to the prefix cache.

    Args:
        usage: Tokens; a model that bills no writes sends no such headers.
        settings: What the headers carry.
    """
    kind = settings.write_headers
    if usage.written is None or kind == "absent":
        return {}
    return {
        f"Msh-Usage-Cache-Write-Tokens-{tier}": _ODD.get(
            kind, str(usage.written if usage.tier == tier else 0)
        )
        for tier in ("5m", "1h")
    }
