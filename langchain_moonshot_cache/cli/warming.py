"""Making a cache in front of somebody who waits for it."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from langchain_moonshot_cache.cli.inventory import Item, inventory
from langchain_moonshot_cache.cli.printing import count, remark, screen
from langchain_moonshot_cache.economics import cache_bill
from langchain_moonshot_cache.errors import RegistryError
from langchain_moonshot_cache.lifecycle import Bypassed, Ready
from langchain_moonshot_cache.manager import ContextCacheManager

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from langchain_moonshot_cache.cli.account import Account
    from langchain_moonshot_cache.cli.prompt_files import Prompt

__all__ = ["Warmed", "Warming"]

_HOLDER = "warm"
"""Under which name caches are held that were made ahead of their use."""


@dataclass(frozen=True, slots=True)
class Warmed:
    """A cache that is ready.

    Attributes:
        item: The cache.
        created: Whether it was created just now.
        creation: What that cost; 0 if it existed, None if the price is not known.
    """

    item: Item
    created: bool
    creation: Decimal | None


class Warming:
    """One cache in the making.

    Args:
        account: Whose it is.
        prompt: What it is to hold.
        model: The model that will be asked.
        ttl: Its lifetime in seconds; None leaves it to the policy.

    Raises:
        ConfigurationError: The lifetime is out of range.
        InvalidPromptError: The prompt is nothing that a cache could hold.
    """

    def __init__(
        self, account: Account, prompt: Prompt, *, model: str, ttl: int | None
    ) -> None:
        self._account = account
        self._manager = ContextCacheManager(
            account.client,
            registry=account.registry,
            prices=account.prices,
            ttl=ttl,
        )
        self._prefix = self._manager.prefix(
            model=model, messages=prompt.messages, tools=prompt.tools
        )

    def run(self, *, wait: float) -> Warmed | str:
        """Create the cache unless it exists, and wait until it is ready.

        Args:
            wait: Seconds to wait at most.

        Returns:
            The cache, or why there is none.
        """
        worth = self._manager.shared.policy.create(tokens=self._prefix.tokens)
        if not worth.yes:
            remark(f"{worth.reason}, so models use it with cache_policy='always' only.")
        until = time.monotonic() + wait
        with _progress() as show:
            show(f"asking for a cache of about {count(self._prefix.tokens)} tokens")
            # Without waiting first, so that the id can be told to who waits.
            outcome = self._manager.ensure(self._prefix, wait=0, patient=True)
            created = _was_created(outcome)
            if isinstance(outcome, Bypassed) and outcome.pending:
                show(f"{self._made() or 'the cache'} is being made")
                rest = max(until - time.monotonic(), 0.0)
                outcome = self._manager.ensure(self._prefix, wait=rest, patient=True)
        if isinstance(outcome, Bypassed):
            return self._trouble(outcome, wait=wait)
        return self._warmed(outcome, created=created or _was_created(outcome))

    def interrupted(self) -> str:
        """Say what is left behind when somebody would wait no longer."""
        cache_id = self._made()
        if cache_id is None:
            return "Interrupted. Should a cache have been made, `ls` lists it."
        return (
            f"Interrupted. {cache_id} stays and is used once it is ready; "
            f"`moonshot-cache rm {cache_id}` deletes it."
        )

    def _made(self) -> str | None:
        made = self._manager.shared.made(self._prefix)
        return made[-1][1] if made else None

    def _trouble(self, outcome: Bypassed, *, wait: float) -> str:
        cache_id = self._made()
        if not outcome.pending:
            look = "`moonshot-cache doctor` looks for the cause"
            if cache_id is not None:
                look = f"`moonshot-cache show {cache_id} --messages` tells the cause"
            return f"{self._account.client.base_url}: {outcome.reason}; {look}."
        look = "ls" if cache_id is None else f"show {cache_id}"
        return (
            f"{outcome.reason} after {wait:.0f} s. It goes on without you: "
            f"`moonshot-cache {look}` tells when it is ready."
        )

    def _warmed(self, ready: Ready, *, created: bool) -> Warmed:
        client = self._account.client
        cache = client.get(ready.entry.cache_id or "")
        (item,) = inventory(self._account, [cache])
        self._keep(item)
        cost = self._creation_cost(cache.tokens) if created else Decimal(0)
        return Warmed(item, created=created, creation=cost)

    def _keep(self, item: Item) -> None:
        """Hold the cache to its end: whoever had it made means to use it.

        Under one name, however often it is warmed. This process is about to go.
        """
        key, registry = self._prefix.key, self._account.registry
        try:
            if item.expires_in is not None and item.is_to_end:
                registry.hold(key, holder=_HOLDER, seconds=item.expires_in)
            registry.drop(key, holder=self._manager.shared.holder)
        except RegistryError as error:
            remark(f"moonshot-cache: a sweep may delete it early: {error}")

    def _creation_cost(self, tokens: int | None) -> Decimal | None:
        account, today = self._account, datetime.now(tz=UTC).date()
        currency = account.currency
        price = account.prices.named(self._prefix.model, currency=currency, on=today)
        if price is None or tokens is None:
            return None
        return cache_bill(tokens, seconds=0, price=price, currency=currency).creation


def _was_created(outcome: Ready | Bypassed) -> bool:
    if isinstance(outcome, Ready):
        return outcome.how == "created"
    return outcome.created


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """Lend a function that says what is going on, with the time that it takes.

    On a terminal it is one line that goes away in the end; elsewhere, lines that stay.
    """
    console = screen(stderr=True)
    if not console.is_terminal:
        yield remark
        return
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    ) as progress:
        task = progress.add_task("")
        yield lambda text: progress.update(task, description=text)
