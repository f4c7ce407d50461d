"""The manager for threads; its twin for event loops is in aio."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Self

from langchain_moonshot_cache.lifecycle import (
    Bypassed,
    Ready,
    drive,
    refused,
)
from langchain_moonshot_cache.lifecycle.making import ELSEWHERE
from langchain_moonshot_cache.manager.base import ManagerBase, follower
from langchain_moonshot_cache.manager.flights import Flights
from langchain_moonshot_cache.manager.worlds import RealWorld
from langchain_moonshot_cache.protocol import MoonshotCachingClient

if TYPE_CHECKING:
    from langchain_moonshot_cache.economics import CachePolicy, PriceBook
    from langchain_moonshot_cache.ledger import Ledger, Renewal
    from langchain_moonshot_cache.lifecycle import Outlook
    from langchain_moonshot_cache.manager.orphans import Orphan
    from langchain_moonshot_cache.manager.shared import Shared
    from langchain_moonshot_cache.prefix import Prefix
    from langchain_moonshot_cache.registry import Registry

__all__ = ["ContextCacheManager"]


class ContextCacheManager(ManagerBase[MoonshotCachingClient]):
    """Creates, finds, renews and deletes named caches, one for each prefix.

    Safe for use by many threads. Leaving it as a context manager deletes the caches
    that it created and that nobody else uses::

        with ContextCacheManager(registry="memory://") as caches:
            prefix = caches.prefix(model="moonshot-v1-8k", messages=[...])
            outcome = caches.ensure(prefix, wait=60)

    Args:
        client: Speaks to the caching API; default: one made from the environment.
        registry: A registry or the URL of one, such as ``"memory://"``.
        policy: ``"economic"``, ``"always"`` or a policy of one's own.
        ttl: Lifetime of caches in seconds, 30 to 3600; None leaves it to the policy.
        wait: Seconds that ``ensure`` waits for a cache that is still pending.
        ledger: Adds up what the caches cost; None for one in the registry's database.
        prices: What they are priced by; None for the built-in list.
        shared: What a manager of the other colour knows already, in place of the
            options above.

    Raises:
        ConfigurationError: An option is out of range or unknown, or there is no key.
    """

    def __init__(
        self,
        client: MoonshotCachingClient | None = None,
        *,
        registry: str | Registry | None = None,
        policy: str | CachePolicy = "economic",
        ttl: int | None = None,
        wait: float = 1.0,
        ledger: Ledger | None = None,
        prices: PriceBook | None = None,
        shared: Shared | None = None,
    ) -> None:
        super().__init__(
            client or MoonshotCachingClient(),
            owned=client is None,
            registry=registry,
            policy=policy,
            ttl=ttl,
            wait=wait,
            ledger=ledger,
            prices=prices,
            shared=shared,
        )
        self._flights: Flights[Ready | Bypassed] = Flights()

    def ensure(
        self,
        prefix: Prefix,
        *,
        ttl: int | None = None,
        wait: float | None = None,
        patient: bool = False,
    ) -> Ready | Bypassed:
        """Get the cache of a prefix: find it, wait for it or create it.

        Args:
            prefix: From :meth:`prefix`.
            ttl: Lifetime in seconds if the cache has to be created.
            wait: Seconds to wait for a cache that is still pending.
            patient: Give requests to the caching API a minute and retries, as suits
                someone who wants a cache, rather than 5 s, as suits a chat call.

        Returns:
            The cache, or why there is none. Trouble with the endpoint or the registry
            is such a reason and never an exception.
        """
        if known := self.known(prefix):
            return known
        terms = self.shared.terms(ttl=ttl, wait=wait)
        until = time.monotonic() + terms.wait
        while True:
            with self._flights.lead(prefix.key) as landing:
                if landing is not None:
                    world = self._world(patient=patient)
                    flow = self._ensuring(prefix, terms)
                    landing.outcome = drive(flow, world)
                    self.shared.learn(landing.outcome)
                    return landing.outcome
            outcome = self._flights.follow(prefix.key, seconds=until - time.monotonic())
            if outcome is not None:
                return follower(outcome)
            if time.monotonic() >= until:
                return ELSEWHERE

    def foresee(self, prefix: Prefix) -> Outlook:
        """Find out what :meth:`ensure` would do, and change nothing.

        It asks the registry, by reading, and never the server.
        """
        return drive(self._foreseeing(prefix), self._world())

    def renewed(self, ready: Ready, *, expires_at: float) -> None:
        """Note that a call moved the end of a cache's life to ``expires_at``."""
        flow = self._renewing(ready, expires_at=expires_at)
        self.shared.know(drive(flow, self._world()))

    def used(self, ready: Ready) -> None:
        """Note that a call used a cache, so that nobody else deletes it meanwhile."""
        if flow := self._holding(ready):
            drive(flow, self._world())

    def refused(self, ready: Ready, *, attempt: Renewal | None = None) -> None:
        """Note that the server refused a reference to the cache.

        Args:
            ready: The cache.
            attempt: The renewal that came with the reference, for the ledger.
        """
        self.shared.forget(ready.entry.key)
        if note := self.shared.books.refusal(attempt):
            note()
        drive(refused(ready.entry), self._world())

    def release(self, *, prefix: Prefix | None = None) -> int:
        """Delete the caches that this manager created and nobody else uses.

        Args:
            prefix: Only the cache of this prefix; None for all.

        Returns:
            How many were deleted.

        Raises:
            MoonshotCacheError: Some could not be deleted, after all were tried. They
                stay on the list, and end with their lifetime at the latest.
        """
        flow = self._releasing(prefix)
        return self._released(drive(flow, self._world(patient=True)))

    def sweep(self, *, dry_run: bool = True) -> list[Orphan]:
        """List the caches that clients of this account left behind; delete if told.

        A cache is left behind if it carries this package's metadata and, by this
        manager's registry, nobody holds it. Clients with another registry, such as
        ``memory://``, are not seen there: their caches look left behind too.

        Args:
            dry_run: List only. With False, what is listed is deleted.

        Returns:
            One entry for each such cache, with its age and what it costs per hour.

        Raises:
            MoonshotCacheError: The caches could not be listed, or the registry not
                read. A cache that could not be deleted says so in ``trouble``.
        """
        flow = self._sweeping(dry_run=dry_run)
        return self._swept(drive(flow, self._world(patient=True)))

    def _world(self, *, patient: bool = False) -> RealWorld:
        return RealWorld(self.client, self.shared.surroundings(patient=patient))

    def close(self) -> None:
        """Close the connections, unless the client was handed in."""
        if self._owned:
            self.client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        try:
            self.release()
        finally:
            self.close()
