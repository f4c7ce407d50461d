"""What the tests of the gateway share: a client, and an engine that obeys a test."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, Self

import httpx
import pytest

from langchain_moonshot_cache.server.gateway_options import UPSTREAM_KEY

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from langchain_moonshot_cache.server.gateway import Gateway

Json = dict[str, Any]

MODEL = "kimi-k3"
LONG = {"role": "system", "content": "Every lighthouse has a keeper and light. " * 110}
QUESTION = {"role": "user", "content": "How tall is the lighthouse of Alexandria?"}
TOOL = {
    "type": "function",
    "function": {"name": "lookup", "parameters": {"type": "object", "properties": {}}},
}
PATIENCE = 60.0
"""Seconds that a test waits for what should be there in milliseconds."""


def eventually(look: Callable[[], Any]) -> Any:
    """Look again and again until there is something to see; return it."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.002)
    raise AssertionError("it never happened")


class Gate(httpx.Client):
    """One account's view of a gateway."""

    def __init__(self, gateway: Gateway, *, key: str = "sk-ours") -> None:
        self.gateway = gateway
        headers = {"Authorization": f"Bearer {key}"}
        super().__init__(
            base_url=gateway.base_url, headers=headers, verify=False, timeout=PATIENCE
        )

    def as_somebody_else(self, key: str) -> Gate:
        """Return another account's view."""
        return Gate(self.gateway, key=key)

    def create(self, *messages: Json, **fields: Any) -> Json:
        """Create a cache, which must be accepted."""
        body = {"model": MODEL, "messages": list(messages) or [LONG], **fields}
        reply = self.post("/caching", json=body)
        assert reply.status_code == 200, reply.text
        cache: Json = reply.json()
        return cache

    def look(self, cache_id: str) -> Json:
        """Return a cache, which must be there."""
        reply = self.get(f"/caching/{cache_id}")
        assert reply.status_code == 200, reply.text
        cache: Json = reply.json()
        return cache

    def settled(self, cache_id: str) -> Json:
        """Return a cache once it is pending no more."""

        def look() -> Json | None:
            cache = self.look(cache_id)
            return None if cache["status"] == "pending" else cache

        cache: Json = eventually(look)
        return cache

    def create_ready(self, *messages: Json, **fields: Any) -> Json:
        """Create a cache and wait until it is ready."""
        cache = self.settled(self.create(*messages, **fields)["id"])
        assert cache["status"] == "ready", cache["error"]
        return cache

    def chat(
        self, *messages: Json, headers: dict[str, str] | None = None, **fields: Any
    ) -> httpx.Response:
        """Ask; the messages default to one question."""
        body = {"model": MODEL, "messages": list(messages) or [QUESTION], **fields}
        return self.post("/chat/completions", json=body, headers=headers)

    def at_rest(self, *caches: Json) -> None:
        """Wait until nothing goes on, and make sure that nobody holds these caches."""
        world, server = self.gateway.world, self.gateway._server
        eventually(lambda: not world.builder._tasks)
        eventually(lambda: self.figures()["questions_in_flight"] == 0)
        assert server is not None
        assert server._loop is not None
        for cache in caches:
            free = world.state.claim(cache["id"], owner="a test", seconds=1)
            assert asyncio.run_coroutine_threadsafe(free, server._loop).result(PATIENCE)

    def figures(self) -> dict[str, float]:
        """Return what the gateway's metrics say, by name and labels."""
        text = self.get(f"{self.gateway.url}/metrics").text
        lines = [line for line in text.splitlines() if not line.startswith("#")]
        found = (line.rpartition(" ") for line in lines)
        prefix = "moonshot_gateway_"
        return {name.removeprefix(prefix): float(value) for name, _, value in found}


LISTENING = re.compile(r"listening on (http://\S+)/v1 \(engine: \S+\)")


class Running(httpx.Client):
    """A gateway that runs by its command, and a client of it."""

    def __init__(self, *options: str, environment: dict[str, str] | None) -> None:
        module = "langchain_moonshot_cache.server"
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, "--port", "0", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {UPSTREAM_KEY: "sk-engine"} | (environment or {}),
        )
        assert self.process.stdout is not None
        greeting = LISTENING.match(self.process.stdout.readline())
        if greeting is None:
            pytest.fail(self.ended()[1])
        self.url = greeting[1]
        super().__init__(
            base_url=f"{self.url}/v1",
            headers={"Authorization": "Bearer sk-ours"},
            timeout=PATIENCE,
        )

    def status(self, cache_id: str) -> str:
        return str(self.get(f"/caching/{cache_id}").json()["status"])

    def ended(self) -> tuple[int, str]:
        """Return the exit status and what was written to standard error."""
        _, told = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, told


