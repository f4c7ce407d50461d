"""What a synchronous and an asynchronous manager of one account share."""

from __future__ import annotations

import logging
import math
import re
import time
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from langchain_moonshot_cache.economics import Advisor, Gaps, PriceBook
from langchain_moonshot_cache.errors import InvalidPromptError
from langchain_moonshot_cache.ledger import Ledger
from langchain_moonshot_cache.lifecycle import Bypassed, Entry, Ready, Terms, usable
from langchain_moonshot_cache.manager.books import Books
from langchain_moonshot_cache.manager.checks import check_conversation, check_tools
from langchain_moonshot_cache.manager.options import (
    check_ttl,
    check_wait,
    chosen_policy,
    chosen_registry,
)
from langchain_moonshot_cache.manager.worlds import Surroundings
from langchain_moonshot_cache.prefix import (
    Prefix,
    PrefixContent,
    estimate_tokens,
    fingerprint,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from langchain_moonshot_cache.economics import CachePolicy
    from langchain_moonshot_cache.registry import Registry

__all__ = ["HOLD", "WITHOUT", "Shared"]

logger = logging.getLogger("langchain_moonshot_cache")

_REQUEST_TIMEOUT = 5.0
"""Seconds that one request to the caching API may take within a chat call, so that an
endpoint that hangs delays the one call that tries to create, and by no more."""
_PATIENT_TIMEOUT = 60.0
_PATIENT_RETRIES = 2
"""For who asked for a cache and for nothing else."""

WITHOUT = "calls go without a cache"
"""What is said in the log in front of the reason."""

_FAMILY = re.compile(r"moonshot-v1(?:-|$)")


def _family_of(model: str) -> str:
    """Name the family that caches are made for: ``moonshot-v1``, not its sizes.

    A model of no known family is a family of its own.
    """
    return "moonshot-v1" if _FAMILY.match(model) else model


@dataclass(kw_only=True)
class Shared:
    """The knowledge of one client of one account.

    Args:
        account: Key of the account's digests.
        registry: A registry, or the URL of one.
        policy: ``"economic"``, ``"always"``, or a policy of one's own.
        ttl: Lifetime of caches in seconds; None leaves it to the policy.
        wait: Seconds that a call may wait for a cache that is still pending.
        ledger: Adds up what caches cost; None for one beside the registry.
        prices: What caches are priced by; None for the built-in list.
        base_url: The endpoint, which tells the currency.
        advisor: Knows the habits of the account, and what caching saved it.
        like: What a client of perhaps the same account and registry knows already.

    Raises:
        ConfigurationError: An option is out of range or unknown.
    """

    account: bytes = field(repr=False)
    registry: Registry
    policy: CachePolicy
    ttl: int
    wait: float
    ledger: Ledger
    prices: PriceBook
    currency: str
    advisor: Advisor
    source: str | Registry | None = None
    holder: str = field(default_factory=lambda: uuid4().hex)
    _known: dict[str, Entry] = field(default_factory=dict, repr=False)
    _made: list[tuple[str, str]] = field(default_factory=list, repr=False)
    _held: dict[str, float] = field(default_factory=dict, repr=False)
    _told: dict[str, tuple[float, float]] = field(default_factory=dict, repr=False)
    _said: set[str] = field(default_factory=set, repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)

    @classmethod
    def of(
        cls,
        *,
        account: bytes,
        registry: str | Registry | None = None,
        policy: str | CachePolicy = "economic",
        ttl: int | None = None,
        wait: float = 1.0,
        ledger: Ledger | None = None,
        prices: PriceBook | None = None,
        base_url: str = "",
        like: Shared | None = None,
    ) -> Shared:
        """Check options and put them together; see the class for what they mean."""
        chosen = chosen_policy(policy)
        same = like is not None and like.source == registry
        opened = like.registry if like and same else chosen_registry(registry)
        prices = PriceBook.builtin() if prices is None else prices
        shared = cls(
            account=account,
            registry=opened,
            policy=chosen,
            ttl=check_ttl(chosen.lifetime if ttl is None else ttl),
            wait=check_wait(wait),
            ledger=Ledger.of(opened) if ledger is None else ledger,
            prices=prices,
            currency=prices.currency(base_url),
            advisor=Advisor(chosen),
            source=registry,
        )
        return shared._knowing(like) if like and same else shared

    def _knowing(self, other: Shared) -> Shared:
        """Return this, with the knowledge of another one if it is of the same account.

        Both are one holder of caches from then on, and either releases for both.
        """
        if not self.knows_as(other):
            return self
        return replace(
            self,
            holder=other.holder,
            advisor=other.advisor,
            _known=other._known,
            _made=other._made,
            _held=other._held,
            _told=other._told,
            _said=other._said,
            _lock=other._lock,
        )

    def knows_as(self, other: Shared) -> bool:
        """Tell whether another client's knowledge is true for this one as well."""
        return self.account == other.account and self.registry is other.registry

    def terms(self, *, ttl: int | None, wait: float | None) -> Terms:
        """Put together what one call grants."""
        return Terms(
            ttl=self.ttl if ttl is None else check_ttl(ttl),
            wait=self.wait if wait is None else check_wait(wait),
        )

    @property
    def endpoint(self) -> str:
        """Stands for the account and its endpoint, and names neither."""
        return self.account.hex()[:16]

    @property
    def books(self) -> Books:
        """Where it is written down what caches cost."""
        return Books(
            ledger=self.ledger,
            prices=self.prices,
            currency=self.currency,
            account=self.endpoint,
        )

    def surroundings(self, *, patient: bool) -> Surroundings:
        """Describe the world to flows, for a chat call or for who has time."""
        return Surroundings(
            registry=self.registry,
            endpoint=self.endpoint,
            books=self.books,
            adding=self._with_gaps,
            made=self._note_made,
            timeout=_PATIENT_TIMEOUT if patient else _REQUEST_TIMEOUT,
            retries=_PATIENT_RETRIES if patient else 0,
        )

    def owner(self) -> str:
        """Choose a name for the claims of one flow."""
        return f"{self.holder}/{uuid4().hex[:12]}"

    def prefix(
        self,
        *,
        model: str,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Mapping[str, Any]] = (),
        name: str | None = None,
    ) -> Prefix:
        """Name a prefix; see ``ContextCacheManager.prefix``."""
        check_conversation(messages)
        check_tools(tools)
        family = _family_of(model)
        content = PrefixContent(messages=messages, tools=tools, name=name)
        return Prefix(
            key=self._fingerprint(family, messages=messages, tools=tools),
            model=family,
            tokens=estimate_tokens(messages, tools),
            content=lambda: content,
        )

    def _fingerprint(
        self,
        family: str,
        *,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Mapping[str, Any]],
    ) -> str:
        try:
            return fingerprint(
                self.account, model=family, messages=messages, tools=tools
            )
        except (TypeError, ValueError, RecursionError) as error:
            raise InvalidPromptError(
                "the messages or tools hold something that JSON does not know, such as "
                "NaN, a set or an own class: give plain values."
            ) from error

    def known(self, key: str, *, offset: float | None) -> Ready | None:
        """Return a cache that this client used before, if it is still good.

        This is all that a hit costs: no registry, no request.
        """
        entry = self._known.get(key)
        if entry is None:
            return None
        now = time.time() + (offset or 0.0)
        if usable(entry, now=now, margin=_MARGIN):
            return Ready(entry)
        return None

    def learn(self, outcome: Ready | Bypassed) -> None:
        """Keep what a flow came to; say once what kept it from a cache."""
        if isinstance(outcome, Bypassed):
            if not outcome.pending:
                self.say_once(outcome.reason)
            return
        entry, now = outcome.entry, time.monotonic()
        self.know(entry)
        with self._lock:
            self._held[entry.key] = now
            self._told[entry.key] = (entry.expires_at, now)

    def know(self, entry: Entry) -> None:
        """Use this entry for the calls to come."""
        with self._lock:
            self._known[entry.key] = entry

    def telling_is_due(self, entry: Entry, *, expires_at: float, ttl: int) -> bool:
        """Tell whether it is time to tell the registry that a cache's end was moved.

        Asking counts as telling; what the registry is not told is known here at least.
        Others who know an earlier end merely ask the server earlier.
        """
        now = time.monotonic()
        with self._lock:
            end, at = self._told.get(entry.key, (entry.expires_at, -math.inf))
            share = (expires_at - end) / ttl
            due = share > _MUCH or (share > _SOME and now - at > HOLD / 2)
            if due:
                self._told[entry.key] = (expires_at, now)
            elif self._known.get(entry.key) == entry:
                self._known[entry.key] = replace(entry, expires_at=expires_at)
        return due

    def hold_is_due(self, key: str) -> bool:
        """Tell whether it is time to say again that this client uses a cache.

        Asking counts as saying so. A hit costs no registry write but for this one,
        twice in the time that a hold lasts.
        """
        now = time.monotonic()
        with self._lock:
            due = now - self._held.get(key, 0.0) > HOLD / 2
            if due:
                self._held[key] = now
        return due

    def look(self, entry: Entry | None) -> None:
        """Take in what others observed of the uses of a prefix."""
        if entry is not None and entry.gaps:
            gaps = Gaps.from_text(entry.gaps)
            self.advisor.learn(entry.key, gaps=gaps, last=entry.used_at)

    def _with_gaps(self, entry: Entry) -> Entry:
        """Add what this client observed since it last told."""
        told = self.advisor.tell(entry.key, gaps=Gaps.from_text(entry.gaps))
        if told is None:
            return entry
        gaps, last = told
        used_at = max(entry.used_at, last)
        return replace(entry, gaps=gaps.text(), used_at=used_at)

    def _note_made(self, key: str, cache_id: str) -> None:
        with self._lock:
            if (key, cache_id) not in self._made:
                self._made.append((key, cache_id))

    def forget(self, key: str) -> None:
        """Use a cache no more."""
        with self._lock:
            self._known.pop(key, None)

    def made(self, prefix: Prefix | None = None) -> list[tuple[str, str]]:
        """List the keys and ids of the caches that this client created."""
        with self._lock:
            made = list(self._made)
        return [pair for pair in made if prefix is None or pair[0] == prefix.key]

    def let_go(self, prefix: Prefix | None = None) -> list[str]:
        """List the keys of caches that others made and this client said it uses.

        The next use says so anew.
        """
        made = {key for key, _ in self.made(prefix)}
        with self._lock:
            held = [key for key in self._held if prefix is None or key == prefix.key]
            for key in held:
                del self._held[key]
        return [key for key in held if key not in made]

    def unmake(self, key: str, cache_id: str) -> None:
        """Strike a cache off the list of those created."""
        with self._lock:
            if (key, cache_id) in self._made:
                self._made.remove((key, cache_id))
            self._known.pop(key, None)

    def say_once(self, reason: str, *, what: str = WITHOUT) -> None:
        """Log why calls go without a cache, or ``what`` else, once for each reason."""
        kind = re.sub(r"\d+", "#", reason)
        with self._lock:
            new = kind not in self._said
            self._said.add(kind)
        if new:
            logger.warning("%s: %s", what, reason)


_MUCH, _SOME = 0.4, 0.1
"""Shares of the lifetime that a renewal must add for the registry to be told at once,
or to be told at all. Economic lifetimes are renewed by the minute."""

_MARGIN = Terms().margin
HOLD = Terms().hold
"""Seconds for which a client that used a cache counts as using it."""
