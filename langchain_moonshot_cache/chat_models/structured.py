"""Structured output by JSON schema, without the OpenAI SDK's own parsing."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any

from langchain_core.output_parsers import JsonOutputParser, PydanticOutputParser
from langchain_core.runnables import RunnableMap, RunnablePassthrough
from langchain_core.utils.function_calling import convert_to_openai_function
from langchain_core.utils.pydantic import is_basemodel_subclass

if TYPE_CHECKING:
    from langchain_core.language_models import LanguageModelInput
    from langchain_core.messages import AIMessage
    from langchain_core.runnables import Runnable

__all__ = ["response_format", "with_parser"]


def response_format(schema: Any, *, strict: bool | None = None) -> dict[str, Any]:
    """Bring a schema of any kind into the form of the wire.

    Args:
        schema: A pydantic class, a typed dict, a JSON schema, or what already is a
            ``response_format``.
        strict: Whether the answer must keep to the schema; None leaves it open.
    """
    if isinstance(schema, dict) and schema.get("type") in {
        "json_schema",
        "json_object",
        "text",
    }:
        return schema
    if isinstance(schema, dict) and {"name", "schema"} <= schema.keys():
        return {"type": "json_schema", "json_schema": schema}
    function = convert_to_openai_function(schema, strict=strict)
    described = {key: val for key, val in function.items() if key != "parameters"}
    return {
        "type": "json_schema",
        "json_schema": {**described, "schema": function["parameters"]},
    }


def with_parser(
    llm: Runnable[LanguageModelInput, AIMessage], schema: Any, *, include_raw: bool
) -> Runnable[LanguageModelInput, Any]:
    """Have a model's JSON text parsed by its schema.

    Args:
        llm: A model that has been told the schema.
        schema: A pydantic class gives its instances, all else gives dictionaries.
        include_raw: Give ``raw``, ``parsed`` and ``parsing_error`` instead, and raise
            nothing when the text does not parse.
    """
    parser: Any = JsonOutputParser()
    if isinstance(schema, type) and is_basemodel_subclass(schema):
        parser = PydanticOutputParser(pydantic_object=schema)
    if not include_raw:
        chain: Runnable[LanguageModelInput, Any] = llm | parser
        return chain
    parsed = RunnablePassthrough.assign(
        parsed=itemgetter("raw") | parser, parsing_error=lambda _: None
    )
    unparsed = RunnablePassthrough.assign(parsed=lambda _: None)
    return RunnableMap(raw=llm) | parsed.with_fallbacks(
        [unparsed], exception_key="parsing_error"
    )
