"""The contract that every registry keeps.

A registry maps the fingerprint of a prefix to what is known about its cache. It holds
digests, ids, counts and times, and nothing that a prompt or a key could be read from.

What a registry promises, each line checked by the function of the same name in
:mod:`~langchain_moonshot_cache.registry.conformance`:

- **A lookup returns what was recorded last**, or None.
- **Going through the entries misses none** that was there all the time.
- **One owner at a time.** While a lease lasts, a claim by anyone else is refused and
  changes nothing.
- **Of many claims at once one is won**, also when they come from several threads.
- **An owner may claim again**, which starts its lease anew: a claim whose reply was
  lost can be repeated.
- **An expired lease can be claimed**, by the registry's own clock.
- **Every won claim has a higher fence** than all claims on that key before it, also
  after the entry was cleared. Numbers may be left out.
- **A stale write is rejected.** ``record`` takes effect only while the fence it names
  is the latest; where nothing is known about a key, any fence is.
- **A release by a stranger changes nothing**, and releasing twice is no error.
- **Clearing is by cache id**, so that it cannot remove a newer cache. It ends the
  holds on the cache, not the lease.
- **What was observed outlives the cache**: clearing leaves the pauses between uses.
- **A dropped hold is gone, an expired one too**; others remain.
- **A mark is forgotten when its time is over**, or when it is unmarked.
- **Text is refused.** Whatever is not a digest, an id, a count or a time does not get
  in, and the error does not repeat it.
- **Closing twice is no error.**
- **Trouble is a RegistryError**
  (:class:`~langchain_moonshot_cache.errors.RegistryError`), and never an error of the
  library underneath.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_moonshot_cache.lifecycle.entry import Claim, Entry

__all__ = ["Registry"]


@runtime_checkable
class Registry(Protocol):
    """See the module's docstring for what each method promises.

    All methods are synchronous and may be called from any thread. The asynchronous
    driver calls them in a thread, unless ``nonblocking`` says that they return at once.
    """

    nonblocking: bool

    def lookup(self, key: str) -> Entry | None:
        """Return what is known about a prefix."""

    def claim(self, key: str, *, owner: str, lease: float) -> Claim:
        """Try to become the one who may change the entry, for ``lease`` seconds."""

    def record(self, entry: Entry) -> bool:
        """Write an entry whole; False if its fence is no longer the latest."""

    def release(self, key: str, *, owner: str) -> None:
        """Give up a lease before it ends."""

    def clear(self, key: str, *, cache_id: str) -> bool:
        """Forget a cache; False if the entry is about another one by now."""

    def hold(self, key: str, *, holder: str, seconds: float) -> None:
        """Say that ``holder`` uses the cache, for so many seconds from now."""

    def drop(self, key: str, *, holder: str) -> int:
        """End a hold; return how many others remain."""

    def owner(self, key: str) -> str | None:
        """Return who holds the lease, or None if nobody does."""

    def entries(self) -> Iterator[Entry]:
        """Go through all entries, in no particular order."""

    def mark(self, name: str, *, value: str, seconds: float) -> None:
        """Keep a short fact, such as an open circuit breaker, for a while."""

    def marked(self, name: str) -> str | None:
        """Return a fact that is still within its time."""

    def unmark(self, name: str) -> None:
        """Forget a fact."""

    def close(self) -> None:
        """Let go of files and connections; the registry can be used no more."""
