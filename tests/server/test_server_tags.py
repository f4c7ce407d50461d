"""Tags, seen over the wire."""

from __future__ import annotations

import pytest
from server_kit import QUESTION, UNKNOWN_CACHE, Api, by_message, reason


def bind(api: Api, tag: str, cache_id: str) -> None:
    reply = api.post("/caching/refs/tags", json={"tag": tag, "cache_id": cache_id})
    assert reply.status_code == 200, reply.text


def test_a_tag_names_a_cache_and_its_content_is_the_cache(api: Api) -> None:
    cache = api.create()
    bind(api, "manual", cache["id"])
    tag = api.get("/caching/refs/tags/manual").json()
    assert tag.pop("owned_by").startswith("acct-")
    assert tag == {
        "cache_id": cache["id"],
        "created_at": int(api.server.clock.now()),
        "object": "cache_object.tag",
        "tag": "manual",
    }
    assert api.get("/caching/refs/tags/manual/content").json() == cache


def test_binding_a_tag_again_moves_it(api: Api) -> None:
    first, second = api.create()["id"], api.create()["id"]
    bind(api, "manual", first)
    bind(api, "manual", second)
    assert api.get("/caching/refs/tags/manual").json()["cache_id"] == second
    assert len(api.get("/caching/refs/tags").json()["data"]) == 1


def test_a_cache_can_be_born_with_tags(api: Api) -> None:
    cache = api.create(tags=["one", "two"])
    listed = api.get("/caching/refs/tags", params={"order": "asc"}).json()["data"]
    assert [tag["tag"] for tag in listed] == ["one", "two"]
    assert {tag["cache_id"] for tag in listed} == {cache["id"]}


def test_deleting_a_tag_always_succeeds(api: Api) -> None:
    bind(api, "manual", api.create()["id"])
    for _ in range(2):
        assert api.delete("/caching/refs/tags/manual").json() == {
            "deleted": True,
            "object": "cache_object.tag.deleted",
            "tag": "manual",
        }
    reason(api.get("/caching/refs/tags/manual"), 404)


def test_a_tag_outlives_its_cache_without_content(api: Api) -> None:
    cache_id = api.create(tags=["manual"])["id"]
    api.delete(f"/caching/{cache_id}")
    assert api.get("/caching/refs/tags/manual").json()["cache_id"] == cache_id
    assert cache_id in reason(api.get("/caching/refs/tags/manual/content"), 404)


def test_tags_come_in_pages_too(api: Api) -> None:
    names = ["one", "two", "three", "four"]
    api.create(tags=names)

    def page(**query: str | int) -> list[str]:
        found = api.get("/caching/refs/tags", params=query).json()["data"]
        return [tag["tag"] for tag in found]

    assert page() == names[::-1]
    assert page(order="asc", after="one", limit=2) == ["two", "three"]
    assert page(order="asc", before="four", limit=2) == ["two", "three"]
    reason(api.get("/caching/refs/tags", params={"after": "five"}), 404)


@pytest.mark.parametrize("tag", ["", "1st", "a b", "-a", "a" * 129, "a1", "näh", "a\n"])
def test_a_malformed_tag_is_refused(api: Api, tag: str) -> None:
    body = {"tag": tag, "cache_id": api.create()["id"]}
    reason(api.post("/caching/refs/tags", json=body), 400)


def test_a_tag_needs_a_cache_of_its_own_account(api: Api, stranger: Api) -> None:
    theirs = stranger.create()["id"]
    for cache_id in (theirs, UNKNOWN_CACHE):
        body = {"tag": "manual", "cache_id": cache_id}
        reason(api.post("/caching/refs/tags", json=body), 404)


def test_accounts_may_use_the_same_tag_for_different_caches(
    api: Api, stranger: Api
) -> None:
    mine, theirs = api.create(tags=["manual"]), stranger.create(tags=["manual"])
    for client, cache in ((api, mine), (stranger, theirs)):
        content = client.get("/caching/refs/tags/manual/content").json()
        assert content["id"] == cache["id"]


def test_a_cache_message_may_carry_a_tag(api: Api) -> None:
    cache = api.create_ready(tags=["manual"])
    reply = api.chat(by_message("tag=manual"), QUESTION)
    assert reply.headers["Msh-Context-Cache-Id"] == cache["id"]
    reason(api.chat(by_message("tag=other"), QUESTION), 404)
