"""Money as whole numbers, for where it is stored and added up by others.

List prices have at most six decimals, and most of them are per million tokens. So
every cost is a whole number of 1e-12 of its currency, which any database adds up
exactly, in any order.
"""

from __future__ import annotations

from decimal import Decimal

__all__ = ["PRICE_DECIMALS", "from_units", "to_units"]

PRICE_DECIMALS = 6
"""Decimals that a list price may have; the published ones have at most two, and the
fee per call four."""

_DECIMALS = 2 * PRICE_DECIMALS
"""A price has up to six, and a million tokens are six more."""


def to_units(amount: Decimal) -> int:
    """Return an amount as a whole number of 1e-12.

    Raises:
        ValueError: It is not one, so that storing it would lose something.
    """
    scaled = amount.scaleb(_DECIMALS)
    units = int(scaled)
    if units != scaled:
        raise ValueError(f"{amount} has more than {_DECIMALS} decimals")
    return units


def from_units(units: int) -> Decimal:
    """Return an amount that was stored as a whole number of 1e-12."""
    return Decimal(units).scaleb(-_DECIMALS)
