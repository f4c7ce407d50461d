"""Tools that are bound to a plain model whose tools are in the cache already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.tools import tool
from runnable_kit import PROMPT, QUESTION, answered, height, keeper, what_counts

from langchain_moonshot_cache import CachedPromptRunnable
from langchain_moonshot_cache.errors import ConfigurationError

if TYPE_CHECKING:
    from colour_kit import Face
    from runnable_kit import Bench

TOOLS = [height, keeper]


def prompt_of(bench: Bench, tools: Any = TOOLS) -> CachedPromptRunnable:
    return CachedPromptRunnable(PROMPT, model=bench.model(), tools=tools)


def bound(prompt: CachedPromptRunnable, tools: list[Any], **options: Any) -> Any:
    model: Any = prompt.model_with_tools
    return model.bind_tools(tools, **options)


@pytest.mark.parametrize(
    "options", [{}, {"tool_choice": "keeper"}, {"parallel_tool_calls": False}]
)
async def test_binding_the_tools_of_the_prompt_asks_as_without_a_cache(
    bench: Bench, face: Face, options: dict[str, Any]
) -> None:
    prompt = prompt_of(bench)
    before = bench.plain().bind_tools(TOOLS, **options)
    after = bound(prompt, TOOLS, **options)
    answers = [
        await face.invoke(PROMPT | before, QUESTION),
        await face.invoke(prompt | after, QUESTION),
    ]
    assert answered(answers[0]) == answered(answers[1])
    uncached, cached = bench.server.chats()
    assert cached.cache_id
    assert what_counts(cached) == what_counts(uncached)
    for name in options:
        assert cached.request.body[name] == uncached.request.body[name]


async def test_a_model_without_anything_bound_has_the_tools_too(
    plain: Bench, face: Face
) -> None:
    prompt = prompt_of(plain)
    await face.invoke(prompt | prompt.model_with_tools, QUESTION)
    (chat,) = plain.server.chats()
    assert chat.cache_id
    assert [each["function"]["name"] for each in chat.tools or ()] == [
        "height",
        "keeper",
    ]


@tool("height")
def height_in_feet(name: str) -> str:
    """Tell the height of a lighthouse in feet."""
    return f"{name}: 330 ft"


@pytest.mark.parametrize(
    ("held", "given", "named"),
    [
        ([height], TOOLS, "keeper"),
        (TOOLS, [height], "keeper"),
        (TOOLS, [keeper, height_in_feet], "height"),
        ([], TOOLS, "height, keeper"),
    ],
    ids=["more", "fewer", "described otherwise", "none in the cache"],
)
def test_binding_other_tools_is_refused_by_name(
    plain: Bench, held: list[Any], given: list[Any], named: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"in the cache: {named}. Give"):
        bound(prompt_of(plain, held), given)


def test_a_model_of_ours_is_returned_as_it_is(ours: Bench) -> None:
    prompt = prompt_of(ours)
    assert prompt.model_with_tools is prompt.model
