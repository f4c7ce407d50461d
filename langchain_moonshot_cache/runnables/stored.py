"""What of a cached prompt can be written down, and how it is read again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from langchain_core.utils.function_calling import convert_to_openai_tool

from langchain_moonshot_cache.chat_models.tools import check_tools, plain_tools
from langchain_moonshot_cache.errors import ConfigurationError, InvalidPromptError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from langchain_core.language_models import BaseChatModel
    from langchain_core.prompts import ChatPromptTemplate

__all__ = ["rebuild", "wire_tools", "without_keys"]


def wire_tools(tools: Sequence[Any]) -> list[dict[str, Any]]:
    """Bring tools into the form in which they are sent.

    Raises:
        InvalidPromptError: Something is no tool, or a tool's parameters are no JSON
            schema of an object.
    """
    try:
        converted = plain_tools([convert_to_openai_tool(tool) for tool in tools])
    except ValueError as error:
        raise InvalidPromptError(str(error)) from error
    check_tools(converted)
    return converted


def without_keys(model: BaseChatModel) -> tuple[type, dict[str, Any]]:
    """Take a model apart into its class and its options, less what is secret.

    Raises:
        ConfigurationError: It is of a class that does not say which options those are.
    """
    if not model.is_lc_serializable():
        raise ConfigurationError(
            f"{type(model).__name__} cannot be written down without its key: pickle "
            "the template, and make the CachedPromptRunnable anew on the other side."
        )
    written = cast("dict[str, Any]", model.to_json())["kwargs"]
    # Under its name and its alias: each stands for a secret that is not there.
    return type(model), {k: v for k, v in written.items() if not _is_secret(v)}


def _is_secret(value: Any) -> bool:
    return isinstance(value, dict) and value.get("type") == "secret" and "lc" in value


def rebuild(
    kind: Any,
    prompt: ChatPromptTemplate,
    model: tuple[Any, Mapping[str, Any]],
    fields: Mapping[str, Any],
) -> Any:
    """Put a cached prompt together again; the key comes from the environment."""
    made, options = model
    return kind(prompt, model=made(**options), **fields)
