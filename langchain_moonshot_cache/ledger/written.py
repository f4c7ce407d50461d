"""The life of a cache as stores keep it: one line of JSON."""

from __future__ import annotations

import json
from dataclasses import fields
from decimal import Decimal

from langchain_moonshot_cache.economics import CacheLife, Span
from langchain_moonshot_cache.errors import RegistryError

__all__ = ["read_life", "written_life"]

_FIELDS = tuple(field.name for field in fields(CacheLife))
_PRICES = ("create", "storage_minute")


def written_life(life: CacheLife) -> str:
    """Write a life down; prices as decimal strings, spans as lists."""
    values = {name: getattr(life, name) for name in _FIELDS}
    values["spans"] = [[span.begin, span.end, span.set_at] for span in life.spans]
    for name in _PRICES:
        values[name] = None if values[name] is None else str(values[name])
    return json.dumps(values, separators=(",", ":"))


def read_life(text: str) -> CacheLife:
    """Read what :func:`written_life` wrote.

    Raises:
        RegistryError: It is no life as this version knows them.
    """
    try:
        values = json.loads(text)
        values["spans"] = tuple(Span(*span) for span in values["spans"])
        for name in _PRICES:
            values[name] = None if values[name] is None else Decimal(values[name])
        return CacheLife(**values)
    except (ArithmeticError, KeyError, TypeError, ValueError):
        raise RegistryError(
            "the ledger holds a cache that this version cannot read: upgrade, or let "
            "all who share the registry use the same version"
        ) from None
