"""What a chat call leaves behind: a longer life, headers, counts, a prefix run anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_moonshot_cache.server.gateway.usage import SLACK, judge
from langchain_moonshot_cache.server.marks import implements
from langchain_moonshot_cache.server.rules import CACHE_HEADERS, RESET_TTL, TOKEN_EXP

if TYPE_CHECKING:
    from langchain_moonshot_cache.server.gateway.prompts import Prompt
    from langchain_moonshot_cache.server.gateway.state import Counts, Record
    from langchain_moonshot_cache.server.gateway.usage import Outcome, Reported
    from langchain_moonshot_cache.server.gateway.visit import Visit

__all__ = ["cache_headers", "settle", "use"]


@implements(RESET_TTL)
async def use(visit: Visit, prompt: Prompt) -> int:
    """Let a cache that was used live on, if the request says so.

    Returns:
        Its expiry in unix seconds; 0 if no cache was used. Where the state cannot be
        used, that is the old one: an answer that was computed is not thrown away.
    """
    cache, reference = prompt.cache, prompt.reference
    if cache is None:
        return 0
    if reference is None or not reference.reset_ttl:
        return cache.expired_at
    end = visit.world.clock.seconds() + reference.reset_ttl
    state = visit.world.state
    try:
        await state.change(cache.id, account=visit.account, values={"expired_at": end})
    except state.errors as error:
        visit.world.metrics.state_failed(error)
        return cache.expired_at
    return end


@implements(CACHE_HEADERS, TOKEN_EXP)
def cache_headers(
    prompt: Prompt, *, saved: int | None, expired_at: int
) -> dict[str, str]:
    """Return the answer headers about the cache.

    Args:
        prompt: What reached the engine.
        saved: Prompt tokens that came from the cache; None leaves that header out.
        expired_at: Unix seconds.
    """
    if prompt.cache is None:
        return {}
    headers = {
        "Msh-Context-Cache-Id": prompt.cache.id,
        "Msh-Context-Cache-Token-Exp": str(expired_at),
    }
    if saved is not None:
        headers["Msh-Context-Cache-Token-Saved"] = str(saved)
    return headers


def settle(visit: Visit, prompt: Prompt) -> None:
    """Count a call that reached the engine, once its answer is out or given up."""
    world, reported = visit.world, visit.reported
    outcome: Outcome | None = None
    if prompt.cache is not None:
        outcome = judge(reported, tokens=prompt.cache.tokens)
        _watch(visit, prompt.cache, outcome)
    world.metrics.called(reported, outcome=outcome, first=visit.first)
    model = visit.model or ""
    world.tally.add(visit.account, model=model, counts=_counts(reported))


def _watch(visit: Visit, cache: Record, outcome: Outcome) -> None:
    """Have a prefix run again that the engine lost; too short a one never shows."""
    builder = visit.world.builder
    if outcome == "hit":
        builder.found_held(cache.id)
    elif outcome in ("miss", "partial") and (cache.tokens or 0) > SLACK:
        builder.rewarm(cache)


def _counts(reported: Reported) -> Counts:
    return {
        "calls": 1,
        "prompt_tokens": reported.prompt or 0,
        "cached_tokens": reported.cached or 0,
        "completion_tokens": reported.completion or 0,
        "calls_without_usage": int(reported.prompt is None),
        "calls_without_cached_tokens": int(reported.cached is None),
    }
