"""Digests name a prefix, for one account, and tell nothing."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from langchain_moonshot_cache.prefix import account_key, fingerprint

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ACCOUNT = account_key(api_key="sk-one", base_url="https://api.moonshot.cn/v1")
SYSTEM = {"role": "system", "content": "Be brief."}
USER = {"role": "user", "content": "Hello"}
TOOL = {"type": "function", "function": {"name": "add", "parameters": {}}}


def name(
    *messages: Mapping[str, Any],
    account: bytes = ACCOUNT,
    model: str = "moonshot-v1",
    tools: Sequence[Mapping[str, Any]] = (),
) -> str:
    return fingerprint(account, model=model, messages=messages, tools=tools)


def test_two_accounts_never_share_a_name() -> None:
    url = "https://api.moonshot.cn/v1"
    other = account_key(api_key="sk-two", base_url=url)
    assert name(SYSTEM) != name(SYSTEM, account=other)


def test_one_key_at_two_endpoints_is_two_accounts() -> None:
    other = account_key(api_key="sk-one", base_url="https://api.moonshot.ai/v1")
    assert name(SYSTEM) != name(SYSTEM, account=other)


def test_a_slash_at_the_end_of_the_endpoint_means_nothing() -> None:
    url = "https://api.moonshot.cn/v1/"
    assert account_key(api_key="sk-one", base_url=url) == ACCOUNT


def test_key_and_endpoint_cannot_be_moved_into_each_other() -> None:
    assert account_key(api_key="ab", base_url="c") != account_key(
        api_key="a", base_url="bc"
    )


def test_whatever_reaches_the_model_is_part_of_the_name() -> None:
    names = [
        name(SYSTEM),
        name(SYSTEM, USER),
        name(USER, SYSTEM),
        name(USER),
        name({**SYSTEM, "content": "Be brief"}),
        name(SYSTEM, tools=[TOOL]),
        name(SYSTEM, tools=[TOOL, TOOL]),
        name(SYSTEM, model="moonshot-v2"),
        name(),
        name(tools=[TOOL]),
    ]
    assert len(set(names)) == len(names)


def test_messages_cannot_be_split_differently_under_one_name() -> None:
    together = {"role": "system", "content": "ab"}
    apart = [{"role": "system", "content": "a"}, {"role": "system", "content": "b"}]
    assert name(together) != name(*apart)
    assert name(SYSTEM, tools=[USER]) != name(USER, SYSTEM)


def test_the_order_of_keys_is_no_part_of_the_name() -> None:
    assert name({"content": "Be brief.", "role": "system"}) == name(SYSTEM)


def test_a_name_is_forty_hexadecimal_digits_without_the_text() -> None:
    named = name(SYSTEM)
    assert len(named) == 40
    assert set(named) <= set("0123456789abcdef")


def test_a_growing_conversation_has_a_new_name_at_every_turn() -> None:
    turns = [{"role": "user", "content": str(n)} for n in range(50)]
    names = [name(*turns[:length]) for length in range(51)]
    assert all(one != other for one, other in pairwise(names))
    assert len(set(names)) == 51
