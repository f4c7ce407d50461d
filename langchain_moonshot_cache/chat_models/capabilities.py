"""What each model takes and gives: one table, read once."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from langchain_core.language_models import ModelProfile

__all__ = ["Capabilities", "capabilities", "profile", "retirement"]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a model takes and gives.

    Attributes:
        name: For people.
        thinking: Whether it thinks before it answers.
        cache_tiers: Whether it knows ``prompt_cache_options`` and bills cache writes.
        json_schema_subset: Whether it takes a subset of JSON schema only.
        images: Whether content may hold images.
        context: Tokens of input and output together; None if not documented.
    """

    name: str
    thinking: Literal["always", "optional", "never"] = "never"
    cache_tiers: bool = False
    json_schema_subset: bool = False
    images: bool = True
    context: int | None = None

    def thinks(self, body: Mapping[str, Any]) -> bool:
        """Tell whether a request makes the model think."""
        if self.thinking != "optional":
            return self.thinking == "always"
        switch = body.get("thinking")
        return not (isinstance(switch, dict) and switch.get("type") == "disabled")


@lru_cache(maxsize=1)
def _table() -> Mapping[str, Any]:
    data = files("langchain_moonshot_cache").joinpath("data")
    table: dict[str, Any] = json.loads(data.joinpath("models.json").read_text("utf-8"))
    prices = json.loads(data.joinpath("prices.json").read_text("utf-8"))
    return {**table, "retired": prices["retired"]}


@lru_cache(maxsize=256)
def capabilities(model: str) -> Capabilities:
    """Look a model up by the longest known beginning of its name.

    Of a model that nobody knows nothing is assumed: it gets what it is sent.
    """
    rows = [row for row in _table()["families"] if model.startswith(row["prefix"])]
    if not rows:
        return Capabilities(name=model)
    row = max(rows, key=lambda row: len(row["prefix"]))
    return Capabilities(**{key: val for key, val in row.items() if key != "prefix"})


def retirement(model: str) -> str | None:
    """Say when a model went offline and what to use instead, if it did."""
    date = _table()["retired"].get(model)
    if date is None:
        return None
    return f"{model} went offline on {date}; use model={_table()['successor']!r}."


def profile(model: str) -> ModelProfile | None:
    """Describe a model in LangChain's terms; None if nobody knows it."""
    known = capabilities(model)
    if known.name == model:
        return None
    described: ModelProfile = {
        "name": known.name,
        "text_inputs": True,
        "text_outputs": True,
        "image_inputs": known.images,
        "image_url_inputs": False,
        "audio_inputs": False,
        "pdf_inputs": False,
        "reasoning_output": known.thinking != "never",
        "tool_calling": True,
        "tool_choice": known.thinking == "never",
        "structured_output": known.json_schema_subset,
        "temperature": known.thinking == "never",
    }
    if known.context is not None:
        described["max_input_tokens"] = known.context
    return described
