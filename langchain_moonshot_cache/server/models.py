"""Which models and families are served; the names come from the price list."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.resources import files
from json import loads
from typing import Any

from .kimi_rules import RETIRED_MODELS, RETIRED_SERVED, WRITES
from .marks import implements
from .refusals import not_found
from .rules import FAMILY, UNKNOWN_MODEL

__all__ = [
    "CACHE_FAMILIES",
    "MODELS",
    "PRICE_LIST",
    "belongs",
    "bills_writes",
    "caches_prefixes",
    "check_model",
    "served",
    "the_day",
]

PRICE_LIST: dict[str, Any] = loads(
    files("langchain_moonshot_cache").joinpath("data/prices.json").read_text("utf-8")
)

AUTO = "moonshot-v1-auto"
CACHE_FAMILIES: tuple[str, ...] = tuple(
    sorted({entry["family"] for entry in PRICE_LIST["named"]})
)
MODELS: tuple[str, ...] = tuple(
    sorted(
        {
            entry["model"]
            for kind in ("named_chat", "automatic")
            for entry in PRICE_LIST[kind]
        }
        | {AUTO}
    )
)


_PREFIXES = frozenset(entry["model"] for entry in PRICE_LIST["automatic"])
_WRITES = frozenset(
    entry["model"] for entry in PRICE_LIST["automatic"] if entry["cache_write_5m"]
)
LATEST_TIME = 253_402_300_799  # the last second that datetime can express


def the_day(now: float) -> str:
    """Return the day of a time in unix seconds, in UTC, as ISO 8601 writes it."""
    within = min(max(now, 0), LATEST_TIME)
    return datetime.fromtimestamp(within, UTC).date().isoformat()


@implements(RETIRED_MODELS, RETIRED_SERVED)
def served(*, now: float, retire: bool) -> list[str]:
    """Return the names of the models that are served.

    Args:
        now: Unix seconds.
        retire: Whether a model is gone from the day of its retirement on.
    """
    day, retired = the_day(now), PRICE_LIST["retired"]
    return [
        model
        for model in MODELS
        if not retire or model not in retired or day < retired[model]
    ]


@implements(UNKNOWN_MODEL)
def check_model(model: str, *, now: float, retire: bool) -> None:
    """Refuse a model that is not served, or not any more.

    Raises:
        RefusedError: 404.
    """
    if model not in served(now=now, retire=retire):
        raise not_found(f"Not found the model {model[:80]} or Permission denied")


def caches_prefixes(model: str) -> bool:
    """Tell whether a model caches prefixes by itself."""
    return model in _PREFIXES


@implements(WRITES)
def bills_writes(model: str) -> bool:
    """Tell whether a model bills, and reports, what it writes to the prefix cache."""
    return model in _WRITES


@implements(FAMILY)
def belongs(model: str, *, family: str) -> bool:
    """Tell whether a model is one of a family's context sizes."""
    return model.startswith(f"{family}-")
