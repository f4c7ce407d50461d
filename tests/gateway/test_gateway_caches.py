"""The caching API before an engine: what ready means, and whose cache it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from gateway_kit import (
    LONG,
    MODEL,
    QUESTION,
    TOOL,
    by_message,
    completion,
    eventually,
    reason,
    say,
    silence,
)

if TYPE_CHECKING:
    from gateway_kit import Engineroom, Gate, MakeGate

    from langchain_moonshot_cache.testing import MoonshotServer

pytestmark = pytest.mark.breaks_prefix("the gateway's tests repeat what they please")


def test_a_cache_is_ready_once_the_engine_has_run_it(
    gate: Gate, moonshot_server: MoonshotServer
) -> None:
    created = gate.create(tools=[TOOL])
    assert created["status"] == "pending"
    assert created["tokens"] is None
    ready = gate.settled(created["id"])
    (run,) = moonshot_server.chats()
    assert ready["status"] == "ready"
    assert ready["tokens"] == run.prompt_tokens
    assert run.messages[0] == LONG
    assert run.tools == [TOOL]
    assert run.request.body["max_tokens"] == 1


def test_a_cache_is_pending_while_the_engine_runs_it(
    make_gate: MakeGate, engineroom: Engineroom
) -> None:
    engineroom.answer = silence
    gate = make_gate(upstream={"url": engineroom.url})
    cache = gate.create()
    eventually(lambda: engineroom.seen)
    assert gate.look(cache["id"])["status"] == "pending"
    text = reason(gate.chat(by_message(cache), QUESTION), 400)
    assert "pending, not ready" in text


@pytest.mark.parametrize("last", ["user", "system"])
def test_a_prefix_is_run_with_something_to_answer_at_its_end(
    last: str, gate: Gate, moonshot_server: MoonshotServer
) -> None:
    messages = [LONG, {"role": last, "content": "Be brief."}]
    gate.create_ready(*messages)
    (run,) = moonshot_server.chats()
    opening = [] if last == "user" else [{"role": "user", "content": "."}]
    assert run.messages == [*messages, *opening]


def test_a_cache_comes_back_as_it_was_sent(gate: Gate) -> None:
    sent = {
        "name": "lighthouses",
        "description": "all of them",
        "metadata": {"who": "me"},
        "tools": [TOOL],
        "ttl": 120,
    }
    cache = gate.create_ready(**sent)
    assert cache["expired_at"] == cache["created_at"] + sent.pop("ttl")
    assert {name: cache[name] for name in sent} == sent
    assert cache["messages"] == [LONG]
    assert cache["object"] == "context_cache_object"
    assert gate.get("/caching").json()["data"] == [cache]


def test_tokens_that_the_engine_does_not_count_stay_unknown(
    make_gate: MakeGate, engineroom: Engineroom
) -> None:
    engineroom.answer = say(completion())
    gate = make_gate(upstream={"url": engineroom.url})
    assert gate.create_ready()["tokens"] is None


def test_nobody_else_sees_a_cache(gate: Gate) -> None:
    cache = gate.create_ready(tags=["mine"])
    with gate.as_somebody_else("sk-theirs") as stranger:
        assert stranger.get("/caching").json()["data"] == []
        for path in (f"/caching/{cache['id']}", "/caching/refs/tags/mine"):
            reason(stranger.get(path), 404)
        reason(stranger.delete(f"/caching/{cache['id']}"), 404)
        reason(stranger.put(f"/caching/{cache['id']}", json={"ttl": 60}), 404)
        reason(stranger.chat(by_message(cache), QUESTION), 404)
    assert gate.look(cache["id"])["status"] == "ready"


def test_another_key_of_the_same_account_sees_it(make_gate: MakeGate) -> None:
    gate = make_gate(key="sk-firm:one")
    cache = gate.create_ready()
    with gate.as_somebody_else("sk-firm:two") as colleague:
        assert colleague.look(cache["id"])["id"] == cache["id"]


def test_a_deleted_cache_is_gone_and_its_building_is_given_up(
    make_gate: MakeGate, engineroom: Engineroom
) -> None:
    engineroom.answer = silence
    gate = make_gate(upstream={"url": engineroom.url})
    cache = gate.create()
    eventually(lambda: engineroom.seen)
    assert gate.delete(f"/caching/{cache['id']}").json()["deleted"] is True
    reason(gate.get(f"/caching/{cache['id']}"), 404)
    reason(gate.delete(f"/caching/{cache['id']}"), 404)
    eventually(lambda: engineroom.gone == 1)
    gate.at_rest(cache)


def test_an_update_runs_the_prefix_again(
    gate: Gate, moonshot_server: MoonshotServer
) -> None:
    cache = gate.create_ready(ttl=60)
    changes = {"ttl": 600, "metadata": {"a": "b"}}
    changed = gate.put(f"/caching/{cache['id']}", json=changes).json()
    assert changed["status"] == "pending"
    assert changed["metadata"] == {"a": "b"}
    assert changed["expired_at"] >= cache["created_at"] + 600
    assert gate.settled(cache["id"])["status"] == "ready"
    assert len(moonshot_server.chats()) == 2


def test_an_expired_cache_is_brought_back_by_a_call_and_run_again(
    gate: Gate, moonshot_server: MoonshotServer
) -> None:
    cache = gate.create_ready(ttl=60)
    gate.gateway.world.clock.advance(60)
    assert gate.look(cache["id"])["status"] == "inactive"
    assert "inactive" in reason(gate.chat(by_message(cache), QUESTION), 400)
    refused = gate.chat(by_message(cache, reset_ttl=300), QUESTION)
    assert "pending" in reason(refused, 400)
    assert gate.settled(cache["id"])["status"] == "ready"
    assert len(moonshot_server.chats()) == 2


def test_a_family_is_run_with_one_of_its_models(
    make_gate: MakeGate, moonshot_server: MoonshotServer
) -> None:
    sizes = {"moonshot-v1-8k": "kimi-k3", "moonshot-v1-32k": "kimi-k3"}
    gate = make_gate(upstream={"models": sizes})
    cache = gate.create_ready(model="moonshot-v1")
    reply = gate.chat(by_message(cache), QUESTION, model="moonshot-v1-32k")
    assert reply.json()["model"] == "moonshot-v1-32k"
    assert [chat.model for chat in moonshot_server.chats()] == ["kimi-k3", "kimi-k3"]
    text = reason(gate.chat(by_message(cache), QUESTION, model=MODEL), 404)
    assert "Not found the model" in text


def test_a_family_that_the_map_does_not_tell_is_run_with_a_model_that_is_listed(
    gate: Gate, moonshot_server: MoonshotServer
) -> None:
    cache = gate.create_ready(model="moonshot-v1")
    reply = gate.chat(by_message(cache), QUESTION, model="moonshot-v1-32k")
    assert reply.status_code == 200
    run, *_ = moonshot_server.chats()
    assert run.model.startswith("moonshot-v1-")


def test_an_engine_without_a_list_is_asked_for_the_family_itself(
    make_gate: MakeGate, engineroom: Engineroom
) -> None:
    gate = make_gate(upstream={"url": engineroom.url})
    gate.create_ready(model="moonshot-v1")
    assert [asked["model"] for asked in engineroom.seen if asked] == ["moonshot-v1"]


def test_a_cache_serves_no_other_model(gate: Gate) -> None:
    cache = gate.create_ready()
    text = reason(gate.chat(by_message(cache), QUESTION, model="kimi-k2.6"), 400)
    assert text == "The cache is for kimi-k3, not for kimi-k2.6."


def test_an_account_may_hold_only_so_many_tokens(make_gate: MakeGate) -> None:
    gate = make_gate(account_token_limit=2000)
    first = gate.create()
    body = {"model": MODEL, "messages": [LONG]}
    assert "its limit of 2000" in reason(gate.post("/caching", json=body), 400)
    with gate.as_somebody_else("sk-theirs") as stranger:
        stranger.create()
    gate.delete(f"/caching/{first['id']}")
    gate.create()


def test_what_no_cache_may_hold_is_refused(gate: Gate) -> None:
    def refused(**body: object) -> str:
        fields = {"model": MODEL, "messages": [LONG], **body}
        return reason(gate.post("/caching", json=fields), 400)

    assert "messages[0].role" in refused(messages=[{"role": "cache", "content": "x"}])
    assert "ttl" in refused(ttl=4000)
    assert "messages must have" in refused(messages=[])
    assert "model" in refused(model=7)


def test_tags_name_caches_and_move(gate: Gate) -> None:
    first, second = gate.create_ready(tags=["docs"]), gate.create_ready()
    assert gate.get("/caching/refs/tags/docs").json()["cache_id"] == first["id"]
    by_tag = {"role": "cache", "content": "tag=docs"}
    assert gate.chat(by_tag, QUESTION).headers["msh-context-cache-id"] == first["id"]
    moved = {"tag": "docs", "cache_id": second["id"]}
    assert gate.post("/caching/refs/tags", json=moved).json()["tag"] == "docs"
    content = gate.get("/caching/refs/tags/docs/content").json()
    assert content["id"] == second["id"]
    assert [t["tag"] for t in gate.get("/caching/refs/tags").json()["data"]] == ["docs"]
    assert gate.delete("/caching/refs/tags/docs").json()["deleted"] is True
    reason(gate.get("/caching/refs/tags/docs"), 404)
    reason(gate.get("/caching/refs/tags/9"), 400)


def test_a_list_of_caches_goes_page_by_page(gate: Gate) -> None:
    ids = [gate.create(metadata={"n": str(n % 2)})["id"] for n in range(5)]

    def page(**query: str) -> list[str]:
        data = gate.get("/caching", params=query).json()["data"]
        return [cache["id"] for cache in data]

    assert page() == ids[::-1]
    assert page(limit="2", order="asc") == ids[:2]
    assert page(limit="2", order="asc", after=ids[1]) == ids[2:4]
    assert page(limit="2", before=ids[0]) == [ids[2], ids[1]]
    assert page(**{"metadata[n]": "1"}) == [ids[3], ids[1]]
    gate.delete(f"/caching/{ids[2]}")
    assert page(after=ids[2]) == [ids[1], ids[0]]
    reason(gate.get("/caching", params={"after": "cache-" + "0" * 20}), 404)
    reason(gate.get("/caching", params={"limit": "0"}), 400)
