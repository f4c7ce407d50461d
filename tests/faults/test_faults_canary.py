"""A key and a prompt go in and come out nowhere but where they are meant to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from canaries import KEY, PASSWORD, PROMPT, play

if TYPE_CHECKING:
    from collections.abc import Mapping

SINKS = {
    "answers": "cache_id",
    "copy": "ChatMoonshotCached",
    "deepcopy": "ChatMoonshotCached",
    "dumps": "langchain_moonshot_cache",
    "dumps, of Redis": "redis.sock",
    "errors": "Error",
    "errors of chats": "Connection",
    "identity": "moonshot",
    "locals of all": "self",
    "locals of ours": "self",
    "log of asyncio": "Executing",
    "log of httpcore": "request",
    "log of httpx": "HTTP Request",
    "log of langchain_moonshot_cache": "POST /caching",
    "log of openai": "HTTP Request",
    "model_dump": "cache_ttl",
    "model_dump_json": "cache_ttl",
    "pickle": "langchain_moonshot_cache",
    "pickled errors": "langchain_moonshot_cache",
    "private, of Redis": "Caching",
    "private": "Caching",
    "reason, of Redis": "provider caches prefixes",
    "reason": "provider caches prefixes",
    "redis": "cache-",
    "repr, of Redis": "RedisRegistry",
    "repr": "ContextCacheManager",
    "sent headers": "langchain-moonshot-cache",
    "sent metadata": "lmc_fingerprint",
    "server's output": "listening on",
    "sqlite": "SQLite format 3",
    "str, of Redis": "RedisRegistry",
    "str": "ContextCacheManager",
    "tracebacks": "Traceback",
    "tracer": "moonshot_cache",
    "tracer of failures": "Error",
    "validation": "temperature",
    "vars, of Redis": "RedisRegistry",
    "vars": "registry",
    "warnings": "warnings",
}
"""Where it was looked for, and a word by which one sees that something was there."""

SERVERS_WORDS = "the server's own words about a prompt reach whoever wrote it"
ARGUMENTS = "a prompt is the argument of functions, LangChain's and the users' too"
PROMPT_IS_THEIRS = {
    "errors of chats": SERVERS_WORDS,
    "tracer of failures": SERVERS_WORDS,
    "locals of all": ARGUMENTS,
    "locals of ours": ARGUMENTS,
}
"""Where only the key is looked for, and why."""


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    return play(tmp_path_factory.mktemp("canary"))


def test_every_sink_was_looked_into(scene: Mapping[str, str]) -> None:
    assert set(scene) == set(SINKS)


@pytest.mark.parametrize("sink", SINKS)
def test_no_canary_gets_out(scene: Mapping[str, str], sink: str) -> None:
    assert SINKS[sink] in scene[sink], "nothing was in there to look at"
    assert KEY not in scene[sink]
    assert PASSWORD not in scene[sink]
    if sink not in PROMPT_IS_THEIRS:
        for part in (PROMPT, "Tweety", "Perch Lane"):
            assert part not in scene[sink]
