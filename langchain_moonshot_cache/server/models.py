"""Which models and families are served; the names come from the price list."""

from __future__ import annotations

from importlib.resources import files
from json import loads
from typing import Any

from .marks import implements
from .refusals import not_found
from .rules import FAMILY, UNKNOWN_MODEL

__all__ = ["CACHE_FAMILIES", "MODELS", "PRICE_LIST", "belongs", "check_model"]

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


@implements(UNKNOWN_MODEL)
def check_model(model: str) -> None:
    """Refuse a model that is not served.

    Raises:
        RefusedError: 404.
    """
    if model not in MODELS:
        raise not_found(f"Not found the model {model[:80]} or Permission denied")


@implements(FAMILY)
def belongs(model: str, *, family: str) -> bool:
    """Tell whether a model is one of a family's context sizes."""
    return model.startswith(f"{family}-")
