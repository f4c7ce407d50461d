"""Where a prefix ends."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from langchain_moonshot_cache.prefix import boundary, settled


def test_no_messages_make_no_prefix() -> None:
    assert boundary([]) == 0


def test_no_prefix_ends_between_a_call_and_its_answer() -> None:
    open_calls = settled([[], ["a", "b"], [], []], [None, None, "b", "a"])
    assert open_calls == [0, 2, 1, 0]
    assert [boundary(open_calls[:length]) for length in range(5)] == [0, 1, 1, 1, 4]


def test_an_answer_without_a_call_changes_nothing() -> None:
    assert settled([[], ["a"]], ["x", None]) == [0, 1]


@settings(max_examples=500, deadline=None, database=None)
@given(
    st.lists(
        st.tuples(
            st.lists(st.sampled_from("abc"), max_size=2),
            st.sampled_from([None, "a", "b", "c"]),
        ),
        max_size=8,
    )
)
def test_a_boundary_is_the_last_settled_place(
    prompt: list[tuple[list[str], str | None]],
) -> None:
    unanswered = settled([p[0] for p in prompt], [p[1] for p in prompt])
    end = boundary(unanswered)
    assert end == 0 or unanswered[end - 1] == 0
    assert all(unanswered[end:])
