"""The watch over all conversations notices what would cost a hit, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from conversation_watch import ConversationWatch

if TYPE_CHECKING:
    from collections.abc import Callable

Json = dict[str, Any]
Messages = list[Json]

SYSTEM = {"role": "system", "content": "You know lighthouses."}
QUESTION = {"role": "user", "content": "How tall?"}
LATER = {"role": "user", "content": "How old?"}
CALL = {
    "id": "height:0",
    "type": "function",
    "function": {"name": "height", "arguments": '{ "name":"Pharos" }'},
}
TURN = {"role": "assistant", "reasoning_content": "hm", "tool_calls": [CALL]}
RESULT = {"role": "tool", "tool_call_id": "height:0", "content": "100 m"}
OPENING = [SYSTEM, QUESTION]
KEY = ("account", "kimi-k3", "None", "None")


def tool(name: str, **more: Any) -> Json:
    return {"type": "function", "function": {"name": name, **more}}


TOOLS = [tool("height"), tool("keeper")]


class Talk:
    """A conversation with one server, as the watch sees it."""

    def __init__(self) -> None:
        self.watch = ConversationWatch()

    def ask(self, *messages: Json, tools: list[Json] | None = TOOLS) -> None:
        self.watch.asked("cache", KEY, messages=messages, tools=tools)

    def answer(self, turn: Json, *, continued: bool = False) -> None:
        self.watch.answered("cache", turn, continued=continued)


@pytest.fixture
def talk() -> Talk:
    talk = Talk()
    talk.ask(*OPENING)
    talk.answer(TURN)
    return talk


def with_call(**changes: Any) -> Json:
    return {**TURN, "tool_calls": [{**CALL, **changes}]}


WRITTEN_ANEW = {"name": "height", "arguments": '{"name": "Pharos"}'}
BROKEN: dict[str, Messages] = {
    "arguments written anew": [with_call(function=WRITTEN_ANEW), RESULT],
    "another id": [with_call(id="call_1"), {**RESULT, "tool_call_id": "call_1"}],
    "no reasoning": [{**TURN, "reasoning_content": ""}, RESULT],
    "a turn left out": [{"role": "assistant", "content": "100 m"}, LATER],
    "something put in": [LATER, TURN, RESULT],
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_turn_that_comes_back_otherwise_is_a_break(talk: Talk, case: str) -> None:
    talk.ask(*OPENING, *BROKEN[case])
    (told,) = talk.watch.breaks
    assert "request 2 of 'How tall?' breaks off at messages[2]" in told


@pytest.mark.parametrize(
    "tools", [TOOLS[::-1], [tool("height", description="Tall."), tool("keeper")]]
)
def test_tools_in_other_order_or_bytes_are_a_break(
    talk: Talk, tools: list[Json]
) -> None:
    talk.ask(*OPENING, TURN, RESULT, tools=tools)
    assert "tools in other bytes or order" in talk.watch.breaks[0]


def extended(talk: Talk) -> None:
    talk.ask(*OPENING, TURN, RESULT)
    talk.answer({"role": "assistant", "content": "100 m"})
    talk.ask(*OPENING, TURN, RESULT, {"role": "assistant", "content": "100 m"}, LATER)


def repeated(talk: Talk) -> None:
    talk.ask(*OPENING)
    talk.ask(*OPENING, LATER)


def branched(talk: Talk) -> None:
    extended(talk)
    talk.ask(*OPENING, TURN, {**RESULT, "content": "130 m"})


def begun_elsewhere(talk: Talk) -> None:
    talk.ask(SYSTEM, LATER, {"role": "assistant", "content": "old"}, QUESTION)


def with_other_tools(talk: Talk) -> None:
    talk.ask(*OPENING, with_call(id="x"), RESULT, tools=TOOLS[:1])


def written_as_parts(talk: Talk) -> None:
    parts = [{"type": "text", "text": "You know "}, {"type": "text", "text": "them."}]
    talk.ask({"role": "system", "content": parts}, QUESTION)
    talk.ask({"role": "system", "content": "You know them."}, QUESTION)


def continued(talk: Talk) -> None:
    begun = {"role": "assistant", "content": "It is ", "partial": True}
    talk.ask(*OPENING, begun)
    talk.answer({"role": "assistant", "content": "It is tall."}, continued=True)
    talk.ask(*OPENING, {"role": "assistant", "content": "It is tall."}, LATER)


FINE: list[Callable[[Talk], None]] = [
    extended,
    repeated,
    branched,
    begun_elsewhere,
    with_other_tools,
    written_as_parts,
    continued,
]


@pytest.mark.parametrize("go_on", FINE)
def test_going_on_going_back_and_beginning_anew_are_no_breaks(
    talk: Talk, go_on: Callable[[Talk], None]
) -> None:
    go_on(talk)
    assert talk.watch.breaks == []
    assert talk.watch.requests > 1
