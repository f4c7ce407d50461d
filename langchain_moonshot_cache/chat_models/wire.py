"""How Moonshot is spoken to: requests, replies and tools, caching aside."""

from __future__ import annotations

# What the public methods' signatures name is there at run time too: LangChain reads
# them where a model has fallbacks.
from collections.abc import Callable, Sequence  # noqa: TC003 - see above
from typing import TYPE_CHECKING, Any, Literal

from langchain_core.language_models import LanguageModelInput  # noqa: TC002 - see above
from langchain_core.messages import AIMessage  # noqa: TC002 - see above
from langchain_core.runnables import Runnable  # noqa: TC002 - see above
from langchain_core.tools import BaseTool  # noqa: TC002 - see above
from langchain_openai.chat_models.base import BaseChatOpenAI
from pydantic import PrivateAttr
from typing_extensions import override

from langchain_moonshot_cache.chat_models.capabilities import capabilities
from langchain_moonshot_cache.chat_models.failures import unreadable
from langchain_moonshot_cache.chat_models.history import (
    History,
    keep_raw,
    raw_deltas,
)
from langchain_moonshot_cache.chat_models.odd_calls import without_odd_calls
from langchain_moonshot_cache.chat_models.rules import (
    kimi_format,
    kimi_tools,
    readable,
    tool_choice_for,
    with_reasoning,
)
from langchain_moonshot_cache.chat_models.structured import (
    response_format,
    with_parser,
)
from langchain_moonshot_cache.chat_models.tail import WIRE_USAGE
from langchain_moonshot_cache.chat_models.tools import check_tools, plain_tools
from langchain_moonshot_cache.chat_models.usage import (
    plain_usage,
    usage_in_chunk,
    usage_metadata,
)
from langchain_moonshot_cache.economics import read_usage
from langchain_moonshot_cache.errors import InvalidPromptError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import openai
    from langchain_core.messages import BaseMessage
    from langchain_core.outputs import ChatGenerationChunk, ChatResult

    from langchain_moonshot_cache.chat_models.call import Call

__all__ = ["CALL", "PROVIDER", "MoonshotChat"]

PROVIDER = "moonshot"
CALL = "moonshot_call"
"""Keyword under which the decision about a call travels to its payload."""

_FIRST_CALL = 1000
"""Number of the first tool call among content blocks: beyond any number of others."""


