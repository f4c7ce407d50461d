"""What a chat request means for the engine: its cache looked up and put in place."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from langchain_moonshot_cache.server.backend import dumped
from langchain_moonshot_cache.server.life import LONGEST_LIFE
from langchain_moonshot_cache.server.marks import implements
from langchain_moonshot_cache.server.models import belongs
from langchain_moonshot_cache.server.parameters import read_headers
from langchain_moonshot_cache.server.references import from_headers, from_message
from langchain_moonshot_cache.server.refusals import bad_request, not_found
from langchain_moonshot_cache.server.rules import (
    BY_HEADERS,
    BY_MESSAGE,
    HEADERS_MISMATCH,
    ONE_REFERENCE,
    RESET_TTL_REVIVAL_ANSWER,
    RESET_TTL_REVIVES,
    TOOLS_ABSENT,
    UNUSABLE,
)
from langchain_moonshot_cache.server.schema_check import first_problem
from langchain_moonshot_cache.server.schemas import REQUESTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from langchain_moonshot_cache.server.gateway.state import Content, Record
    from langchain_moonshot_cache.server.gateway.visit import Visit
    from langchain_moonshot_cache.server.references import Reference

__all__ = ["Prompt", "resolve"]

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Prompt:
    """What reaches the engine.

    Attributes:
        messages: All messages, the cached ones in their place, as JSON text.
        tools: All tools, likewise.
        cache: The cache that was used, if one was.
        reference: What the request said about it.
    """

    messages: bytes
    tools: bytes | None
    cache: Record | None = None
    reference: Reference | None = None


@implements(ONE_REFERENCE)
async def resolve(visit: Visit, body: Json, headers: Mapping[str, str]) -> Prompt:
    """Put the cached messages and tools where a request refers to them.

    Raises:
        RefusedError: 404 for an unknown cache or tag, 400 for a useless one.
    """
    by_message = _from_first(body["messages"][0])
    by_header = from_headers(read_headers(headers))
    if by_message and by_header:
        raise bad_request("Refer to a cache by message or by header, not both.")
    reference = by_message or by_header
    if reference is None:
        tools = body.get("tools")
        return Prompt(
            dumped(body["messages"]), None if tools is None else dumped(tools)
        )
    record = await _find(visit, reference)
    record = await _usable(visit, record, reference, model=body["model"])
    content = await visit.world.contents.get(record.id)
    if content is None:  # deleted in this moment
        raise not_found(f"There is no cache {record.id!r}.")
    use = _expanded if by_message else _compared
    return use(body, record, content, reference)


def _from_first(message: Json) -> Reference | None:
    if message["role"] != "cache":
        return None
    schema = REQUESTS["CacheMessage"]
    problem = first_problem(message, schema, schemas=REQUESTS, at="messages[0]")
    if problem is not None:
        raise bad_request(problem)
    return from_message(message["content"])


async def _find(visit: Visit, reference: Reference) -> Record:
    state, cache_id = visit.world.state, reference.cache_id
    if reference.tag is not None:
        tag = await state.tag(reference.tag, account=visit.account)
        if tag is None:
            raise not_found(f"There is no tag {reference.tag!r}.")
        cache_id = tag.cache_id
    record = await state.find(cache_id or "", account=visit.account)
    if record is None:
        raise not_found(f"There is no cache {(cache_id or '')[:80]!r}.")
    return record


@implements(UNUSABLE, RESET_TTL_REVIVAL_ANSWER, RESET_TTL_REVIVES)
async def _usable(
    visit: Visit, record: Record, reference: Reference, *, model: str
) -> Record:
    world, seconds = visit.world, reference.reset_ttl
    if seconds is not None and seconds > LONGEST_LIFE:
        raise bad_request(f"reset_ttl must be at most {LONGEST_LIFE} seconds.")
    if model != record.model and not belongs(model, family=record.model):
        raise bad_request(f"The cache is for {record.model}, not for {model[:80]}.")
    status = record.status(world.clock.now())
    if status == "inactive" and seconds and not reference.dry_run:
        values = {"expired_at": world.clock.seconds() + seconds, "built": "pending"}
        changed = await world.state.change(
            record.id, account=visit.account, values=values
        )
        status, record = "pending", changed or record
    if status == "pending":
        world.builder.build(record)
    if status != "ready":
        raise bad_request(f"The cache {record.id} is {status}, not ready.")
    return record


@implements(BY_MESSAGE, TOOLS_ABSENT)
def _expanded(
    body: Json, record: Record, content: Content, reference: Reference
) -> Prompt:
    if body.get("tools") is not None:
        raise bad_request("Beside a cache message tools must be absent or null.")
    messages, further = content.messages, body["messages"][1:]
    if further:
        messages = messages.removesuffix(b"]") + b"," + dumped(further)[1:]
    return Prompt(messages, content.tools, record, reference)


@implements(BY_HEADERS, HEADERS_MISMATCH)
def _compared(
    body: Json, record: Record, content: Content, reference: Reference
) -> Prompt:
    messages, tools = body["messages"], body.get("tools")
    text = None if tools is None else dumped(tools)
    matches = _equal(messages[: record.length], content.messages) and (
        content.tools is None if tools is None else _equal(tools, content.tools)
    )
    return Prompt(dumped(messages), text, record if matches else None, reference)


def _equal(value: list[Json], text: bytes | None) -> bool:
    """Compare with a JSON text; most often the very bytes are the same."""
    return text is not None and (dumped(value) == text or json.loads(text) == value)
