"""What a Kimi request must look like, and what is done where it does not.

Each rule is documented by the vendor or was observed; where a request is changed for
one, the answer's ``reason`` says so.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from langchain_moonshot_cache.chat_models.capabilities import capabilities
from langchain_moonshot_cache.chat_models.history import REASONING
from langchain_moonshot_cache.chat_models.schema_order import ordered
from langchain_moonshot_cache.chat_models.schemas import to_subset
from langchain_moonshot_cache.chat_models.views import strict as written

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "kimi_format",
    "kimi_tools",
    "readable",
    "tier_for",
    "tool_choice_for",
    "with_reasoning",
]

_TIERS = {300: "5m", 3600: "1h"}
_SIZE = 64


def tier_for(model: str, ttl: int | None) -> tuple[str | None, str]:
    """Choose the TTL tier to ask for.

    Args:
        model: The model.
        ttl: Lifetime in seconds that the user asked for, or None.

    Returns:
        ``5m``, ``1h`` or None for the provider's default; and what to say about it.
    """
    if ttl is None:
        return None, ""
    if not capabilities(model).cache_tiers:
        return None, f"{model} knows no cache_ttl, so none was sent"
    tier = _TIERS.get(ttl)
    if tier is None:
        return None, f"{model} knows 5m and 1h and not {ttl} s, so none was sent"
    return tier, f"asked for {tier}"


def tool_choice_for(model: str, body: Mapping[str, Any]) -> tuple[Any, str]:
    """Soften a tool choice that a model refuses while it thinks.

    Args:
        model: The model.
        body: The request: ``tool_choice``, and what switches thinking.

    Returns:
        The choice to send, and what to say if it is another one.
    """
    choice = body.get("tool_choice")
    forced = isinstance(choice, dict) or choice == "required"
    if not forced or not capabilities(model).thinks(body):
        return choice, ""
    return "auto", f"{model} refuses to be forced to call a tool while it thinks"


def kimi_tools(model: str, tools: Sequence[Any]) -> list[Any]:
    """Bring tools into the one form and order that they always have.

    A model that takes all of JSON schema gets its tools as they are.

    Raises:
        InvalidPromptError: A schema is outside the subset that the model takes.
    """
    if not tools or not capabilities(model).json_schema_subset:
        return list(tools)
    known = _Known(tools)
    return list(_canonical_tools(known))


class _Known:
    """Tools that are hashed by what they say."""

    def __init__(self, tools: Sequence[Any]) -> None:
        self.tools = tools
        self._text = written(tools)

    def __hash__(self) -> int:
        return hash(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Known) and other._text == self._text


@lru_cache(maxsize=_SIZE)
def _canonical_tools(known: _Known) -> tuple[Any, ...]:
    return tuple(sorted(map(_canonical_tool, known.tools), key=_name))


def _canonical_tool(tool: Any) -> Any:
    if not isinstance(tool, dict) or tool.get("type") != "function":
        return tool
    function = tool["function"]
    schema = _schema(
        function.get("parameters") or {},
        strict=function.get("strict"),
        where=f"tool {function.get('name')!r}",
    )
    said = {**function, "parameters": schema}
    whole = {**tool, "function": {key: said[key] for key in sorted(said)}}
    return {key: whole[key] for key in sorted(whole)}


def _schema(schema: dict[str, Any], *, strict: Any, where: str) -> Any:
    """Bring a schema into the subset, which models are held to unless told otherwise.

    Moonshot documents that ``strict`` is true by default; where a user sets it to
    false, the schema keeps what the subset cannot say.
    """
    return ordered(schema) if strict is False else to_subset(schema, where=where)


def _name(tool: Any) -> tuple[str, str]:
    """Return what tools are ordered by: their names, then all that they say."""
    function = tool.get("function") if isinstance(tool, dict) else None
    name = str(function.get("name")) if isinstance(function, dict) else ""
    return name, written(tool)


def kimi_format(model: str, response_format: dict[str, Any]) -> dict[str, Any]:
    """Bring the schema of a response format into the subset that the model takes.

    Raises:
        InvalidPromptError: The schema is outside of it.
    """
    described = response_format.get("json_schema")
    if not described or not capabilities(model).json_schema_subset:
        return response_format
    where = f"response_format {described.get('name')!r}"
    strict = described.get("strict")
    schema = _schema(described["schema"], strict=strict, where=where)
    return {**response_format, "json_schema": {**described, "schema": schema}}


def with_reasoning(message: dict[str, Any]) -> dict[str, Any]:
    """Say of a turn with tool calls that it has no reasoning, where none is known.

    A thinking model refuses such a turn without the field, and a turn that was written
    by hand, or by another model, has none.
    """
    if not message.get("tool_calls") or REASONING in message:
        return message
    return {**message, REASONING: ""}


def readable(messages: list[dict[str, Any]], *, model: str) -> list[dict[str, Any]]:
    """Bring messages into the form that a model reads, in a cache as in a request."""
    if capabilities(model).images:
        return messages
    return [_plain_text(message) for message in messages]


def _plain_text(message: dict[str, Any]) -> dict[str, Any]:
    """Join a list of text parts into a string, as text-only models want it.

    A list with any other part is left as it is: the model's refusal is clearer than
    an answer to half a question.
    """
    content = message.get("content")
    if not isinstance(content, list):
        return message
    texts = [_text(part) for part in content]
    if None in texts:
        return message
    return {**message, "content": "\n".join(map(str, texts))}


def _text(part: Any) -> str | None:
    """Return the text of a part, which LangChain lets be a plain string too."""
    if isinstance(part, dict):
        return str(part.get("text")) if part.get("type") == "text" else None
    return part if isinstance(part, str) else None
