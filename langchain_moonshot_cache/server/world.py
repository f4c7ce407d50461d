"""Everything that one running server consists of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .accounts import Accounts
from .billing import Billing
from .caches import Caches
from .clock import Clock
from .faults import Faults
from .files import Files
from .prefixes import Prefixes
from .record import RequestLog
from .references import Resolver
from .script import Script
from .store import Store
from .tags import Tags

if TYPE_CHECKING:
    from .settings import Settings

__all__ = ["World", "make_world"]


@dataclass(slots=True)
class World:
    """The parts, made once; ``settings`` may be replaced while running."""

    settings: Settings
    clock: Clock
    store: Store
    accounts: Accounts
    billing: Billing
    caches: Caches
    tags: Tags
    files: Files
    prefixes: Prefixes
    resolver: Resolver
    script: Script
    faults: Faults
    log: RequestLog


def make_world(settings: Settings) -> World:
    """Put the parts together.

    Raises:
        StoreError: If the data file is not one of this server's.
    """
    clock = Clock()
    store = Store(settings.data)
    billing = Billing(store=store, clock=clock, settings=settings)
    caches = Caches(store=store, clock=clock, billing=billing, seed=settings.seed)
    tags = Tags(store=store, clock=clock, caches=caches)
    return World(
        settings=settings,
        clock=clock,
        store=store,
        accounts=Accounts(salt=store.salt, keys=settings.api_keys),
        billing=billing,
        caches=caches,
        tags=tags,
        files=Files(clock=clock),
        prefixes=Prefixes(clock=clock),
        resolver=Resolver(caches=caches, tags=tags),
        script=Script(),
        faults=Faults(),
        log=RequestLog(entries=settings.log_entries, size=settings.log_bytes),
    )
