"""What ``deploy/`` starts runs: without containers, before an engine of the test's."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from deploy_kit import CADDYFILE, GATEWAYS, SERVICES
from gateway_kit import (
    DONE,
    LONG,
    MODEL,
    PATIENCE,
    QUESTION,
    STREAM,
    Engineroom,
    Running,
    by_message,
    chunk,
    eventually,
    http,
    reason,
    running,
)
from registry_kit import Redis

from langchain_moonshot_cache.server.__main__ import DEFAULT_PORT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gateway_kit import Json, Line

    from langchain_moonshot_cache.testing import MoonshotServer

pytestmark = pytest.mark.breaks_prefix("the gateway's tests repeat what they please")

ASKED: Json = {"model": MODEL, "messages": [QUESTION]}
MODELS = http('{"object": "list", "data": [{"id": "kimi-k3"}]}')
KEY = {"Authorization": "Bearer sk-ours"}


class Cluster:
    """Redis and the gateways, each by its command in the compose file.

    Names of containers stand for addresses there; here they are replaced by addresses,
    and nothing else is.
    """

    def __init__(self, engine: str, *, folder: Path, stack: ExitStack) -> None:
        self._folder = folder
        self._stack = stack
        program, *options = SERVICES["redis"]["command"]
        assert program == "redis-server"
        self.redis = Redis(*options)
        stack.callback(self.redis.close)
        keys = folder / "gateway-keys"
        keys.write_text("sk-ours\n", "utf-8")
        self._addresses = {
            "http://engine:8000/v1": engine,
            "redis://redis:6379/0": self.redis.url,
            "/run/secrets/gateway-keys": str(keys),
        }
        self.gateways = [self._gateway(name) for name in GATEWAYS]

    def _gateway(self, name: str) -> Running:
        command = [self._here(option) for option in SERVICES[name]["command"]]
        gateway = self._stack.enter_context(running(*command))
        gateway.url = gateway.url.replace("0.0.0.0", "127.0.0.1")  # noqa: S104 - all
        gateway.base_url = httpx.URL(f"{gateway.url}/v1")
        return gateway

    def _here(self, option: str) -> str:
        name, equals, value = option.partition("=")
        return f"{name}{equals}{self._addresses.get(value, value)}"

    def balancer(self) -> httpx.Client:
        """Start the load balancer; return a client of it."""
        program = shutil.which("caddy")
        if program is None:
            pytest.skip("no caddy here: install it (apt-get install caddy)")
        path = self._folder / "caddy.sock"
        file = self._folder / "Caddyfile"
        file.write_text(self._caddyfile(path), "utf-8")
        process = subprocess.Popen(
            [program, "run", "--config", str(file), "--adapter", "caddyfile"],
            env={**os.environ, "HOME": str(self._folder), "XDG_DATA_HOME": ""},
            stderr=subprocess.DEVNULL,
        )
        self._stack.callback(process.wait, PATIENCE)
        self._stack.callback(process.terminate)
        eventually(path.exists)
        transport = httpx.HTTPTransport(uds=str(path))
        client = httpx.Client(
            transport=transport,
            base_url="http://balancer/v1",
            headers=KEY,
            timeout=PATIENCE,
        )
        return self._stack.enter_context(client)

    def _caddyfile(self, path: Path) -> str:
        # A socket in the place of a port, since no port is known to be free.
        text = CADDYFILE.replace("\n:8080 {", f"\nhttp:// {{\n\tbind unix/{path}")
        # Only so that nobody waits.
        text = text.replace("health_interval 5s", "health_interval 50ms")
        for name, gateway in zip(GATEWAYS, self.gateways, strict=True):
            address = gateway.url.removeprefix("http://")
            text = text.replace(f"{name}:{DEFAULT_PORT}", address)
        return text


@contextmanager
def cluster(engine: str, *, folder: Path) -> Iterator[Cluster]:
    """Run a cluster before an engine; all of it is gone at the end."""
    with ExitStack() as stack:
        yield Cluster(engine, folder=folder, stack=stack)


def calls(gateway: Running) -> int:
    """Return how many chats a gateway has answered."""
    text = gateway.get(f"{gateway.url}/metrics").text
    found = re.findall(
        r"^moonshot_gateway_chat_calls_total\S* (\S+)", text, re.MULTILINE
    )
    return round(sum(map(float, found)))


def check_health(gateway: Running) -> int:
    """Run the container's own health check; return its exit status."""
    kind, python, *arguments = SERVICES["gateway-1"]["healthcheck"]["test"]
    assert (kind, python) == ("CMD", "python")
    address = gateway.url.removeprefix("http://")
    here = [a.replace(f"127.0.0.1:{DEFAULT_PORT}", address) for a in arguments]
    assert here != arguments
    done = subprocess.run([sys.executable, *here], capture_output=True, check=False)
    return done.returncode


