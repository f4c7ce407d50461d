"""A key and a prompt that must not come out anywhere, and a scene that tries."""

from __future__ import annotations

import asyncio
import copy
import logging
import pickle
import traceback
import warnings
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import openai
from chat_kit import QUESTION, model_of
from faults_kit import serving
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.load import dumps
from langchain_core.messages import SystemMessage
from pydantic import ValidationError
from registry_kit import Redis

from langchain_moonshot_cache import (
    ChatMoonshotCached,
    ContextCacheManager,
    MoonshotCacheError,
    MoonshotCachingClient,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from langchain_moonshot_cache.testing import MoonshotServer

PASSWORD = "open-sesame-77"
KEY = "sk-canary-5d41402abc4b2a76"
PROMPT = "the canary is called Tweety and lives at 7 Perch Lane"
MESSAGES = [SystemMessage(f"Nobody may know that {PROMPT}."), QUESTION]
WIRE = [{"role": "system", "content": MESSAGES[0].content}]
TOOL = {
    "type": "function",
    "function": {"name": "feed", "description": PROMPT, "parameters": {}},
}
MODEL = "moonshot-v1-8k"
PACKAGE = "/langchain_moonshot_cache/"


class Tracer(BaseCallbackHandler):
    """Keeps what a tracer is told beside messages, tools and answers.

    Those are what LangChain traces of any chat model.
    """

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.told_of_failures: list[Any] = []

    def on_chat_model_start(
        self,
        serialized: dict[str, Any],
        messages: Any,  # noqa: ARG002 - see above
        **kwargs: Any,
    ) -> None:
        params = {**kwargs.pop("invocation_params"), "tools": None}
        self.told += [serialized, params, kwargs]

    def on_llm_end(self, response: Any, **kwargs: Any) -> None:
        message = response.generations[0][0].message
        self.told += [message.response_metadata, response.llm_output, kwargs]

    def on_llm_error(self, error: BaseException, **kwargs: Any) -> None:
        self.told_of_failures += [repr(error), kwargs]


class Log(logging.Handler):
    """Keeps every line of every logger, formatted with its traceback."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[tuple[str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append((record.name, self.format(record)))


@contextmanager
def listening() -> Iterator[Log]:
    """Listen to the root logger at DEBUG, as the most curious operator would."""
    log, root = Log(), logging.getLogger()
    before = root.level
    root.addHandler(log)
    root.setLevel(logging.DEBUG)
    try:
        yield log
    finally:
        root.removeHandler(log)
        root.setLevel(before)


def play(directory: Path) -> dict[str, str]:
    """Use everything, break everything, and return what came out where."""
    out: dict[str, str] = {}
    redis = Redis("--requirepass", PASSWORD)
    redis_url = redis.url.replace("unix://", f"unix://:{PASSWORD}@")
    tracer = Tracer()
    with ExitStack() as stack:
        stack.callback(redis.close)
        server, printed = stack.enter_context(serving(api_key=KEY))
        log = stack.enter_context(listening())
        warned = stack.enter_context(warnings.catch_warnings(record=True))
        warnings.simplefilter("always")
        stack.enter_context(patch.dict("os.environ", {"MOONSHOT_API_KEY": KEY}))
        file = directory / "registry.sqlite"
        models = [
            model_of(
                server, api_key=KEY, registry=registry, callbacks=[tracer], **options
            )
            for registry in (f"sqlite:///{file}", redis_url)
            for options in ({}, {"cache_reference": "headers"})
        ]
        answers = [_use(llm) for llm in models]
        out |= _shown(models[0]) | _written(models[0]) | _bad_options(server)
        shown = _shown(models[-1])
        out |= {f"{sink}, of Redis": text for sink, text in shown.items()}
        out["dumps, of Redis"] = dumps(models[-1])
        out["answers"] = str([a.response_metadata for many in answers for a in many])
        out["sqlite"] = "".join(
            path.read_bytes().decode("latin-1") for path in directory.iterdir()
        )
        out["redis"] = _all_of(redis_url)
        requests = [r for r in server.requests() if r.method == "POST"]
        out["sent metadata"] = str([(r.body or {}).get("metadata") for r in requests])
        out["sent headers"] = str([r.headers for r in requests])
        out |= _raised(server, models[0])
        for llm in models:
            with suppress(MoonshotCacheError):
                llm.release()
            llm._caching.shared.registry.close()
        asyncio.run(_alone(server), debug=True)
    out["tracer"] = str(tracer.told)
    out["tracer of failures"] = str(tracer.told_of_failures)
    out["warnings"] = "warnings: " + str([str(w.message) for w in warned])
    out["server's output"] = "".join(printed)
    for name in ("langchain_moonshot_cache", "httpx", "httpcore", "asyncio", "openai"):
        out[f"log of {name}"] = "\n".join(
            line for logger, line in log.lines if logger.startswith(name)
        )
    return out


def _use(llm: ChatMoonshotCached) -> list[Any]:
    """Create, hit, stream, be refused, be without."""
    bound = llm.bind_tools([TOOL])
    answers = [bound.invoke(MESSAGES) for _ in range(2)]
    first, *rest = llm.stream(MESSAGES)
    for chunk in rest:
        first += chunk
    with ContextCacheManager(
        MoonshotCachingClient(api_key=KEY, base_url=llm.api_base), registry="memory://"
    ) as caches:
        for cache in caches.client.list():
            caches.client.delete(cache.id)
    return [*answers, first, llm.invoke(MESSAGES), llm.invoke(MESSAGES)]


async def _alone(server: MoonshotServer) -> None:
    """Use a model on an event loop that tells all that it knows."""
    asyncio.get_running_loop().slow_callback_duration = 0.0
    llm = model_of(server, api_key=KEY)
    await llm.ainvoke(MESSAGES)
    await llm.arelease()


def _shown(llm: ChatMoonshotCached) -> dict[str, str]:
    caching = llm._caching
    manager, client = caching.sync, caching.sync.client
    prefix = manager.prefix(model=MODEL, messages=WIRE, tools=[TOOL])
    outcome = manager.ensure(prefix)
    told = llm.explain(MESSAGES, tools=[TOOL], against=MESSAGES[1:])
    objects = [llm, manager, client, caching.aio, caching.shared, llm.ledger]
    objects += [told, told.request, told.drift, caching.recall]
    objects += [outcome, prefix, next(iter(caching.shared.registry.entries()))]
    private = llm.__pydantic_private__
    return {
        "repr": " ".join(map(repr, objects)),
        "str": " ".join(map(str, objects)),
        "vars": " ".join(repr(vars(o)) for o in objects if hasattr(o, "__dict__")),
        "private": repr(private),
        "reason": f"{outcome} {caching.unnamed('kimi-k3')}",
    }


def _written(llm: ChatMoonshotCached) -> dict[str, str]:
    return {
        "pickle": pickle.dumps(llm).decode("latin-1"),
        "copy": repr((copy.copy(llm), vars(copy.copy(llm)))),
        "deepcopy": repr((copy.deepcopy(llm), vars(copy.deepcopy(llm)))),
        "model_dump": repr(llm.model_dump()),
        "model_dump_json": llm.model_dump_json(exclude={"client", "async_client"}),
        "dumps": dumps(llm) + dumps(llm.bind_tools([])),
        "identity": f"{llm._identifying_params} {llm._get_ls_params()}",
    }


def _bad_options(server: MoonshotServer) -> dict[str, str]:
    said = []
    wrong: list[dict[str, Any]] = [
        {"temperature": "warm"},
        {"model": None},
        {"n": "x"},
        {"top_p": {}},
    ]
    for option in wrong:
        try:
            model_of(server, api_key=KEY, **option)
        except ValidationError as error:
            said.append(f"{error} {error!r} {error.errors()} {error.json()}")
        except MoonshotCacheError as error:
            said.append(f"{error!r} {vars(error)}")
    return {"validation": " ".join(said)}


def _raised(server: MoonshotServer, llm: ChatMoonshotCached) -> dict[str, str]:
    """Make the server fail in every way; at first it quotes what it was asked."""
    quote = {"error": {"type": "bad_request", "message": f"no: {KEY} {PROMPT}"}}
    statuses = (400, 401, 402, 403, 404, 408, 429, 500, 503)
    quoting = [
        error
        for status in statuses
        for error in _failures(server, llm, kind="status", status=status, body=quote)
    ]
    silent = [
        error
        for kind in ("cut", "malformed", "html", "reply_lost", "status")
        for error in _failures(server, llm, kind=kind, status=500)
    ]
    ours = [e for e in (*quoting, *silent) if isinstance(e, MoonshotCacheError)]
    chats = [e for e in (*quoting, *silent) if e not in ours]
    return {
        "errors": " ".join(f"{e} {e!r} {vars(e)}" for e in ours),
        "pickled errors": " ".join(pickle.dumps(e).decode("latin-1") for e in ours),
        "errors of chats": " ".join(f"{e} {e!r} {vars(e)}" for e in chats),
        "tracebacks": "".join("".join(traceback.format_exception(e)) for e in ours),
        "locals of ours": "".join(_with_locals(e, ours=True) for e in quoting),
        "locals of all": "".join(_with_locals(e, ours=False) for e in silent),
    }


def _failures(
    server: MoonshotServer, llm: ChatMoonshotCached, **fault: Any
) -> list[Exception]:
    """Have a client, a manager and a chat fail."""
    client = MoonshotCachingClient(api_key=KEY, base_url=server.base_url, max_retries=0)
    uncached = model_of(server, api_key=KEY, caching="off", callbacks=llm.callbacks)
    errors: list[Exception] = []
    server.fail(**fault)
    for call in (
        lambda: client.create(model=MODEL, messages=WIRE, tools=[TOOL]),
        llm.release,
        lambda: uncached.invoke(MESSAGES),
    ):
        try:
            call()
        except (MoonshotCacheError, openai.APIError) as error:
            errors.append(error)
    server.clear()
    client.close()
    return errors


def _with_locals(error: Exception, *, ours: bool) -> str:
    """Show the locals of this package's frames, or of all but those of the tests."""
    told = traceback.TracebackException.from_exception(error, capture_locals=True)
    link: traceback.TracebackException | None = told
    while link is not None:
        link.stack[:] = [
            frame
            for frame in link.stack
            if (PACKAGE in frame.filename if ours else frame.filename != __file__)
        ]
        link = link.__cause__ or link.__context__
    return "".join(told.format())


def _all_of(redis_url: str) -> str:
    from redis import Redis as Client  # noqa: PLC0415 - an extra

    with Client.from_url(redis_url) as client:
        dumped = [(key, client.dump(key)) for key in client.scan_iter()]
    return str(dumped)