class MoonshotChat(BaseChatOpenAI):
    """Turns LangChain's messages into Moonshot's requests and replies back."""

    _history: History | None = PrivateAttr(default=None)

    def _to_wire(self, messages: Sequence[BaseMessage]) -> list[dict[str, Any]]:
        """Convert messages alone."""
        if self._history is None:
            parent = super()._get_request_payload
            self._history = History(lambda given: parent(list(given))["messages"])
        return self._history.to_wire(messages)

    def _asked(self, kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Read what caching depends on from where the request will take it."""
        given = self._given(kwargs)
        return {
            "model": given.get("model") or self.model_name,
            "tools": plain_tools(given.get("tools") or ()),
        }

    def _given(self, kwargs: Mapping[str, Any]) -> dict[str, Any]:
        given = {**self.model_kwargs, **kwargs}
        return given | (given.get("extra_body", self.extra_body) or {})

    @override
    def _get_request_payload(
        self,
        input_: LanguageModelInput,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Build a request; of a call with a cache, what the cache does not hold.

        What may be large is handed over as ``extra_body``, which the SDK merges into
        the body as it is. Given as arguments, it would first walk through every
        message and tool to rename keys that have no other name.
        """
        call: Call | None = kwargs.pop(CALL, None)
        messages = self._convert_input(input_).to_messages()
        payload = super()._get_request_payload([], stop=stop, **kwargs)
        model = str(payload["model"])
        body = dict(payload.pop("extra_body", None) or {})
        rest = messages[call.skip :] if call else messages
        body["messages"] = readable(self._to_wire(rest), model=model)
        tools = payload.pop("tools", None)
        tools = plain_tools(body.pop("tools", None) or tools or ())
        if call:
            body["messages"] = call.opening() + body["messages"]
            tools = call.tools(tools)
            body.update(call.options())
            if headers := call.headers():
                given = payload.get("extra_headers") or {}
                payload["extra_headers"] = {**given, **headers}
        if capabilities(model).thinks({**payload, **body}):
            body["messages"] = [with_reasoning(turn) for turn in body["messages"]]
        if tools:
            body["tools"] = kimi_tools(model, tools)
        if (schema := payload.pop("response_format", None)) is not None:
            body["response_format"] = kimi_format(model, response_format(schema))
        most = payload.pop("max_tokens", None)
        if most is not None and "max_completion_tokens" not in payload:
            body.setdefault("max_completion_tokens", most)
        if "tool_choice" in payload:
            choice, _ = tool_choice_for(model, {**payload, **body})
            payload["tool_choice"] = choice
        return {**payload, "messages": [], "extra_body": body}

    @override
    def _create_chat_result(
        self,
        response: dict[str, Any] | openai.BaseModel,
        generation_info: dict[str, Any] | None = None,
    ) -> ChatResult:
        try:
            plain = _as_dict(response)
            choices = plain["choices"]
            readable, odd = without_odd_calls(plain)
            result = super()._create_chat_result(readable, generation_info)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise unreadable(str(self.openai_api_base)) from error
        output = result.llm_output or {}
        output["model_provider"] = PROVIDER
        for generation, choice, calls in zip(
            result.generations, choices, odd, strict=True
        ):
            said: Any = generation.message
            said.response_metadata["model_provider"] = PROVIDER
            said.additional_kwargs.update(keep_raw(choice["message"]))
            if calls:
                said.invalid_tool_calls = [*said.invalid_tool_calls, *calls]
        return result

    @override
    def _convert_chunk_to_generation_chunk(
        self,
        chunk: dict[str, Any],
        default_chunk_class: type,
        base_generation_info: dict[str, Any] | None,
    ) -> ChatGenerationChunk | None:
        usage = usage_in_chunk(chunk)
        if usage is not None:
            chunk = {**chunk, "usage": plain_usage(usage)}
        converted = super()._convert_chunk_to_generation_chunk(
            chunk, default_chunk_class, base_generation_info
        )
        if converted is None:
            return None
        message: Any = converted.message
        message.response_metadata["model_provider"] = PROVIDER
        if self.output_version == "v1":
            _keep_apart(message)
        for choice in (chunk.get("choices") or [])[:1]:
            message.additional_kwargs.update(raw_deltas(choice.get("delta") or {}))
        if usage is not None:
            message.usage_metadata = usage_metadata(
                read_usage(usage), message.usage_metadata
            )
            info = converted.generation_info or {}
            converted.generation_info = {**info, WIRE_USAGE: usage}
        return converted

    @override
    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: dict[str, Any] | str | bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Bind tools; see ``BaseChatOpenAI.bind_tools``.

        Raises:
            InvalidPromptError: Something is no tool, or a tool's parameters are no
                JSON schema of an object.
        """
        try:
            bound = super().bind_tools(tools, tool_choice=tool_choice, **kwargs)
        except ValueError as error:
            raise InvalidPromptError(str(error)) from error
        except KeyError as error:
            raise InvalidPromptError(
                f"one of the tools has no {error}; give a tool, a function, a pydantic "
                "class, or {'type': 'function', 'function': {'name': ...}}."
            ) from error
        check_tools(getattr(bound, "kwargs", {}).get("tools") or [])
        return bound

    @override
    def with_structured_output(
        self,
        schema: Any = None,
        *,
        method: Literal["function_calling", "json_mode", "json_schema"] | None = None,
        include_raw: bool = False,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, Any]:
        """Have the model answer in the form of a schema.

        Args:
            schema: A pydantic class, a typed dict or a JSON schema.
            method: ``json_schema`` is the default on ``kimi-*``, whose thinking
                models refuse to be forced to call a function; ``function_calling``
                is the default elsewhere.
            include_raw: Give ``raw``, ``parsed`` and ``parsing_error``.
            strict: Whether the answer must keep to the schema.
            kwargs: As in ``BaseChatOpenAI.with_structured_output``.
        """
        if method is None:
            kimi = self.model_name.startswith("kimi")
            method = "json_schema" if kimi else "function_calling"
        if method != "json_schema" or schema is None:
            return super().with_structured_output(
                schema, method=method, include_raw=include_raw, strict=strict, **kwargs
            )
        llm: Any = self
        if tools := kwargs.pop("tools", None):
            llm = self.bind_tools(tools, strict=strict)
        described = {
            "kwargs": {"method": method, "strict": strict},
            "schema": schema,
        }
        llm = llm.bind(
            response_format=response_format(schema, strict=strict),
            ls_structured_output_format=described,
            **kwargs,
        )
        return with_parser(llm, schema, include_raw=include_raw)


def _as_dict(response: dict[str, Any] | openai.BaseModel) -> dict[str, Any]:
    """Return an answer as it came, its usage as far as LangChain can read it."""
    if not isinstance(response, dict):
        response = response.model_dump(warnings=False)
    return {**response, "usage": plain_usage(response.get("usage"))}


def _keep_apart(chunk: Any) -> None:
    """Number tool calls so that no block of another kind has the same number.

    As content blocks, chunks of one number are merged. LangChain numbers reasoning and
    text from 0, and so does the provider its tool calls.
    """
    for call in getattr(chunk, "tool_call_chunks", ()):
        if isinstance(call["index"], int):
            call["index"] += _FIRST_CALL
