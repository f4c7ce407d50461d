"""What the tests of the server share: a thin client that hides nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from langchain_moonshot_cache.testing import MoonshotServer

Json = dict[str, Any]

DATA = Path(__file__).parent / "data"
SYSTEM = {"role": "system", "content": "You know everything about lighthouses."}
QUESTION = {"role": "user", "content": "How tall is the lighthouse of Alexandria?"}
TOOL = {
    "type": "function",
    "function": {"name": "lookup", "parameters": {"type": "object", "properties": {}}},
}
MODEL = "moonshot-v1-8k"
UNKNOWN_CACHE = "cache-00000000000000000000"


def example(name: str) -> Json:
    """Return a file of the announced example."""
    text = (DATA / f"coderunner_{name}.json").read_text("utf-8")
    content: Json = json.loads(text)
    return content


class Api(httpx.Client):
    """One account's view of a server."""

    def __init__(self, server: MoonshotServer, *, key: str | None = None) -> None:
        self.server = server
        headers = {"Authorization": f"Bearer {key or server.api_key}"}
        # No TLS is spoken here, and reading the certificates takes a tenth of a second.
        super().__init__(base_url=server.base_url, headers=headers, verify=False)

    def create(self, **fields: Any) -> Json:
        """Create a cache, which must succeed."""
        body = {"model": "moonshot-v1", "messages": [SYSTEM], **fields}
        reply = self.post("/caching", json=body)
        assert reply.status_code == 200, reply.text
        cache: Json = reply.json()
        return cache

    def create_ready(self, **fields: Any) -> Json:
        """Create a cache and let it become ready."""
        cache = self.create(**fields)
        self.server.clock.advance(1)
        return self.look(cache["id"])

    def look(self, cache_id: str) -> Json:
        """Return a cache, which must exist."""
        reply = self.get(f"/caching/{cache_id}")
        assert reply.status_code == 200, reply.text
        cache: Json = reply.json()
        return cache

    def refused(self, status: int, /, path: str = "/caching", **body: Any) -> str:
        """POST a body that must be refused; return why."""
        if path == "/caching":
            body = {"model": "moonshot-v1", "messages": [SYSTEM], **body}
        reply = self.post(path, json=body)
        return reason(reply, status)

    def chat(
        self, *messages: Json, headers: dict[str, str] | None = None, **fields: Any
    ) -> httpx.Response:
        """Ask; the messages default to one question."""
        body = {"model": MODEL, "messages": list(messages) or [QUESTION], **fields}
        return self.post("/chat/completions", json=body, headers=headers)


def reason(reply: httpx.Response, status: int) -> str:
    """Return the message of a refusal, which must have this status and the form."""
    assert reply.status_code == status, reply.text
    error = reply.json()["error"]
    assert set(error) == {"type", "message"}
    return str(error["message"])


def by_message(reference: str) -> Json:
    """Return a cache message."""
    return {"role": "cache", "content": reference}


def chunks_of(text: str) -> list[Json]:
    """Return the chunks of a stream that must end properly."""
    events = [event for event in text.split("\n\n") if event]
    assert events[-1] == "data: [DONE]"
    return [json.loads(event.removeprefix("data: ")) for event in events[:-1]]
