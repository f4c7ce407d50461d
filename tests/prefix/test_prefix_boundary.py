"""Where a prefix ends."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from langchain_moonshot_cache.prefix import boundary, leading, settled

CONVERSATION = ["system", "system", "user", "assistant", "tool", "user"]
SETTLED = [0, 0, 0, 1, 0, 0]


@pytest.mark.parametrize(
    ("roles", "count"),
    [
        ([], 0),
        (["user"], 0),
        (["system"], 1),
        (["system", "system", "user", "system"], 2),
    ],
)
def test_the_leading_system_messages_are_counted(roles: list[str], count: int) -> None:
    assert leading(roles) == count


@pytest.mark.parametrize(
    ("marks", "length"),
    [([], 2), ([0], 1), ([2], 3), ([0, 2], 3), ([3], 3), ([4], 5), ([5], 5)],
)
def test_a_mark_moves_the_boundary_as_far_as_it_may_go(
    marks: list[int], length: int
) -> None:
    assert boundary(CONVERSATION, marks=marks, unanswered=SETTLED) == length


def test_the_question_itself_is_never_cached() -> None:
    assert boundary(["system"], marks=[], unanswered=[0]) == 0
    assert boundary(["system", "system"], marks=[1], unanswered=[0, 0]) == 1


def test_a_prompt_without_messages_has_an_empty_prefix() -> None:
    assert boundary([], marks=[], unanswered=[]) == 0


def test_no_prefix_ends_between_a_call_and_its_answer() -> None:
    roles = ["user", "assistant", "tool", "tool", "user"]
    open_calls = settled([[], ["a", "b"], [], [], []], [None, None, "b", "a", None])
    assert open_calls == [0, 2, 1, 0, 0]
    assert boundary(roles, marks=[2], unanswered=open_calls) == 1
    assert boundary(roles, marks=[3], unanswered=open_calls) == 4


def test_an_answer_without_a_call_changes_nothing() -> None:
    assert settled([[], ["a"]], ["x", None]) == [0, 1]


@settings(max_examples=500, deadline=None, database=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["system", "user", "assistant", "tool"]),
            st.lists(st.sampled_from("abc"), max_size=2),
            st.sampled_from([None, "a", "b", "c"]),
            st.booleans(),
        ),
        max_size=8,
    )
)
def test_a_boundary_is_within_the_prompt_and_settled(
    prompt: list[tuple[str, list[str], str | None, bool]],
) -> None:
    roles = [role for role, *_ in prompt]
    unanswered = settled([p[1] for p in prompt], [p[2] for p in prompt])
    marks = [number for number, p in enumerate(prompt) if p[3]]
    end = boundary(roles, marks=marks, unanswered=unanswered)
    assert 0 <= end <= max(len(prompt) - 1, 0)
    assert end == 0 or unanswered[end - 1] == 0
