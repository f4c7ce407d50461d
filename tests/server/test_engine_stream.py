from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from langchain_moonshot_cache.server.engine import Reply, deltas

calls = st.builds(
    lambda call_id, name, arguments: {
        "id": call_id,
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    },
    st.text(),
    st.text(),
    st.text(max_size=3000),
)
replies = st.builds(
    Reply,
    st.none() | st.text(max_size=3000),
    tool_calls=st.lists(calls, max_size=3).map(tuple),
    reasoning_content=st.none() | st.text(min_size=1),
)


def joined(pieces: list[dict[str, Any]]) -> Reply:
    """Put a stream together as a client does."""
    texts: dict[str, str | None] = {"content": None, "reasoning_content": None}
    tool_calls: list[dict[str, Any]] = []
    for piece in pieces:
        for key, before in texts.items():
            if isinstance(piece.get(key), str):
                texts[key] = (before or "") + piece[key]
        for part in piece.get("tool_calls", ()):
            if part["index"] == len(tool_calls):
                call = {key: value for key, value in part.items() if key != "index"}
                tool_calls.append({**call, "function": dict(part["function"])})
                continue
            function = tool_calls[part["index"]]["function"]
            function["arguments"] += part["function"]["arguments"]
    return Reply(
        texts["content"],
        tuple(tool_calls),
        reasoning_content=texts["reasoning_content"],
    )


@given(replies)
def test_the_pieces_of_a_stream_put_together_are_the_answer(reply: Reply) -> None:
    assert joined(list(deltas(reply))) == reply


def test_the_first_piece_names_the_role_and_no_other_does() -> None:
    first, *rest = deltas(Reply("some words to say"))
    assert first == {"role": "assistant", "content": ""}
    assert rest
    assert not any("role" in piece for piece in rest)


def test_a_call_is_announced_before_its_arguments_come_in_several_pieces() -> None:
    function = {"name": "look", "arguments": '{"place": "Oslo", "unit": "celsius"}'}
    call = {"id": "look:0", "type": "function", "function": function}
    announced, *rest = [
        p["tool_calls"][0] for p in list(deltas(Reply(None, (call,))))[1:]
    ]
    assert (announced["index"], announced["id"]) == (0, "look:0")
    assert announced["function"] == {"name": "look", "arguments": ""}
    assert len(rest) > 1
    assert all(set(piece) == {"index", "function"} for piece in rest)


def test_a_long_answer_comes_in_a_bounded_number_of_pieces() -> None:
    assert 100 < len(list(deltas(Reply("x" * 1_000_000)))) < 300
