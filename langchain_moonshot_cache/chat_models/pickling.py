"""A chat model on its way to another process, without its key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from langchain_moonshot_cache.chat_models.options import MoonshotOptions

__all__ = ["as_options", "reduced"]

_OF_THIS_PROCESS = {
    "async_client",
    "callbacks",
    "client",
    "handed_on",
    "http_async_client",
    "http_client",
    "ledger",
    "profile",
    "root_async_client",
    "root_client",
}
"""Fields that hold connections, locks or sums, which no other process can share."""

_KEY = "openai_api_key"


def as_options(model: MoonshotOptions) -> dict[str, Any]:
    """Return the options that make another model like this one, its key aside."""
    left_out = _OF_THIS_PROCESS | {_KEY}
    names = model.model_fields_set - left_out
    return {name: getattr(model, name) for name in sorted(names)}


def reduced(
    model: MoonshotOptions,
) -> tuple[Callable[..., MoonshotOptions], tuple[type[Any], dict[str, Any]]]:
    """Tell pickle how to make the model again.

    The key stays where it is: the other process takes it from ``MOONSHOT_API_KEY``.

    Raises:
        TypeError: The registry is an object, or its URL holds a password, and neither
            can be sent.
    """
    options = as_options(model)
    registry = options.get("registry")
    if registry is not None and not isinstance(registry, str):
        raise TypeError(
            "Neither registry objects nor passwords are pickled: give the model the "
            "registry's URL, such as registry='sqlite:///caches.sqlite', and leave one "
            "that holds a password to MOONSHOT_CACHE_REGISTRY on both sides."
        )
    return _made_again, (type(model), options)


def _made_again(kind: type[Any], options: dict[str, Any]) -> Any:
    return kind(**options)
