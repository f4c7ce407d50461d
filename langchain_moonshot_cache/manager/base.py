"""What the two managers are apart from how they wait."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from langchain_moonshot_cache.lifecycle import (
    Bypassed,
    Ready,
    ensure,
    foresee,
    hold,
    release_all,
    renewed,
    sweep,
)
from langchain_moonshot_cache.manager.orphans import Orphan, orphans
from langchain_moonshot_cache.manager.shared import HOLD, Shared

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from langchain_moonshot_cache.economics import CachePolicy, PriceBook
    from langchain_moonshot_cache.ledger import Ledger
    from langchain_moonshot_cache.lifecycle import (
        Entry,
        Outlook,
        Released,
        Swept,
        Terms,
    )
    from langchain_moonshot_cache.lifecycle.effects import Flow
    from langchain_moonshot_cache.prefix import Prefix
    from langchain_moonshot_cache.protocol import (
        AsyncMoonshotCachingClient,
        MoonshotCachingClient,
    )
    from langchain_moonshot_cache.registry import Registry

__all__ = ["ManagerBase", "follower"]

C = TypeVar("C", "MoonshotCachingClient", "AsyncMoonshotCachingClient")


class ManagerBase(Generic[C]):
    """Options, and the flows that each method runs.

    Attributes:
        client: Speaks to the caching API.
        shared: What managers of both colours know.
    """

    def __init__(
        self,
        client: C,
        *,
        owned: bool,
        registry: str | Registry | None,
        policy: str | CachePolicy,
        ttl: int | None,
        wait: float,
        ledger: Ledger | None,
        prices: PriceBook | None,
        shared: Shared | None,
    ) -> None:
        self._owned = owned
        self.client: C = client
        self.shared = shared or Shared.of(
            account=client.account(),
            registry=registry,
            policy=policy,
            ttl=ttl,
            wait=wait,
            ledger=ledger,
            prices=prices,
            base_url=client.base_url,
        )

    def prefix(
        self,
        *,
        model: str,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Mapping[str, Any]] = (),
    ) -> Prefix:
        """Name a prefix.

        Args:
            model: The model, such as ``moonshot-v1-8k``; its family gets the cache.
            messages: Messages in the wire's form.
            tools: Tools in the wire's form.

        Raises:
            InvalidPromptError: They are nothing that a cache could hold.
        """
        return self.shared.prefix(model=model, messages=messages, tools=tools)

    def known(self, prefix: Prefix) -> Ready | None:
        """Return the cache of a prefix if this manager knows it to be good."""
        return self.shared.known(prefix.key, offset=self.client.server_time_offset)

    def _ensuring(self, prefix: Prefix, terms: Terms) -> Flow[Ready | Bypassed]:
        return ensure(prefix, terms, owner=self.shared.owner())

    def _foreseeing(self, prefix: Prefix) -> Flow[Outlook]:
        return foresee(prefix, self.shared.terms(ttl=None, wait=None))

    def _renewing(self, ready: Ready, *, expires_at: float) -> Flow[Entry]:
        return renewed(ready.entry, expires_at=expires_at)

    def _holding(self, ready: Ready) -> Flow[None] | None:
        """Say that a cache is used, if it is time to say so again."""
        key = ready.entry.key
        if not self.shared.hold_is_due(key):
            return None
        return hold(key, holder=self.shared.holder, seconds=HOLD)

    def _releasing(self, prefix: Prefix | None) -> Flow[Released]:
        return release_all(
            self.shared.made(prefix),
            used=self.shared.let_go(prefix),
            holder=self.shared.holder,
            owner=self.shared.owner(),
            terms=self.shared.terms(ttl=None, wait=None),
        )

    def _released(self, outcome: Released) -> int:
        for key, cache_id in outcome.done:
            self.shared.unmake(key, cache_id)
        if outcome.trouble is not None:
            raise outcome.trouble
        return outcome.deleted

    def _sweeping(self, *, dry_run: bool) -> Flow[list[Swept]]:
        terms = self.shared.terms(ttl=None, wait=None)
        return sweep(delete=not dry_run, owner=self.shared.owner(), terms=terms)

    def _swept(self, found: list[Swept]) -> list[Orphan]:
        now = time.time() + (self.client.server_time_offset or 0.0)
        return orphans(
            found, prices=self.shared.prices, currency=self.shared.currency, now=now
        )


def follower(outcome: Ready | Bypassed) -> Ready | Bypassed:
    """Turn a leader's outcome into that of one who waited for it and paid nothing."""
    if isinstance(outcome, Ready):
        return Ready(outcome.entry)
    return replace(outcome, created=False)
