"""A prompt seen before is recognised, one that changed is not."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from typing import Any

import pytest

from langchain_moonshot_cache.prefix import Memo, Remembered

Message = dict[str, Any]


def said(text: str, **more: Any) -> Message:
    return {"role": "user", "content": text, **more}


def view(message: Message) -> tuple[Any, ...]:
    return (message["role"], message["content"], message.get("tool_calls"))


def new_memo(size: int = 8) -> Memo[str]:
    return Memo(view, size=size)


def remember(memo: Memo[str], messages: list[Message], value: str, **more: Any) -> None:
    options = {"tools": None, "scope": "m", "name": value, **more}
    memo.add(messages, value=value, **options)


def look(memo: Memo[str], messages: list[Message], **more: Any) -> Any:
    return memo.find(messages, **{"tools": None, "scope": "m", **more})


def test_a_prefix_is_found_again_by_the_same_and_by_equal_messages() -> None:
    memo, prompt = new_memo(), [said("a"), said("b")]
    remember(memo, prompt[:1], "first")
    assert look(memo, prompt) == Remembered(1, "first")
    assert look(memo, deepcopy(prompt)) == Remembered(1, "first")


def test_a_prefix_must_leave_something_to_ask() -> None:
    memo, prompt = new_memo(), [said("a"), said("b")]
    remember(memo, prompt, "all")
    assert look(memo, prompt) is None
    assert look(memo, [*prompt, said("c")]) == Remembered(2, "all")


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1), (2, 3, 1)])
def test_the_longest_prefix_wins_whenever_it_was_added(order: tuple[int, ...]) -> None:
    memo, prompt = new_memo(), [said(c) for c in "abcd"]
    for length in order:
        remember(memo, prompt[:length], str(length))
    assert look(memo, prompt) == Remembered(3, "3")
    assert look(memo, prompt[:3]) == Remembered(2, "2")


def test_a_prefix_that_is_not_accepted_gives_way_to_a_shorter_one() -> None:
    memo, prompt = new_memo(), [said(c) for c in "abcd"]
    for length in (1, 2, 3):
        remember(memo, prompt[:length], str(length))
    found = look(memo, prompt, accept=lambda known: known.value != "3")
    assert found == Remembered(2, "2")


@pytest.mark.parametrize(
    "changed",
    [
        [said("x"), said("b"), said("c")],
        [said("a"), said("x"), said("c")],
        [said("b"), said("a"), said("c")],
    ],
)
def test_another_prompt_is_not_taken_for_it(changed: list[Message]) -> None:
    memo = new_memo()
    remember(memo, [said("a"), said("b")], "it")
    assert look(memo, changed) is None


def test_a_message_changed_in_place_is_not_taken_for_the_old_one() -> None:
    memo = new_memo()
    calls = [{"name": "add", "args": {"x": [1]}}]
    prompt = [said("a", tool_calls=calls), said("b")]
    remember(memo, prompt[:1], "old")
    assert look(memo, prompt) == Remembered(1, "old")
    calls[0]["args"]["x"].append(2)  # type: ignore[index]
    assert look(memo, prompt) is None


def test_tools_changed_in_place_are_not_taken_for_the_old_ones() -> None:
    memo, prompt = new_memo(), [said("a"), said("b")]
    tools = [{"name": "add", "parameters": {"required": ["x"]}}]
    remember(memo, prompt[:1], "old", tools=tools)
    assert look(memo, prompt, tools=tools) == Remembered(1, "old")
    tools[0]["parameters"]["required"].append("y")  # type: ignore[index]
    assert look(memo, prompt, tools=tools) is None


@pytest.mark.parametrize(("one", "other"), [(1, True), (1, 1.0), (0, False)])
def test_what_only_python_takes_for_equal_is_not_the_same(
    one: object, other: object
) -> None:
    memo, prompt = new_memo(), [said("a"), said("b")]
    remember(memo, prompt[:1], "tools", tools=[{"default": one}])
    assert look(memo, prompt, tools=[{"default": one}]) is not None
    assert look(memo, prompt, tools=[{"default": other}]) is None
    remember(memo, [said("c", tool_calls=(one,))], "messages")
    assert look(memo, [said("c", tool_calls=(other,)), said("d")]) is None


def test_another_scope_and_other_tools_are_kept_apart() -> None:
    memo, prompt = new_memo(), [said("a"), said("b")]
    remember(memo, prompt[:1], "it", tools=[{"name": "add"}])
    assert look(memo, prompt) is None
    assert look(memo, prompt, tools=[{"name": "add"}], scope="n") is None


def test_the_least_recently_used_prefix_goes_first() -> None:
    memo = new_memo(size=2)
    prompts = {c: [said(c), said("?")] for c in "abc"}
    remember(memo, prompts["a"][:1], "a")
    remember(memo, prompts["b"][:1], "b")
    assert look(memo, prompts["a"])
    remember(memo, prompts["c"][:1], "c")
    assert look(memo, prompts["b"]) is None
    assert look(memo, prompts["a"])
    assert look(memo, prompts["c"])


def test_the_same_name_again_replaces_what_it_named() -> None:
    memo = new_memo()
    remember(memo, [said("a")], "old", name="n")
    remember(memo, [said("b")], "new", name="n")
    assert look(memo, [said("a"), said("?")]) is None
    assert look(memo, [said("b"), said("?")]) == Remembered(1, "new")


def test_messages_beyond_the_first_difference_are_not_looked_at() -> None:
    looked: list[str] = []

    def watched(message: Message) -> tuple[Any, ...]:
        looked.append(message["content"])
        return view(message)

    memo: Memo[str] = Memo(watched)
    memo.add([said(c) for c in "abc"], tools=None, scope="m", name="n", value="v")
    looked.clear()
    memo.find([said(c) for c in "xbcd"], tools=None, scope="m")
    assert looked == ["x"]


def test_threads_that_add_and_look_at_once_get_their_own_answers() -> None:
    memo = new_memo(size=16)

    def work(number: int) -> list[str]:
        wrong = []
        for turn in range(200):
            text = str((number * 7 + turn) % 40)
            remember(memo, [said(text)], text)
            found = look(memo, [said(text), said("?")])
            if found is not None and found.value != text:
                wrong.append(text)
        return wrong

    with ThreadPoolExecutor(16) as pool:
        assert [w for wrong in pool.map(work, range(16)) for w in wrong] == []
    assert len(memo._entries) <= 16