@contextmanager
def running(
    *options: str, environment: dict[str, str] | None = None
) -> Iterator[Running]:
    """Run a gateway by its command; it is gone at the end."""
    with Running(*options, environment=environment) as gateway:
        try:
            yield gateway
        finally:
            if gateway.process.returncode is None:
                gateway.process.kill()
                gateway.ended()


class MakeGate(Protocol):
    """Starts a gateway and returns an account's view of it."""

    def __call__(
        self, *, upstream: Json | None = None, key: str = "sk-ours", **fields: Any
    ) -> Gate: ...


def by_message(cache: Json, **parts: Any) -> Json:
    """Return the message that stands for a cache."""
    text = f"cache_id={cache['id']}"
    return {
        "role": "cache",
        "content": ";".join([text, *(f"{k}={v}" for k, v in parts.items())]),
    }


def reason(reply: httpx.Response, status: int) -> str:
    """Return the message of a refusal, which must have this status and the form."""
    assert reply.status_code == status, reply.text
    error = reply.json()["error"]
    assert set(error) == {"type", "message"}
    return str(error["message"])


def completion(text: str = "137 metres", **usage: Any) -> bytes:
    """Return an answer as an engine gives it."""
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    answer: Json = {"id": "x", "object": "chat.completion", "choices": [choice]}
    if usage:
        answer["usage"] = usage
    return http(json.dumps(answer))


def http(
    body: str | bytes,
    *,
    status: str = "200 OK",
    kind: str = "application/json",
    headers: str = "",
) -> bytes:
    """Return a whole HTTP answer."""
    data = body.encode() if isinstance(body, str) else body
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n{headers}"
    return f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data


def refusal(status: str, message: str, **more: str) -> bytes:
    """Return an error as an engine gives it."""
    headers = "".join(f"{name}: {value}\r\n" for name, value in more.items())
    body = json.dumps({"error": {"message": message, "type": "BadRequestError"}})
    return http(body, status=status, headers=headers)


def chunk(text: str | None = None, **fields: Any) -> bytes:
    """Return one event of a stream."""
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
    value = {"id": "x", "object": "chat.completion.chunk", "choices": [choice]}
    return f"data: {json.dumps({**value, **fields})}\n\n".encode()


STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
DONE = b"data: [DONE]\n\n"


class Engineroom:
    """An engine over a raw socket, in a thread: it answers as a test tells it to.

    Attributes:
        seen: The requests, as parsed bodies, in the order in which they came.
        heads: Their heads, as text.
        connections: How many connections there were.
        open: How many of them are there still.
        gone: How many connections their other end closed before they were answered.
        answer: What to do with a connection after a request was read.
        early: What to do with one before the body is read, in place of that.
    """

    def __init__(self) -> None:
        self.seen: list[Json] = []
        self.heads: list[str] = []
        self.connections = 0
        self.open = 0
        self.gone = 0
        self.answer: Callable[[Line], Awaitable[None]] = say(completion())
        self.early: Callable[[Line], Awaitable[None]] | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = self._call(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def call_soon(self, action: Callable[[], Any]) -> None:
        """Do something in the engine's own thread."""
        self._loop.call_soon_threadsafe(action)

    async def until(self, event: threading.Event) -> None:
        """Wait until a test says so."""
        await self._loop.run_in_executor(None, event.wait, PATIENCE)

    def _call(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(PATIENCE)

    async def _stop(self) -> None:
        self._server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        line = Line(self, reader, writer)
        self.connections += 1
        self.open += 1
        try:
            while head := (await reader.readuntil(b"\r\n\r\n")).decode():
                self.heads.append(head)
                if self.early is not None:
                    await self.early(line)
                    return
                length = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
                body = await reader.readexactly(int(length[1]) if length else 0)
                self.seen.append(json.loads(body or b"{}"))
                await self.answer(line)
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass  # the other end is gone, or the test is over
        finally:
            self.open -= 1
            writer.close()


class Line:
    """A connection on which a request waits for its answer."""

    def __init__(
        self,
        room: Engineroom,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._room = room
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    def hang_up(self) -> None:
        self._writer.close()

    async def until_gone(self) -> None:
        """Say nothing until the other end is gone."""
        await self._reader.read()
        self._room.gone += 1
        self.hang_up()


def say(*parts: bytes, hang_up: bool = False) -> Callable[[Line], Awaitable[None]]:
    """Answer every request with these bytes."""

    async def answer(line: Line) -> None:
        for part in parts:
            await line.send(part)
        if hang_up:
            line.hang_up()

    return answer


def stream(*parts: bytes) -> Callable[[Line], Awaitable[None]]:
    """Answer every request with a stream that ends with its connection."""
    return say(STREAM, *parts, hang_up=True)


async def silence(line: Line) -> None:
    """Never answer."""
    await line.until_gone()
