"""What a model hands on to the models that LangChain makes of its fields.

``configurable_fields`` makes a new model for every call: it calls the class with all
fields of the first one, whether they were set or not, clients included.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from langchain_moonshot_cache.chat_models.quota import made_here

if TYPE_CHECKING:
    from langchain_moonshot_cache.chat_models.caching import Caching

__all__ = ["HandedOn", "as_given"]

_CLIENTS = (("root_client", "client"), ("root_async_client", "async_client"))


@dataclass(frozen=True, slots=True)
class HandedOn:
    """What the fields themselves do not tell.

    Attributes:
        caching: What is known of caches; who made and uses them is told by it too.
        keeps_headers: Whether the user wants the response headers in the metadata.
    """

    caching: Caching
    keeps_headers: bool


def as_given(values: dict[str, Any]) -> dict[str, Any]:
    """Leave out what another model made for itself and no user gave.

    Its clients would send calls to the other's endpoint, with the other's key.

    Args:
        values: The constructor's keyword arguments.
    """
    origin = values.get("handed_on")
    if not isinstance(origin, HandedOn):
        return values
    left_out = {
        name for names in _CLIENTS if made_here(values.get(names[0])) for name in names
    }
    if not origin.keeps_headers:
        left_out.add("include_response_headers")
    return {name: value for name, value in values.items() if name not in left_out}