def test_the_gateways_share_caches_that_outlive_their_redis(
    moonshot_server: MoonshotServer, tmp_path: Path
) -> None:
    with cluster(moonshot_server.base_url, folder=tmp_path) as ours:
        one, other = ours.gateways
        body = {"model": MODEL, "messages": [LONG]}
        cache = one.post("/caching", json=body).json()
        eventually(lambda: other.status(cache["id"]) == "ready")
        asked = {**ASKED, "messages": [by_message(cache), QUESTION]}
        assert other.post("/chat/completions", json=asked).status_code == 200
        assert moonshot_server.chats()[-1].cached_tokens > 0
        assert [check_health(gateway) for gateway in ours.gateways] == [0, 0]
        ours.redis.stop()
        assert check_health(one) != 0
        ours.redis.start()
        assert one.status(cache["id"]) == "ready"
        stranger = {"Authorization": "Bearer sk-theirs"}
        assert other.get("/caching", headers=stranger).status_code == 401


def test_the_balancer_asks_all_gateways_and_leaves_out_one_that_died(
    moonshot_server: MoonshotServer, tmp_path: Path
) -> None:
    with cluster(moonshot_server.base_url, folder=tmp_path) as ours:
        balancer = ours.balancer()
        eventually(lambda: balancer.get("http://balancer/healthz").status_code == 200)

        def ask() -> int:
            return balancer.post("/chat/completions", json=ASKED).status_code

        assert {ask() for _ in range(24)} == {200}
        assert all(calls(gateway) > 0 for gateway in ours.gateways)
        for inside in ("/metrics", "/", "/v2/anything"):
            assert balancer.get(f"http://balancer{inside}").status_code == 404
        ours.gateways[0].process.kill()
        ours.gateways[0].ended()
        # The one that finds out may fail.
        assert sorted(ask() for _ in range(12))[:11] == [200] * 11
        assert {ask() for _ in range(12)} == {200}


def test_the_balancer_hands_streams_on_as_they_come_and_hang_ups_too(
    tmp_path: Path,
) -> None:
    heard = threading.Event()

    async def answer(line: Line) -> None:
        if room.heads[-1].startswith("GET "):
            await line.send(MODELS)
            return
        await line.send(STREAM + chunk("first"))
        if heard.is_set():
            await line.until_gone()
            return
        await room.until(heard)
        last: Any = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
        await line.send(chunk("second") + chunk(**last) + DONE)
        line.hang_up()

    body = {**ASKED, "stream": True}
    with Engineroom() as room, cluster(room.url, folder=tmp_path) as ours:
        room.answer = answer
        balancer = ours.balancer()
        eventually(lambda: balancer.get("http://balancer/healthz").status_code == 200)
        with balancer.stream("POST", "/chat/completions", json=body) as reply:
            lines = reply.iter_lines()
            assert "first" in next(lines)
            heard.set()
            assert [line for line in lines if line][-1] == "data: [DONE]"
        assert room.gone == 0
        with balancer.stream("POST", "/chat/completions", json=body) as reply:
            assert "first" in next(reply.iter_lines())
        eventually(lambda: room.gone == 1)


def test_behind_the_balancer_gateways_name_what_is_gone(tmp_path: Path) -> None:
    async def hang_up(line: Line) -> None:
        line.hang_up()

    with Engineroom() as room, cluster(room.url, folder=tmp_path) as ours:
        room.answer = hang_up
        balancer = ours.balancer()
        health = eventually(lambda: _if_sick(balancer))
        assert health.json() == {"engine": "down", "state": "ok"}
        refused = balancer.post("/chat/completions", json=ASKED)
        assert "engine" in reason(refused, 502)


def _if_sick(balancer: httpx.Client) -> httpx.Response | None:
    reply = balancer.get("http://balancer/healthz")
    return reply if reply.status_code == 503 else None
