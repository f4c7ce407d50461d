"""A model written down, copied and shown gives neither key nor prompt away."""

from __future__ import annotations

import gc
import inspect
import logging
import traceback
import warnings
from typing import TYPE_CHECKING, Any

import openai
import pytest
from chat_kit import CHAT, KEY, QUESTION, SYSTEM, height, model_of, told
from langchain_core._api import LangChainBetaWarning
from langchain_core.load import dumps, loads
from langchain_core.runnables import ConfigurableField

from langchain_moonshot_cache import ChatMoonshotCached, MoonshotCacheError

if TYPE_CHECKING:
    from collections.abc import Callable

    from colour_kit import Face

    from langchain_moonshot_cache.testing import MoonshotServer

    Make = Callable[..., ChatMoonshotCached]


def test_the_written_form_has_the_options_and_not_the_key(
    server: MoonshotServer,
) -> None:
    options = {
        "cache_ttl": 300,
        "cache_wait": 2.5,
        "cache_reference": "headers",
        "caching": "named",
        "temperature": 0.3,
    }
    written = dumps(model_of(server, **options))
    assert KEY not in written
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LangChainBetaWarning)
        read: ChatMoonshotCached = loads(
            written,
            allowed_objects=[ChatMoonshotCached],
            valid_namespaces=["langchain_moonshot_cache"],
            secrets_map={"MOONSHOT_API_KEY": KEY},
        )
    for name, value in options.items():
        assert getattr(read, name) == value
    assert dumps(read) == written
    assert not read._keeps_headers()


def test_the_written_form_does_not_change_with_use(make: Make) -> None:
    # LangChain's response cache keys on it.
    llm = make()
    before = llm._get_llm_string()
    llm.invoke([SYSTEM, QUESTION])
    assert llm._get_llm_string() == before
    assert KEY not in before


async def test_nothing_that_shows_a_model_shows_its_key_or_a_prompt(
    face: Face, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    llm = make()
    with caplog.at_level(logging.DEBUG, "langchain_moonshot_cache"):
        await face.invoke(llm.bind_tools([height]), [SYSTEM, QUESTION])
        await face.release(llm)
    shown = [
        repr(llm),
        str(llm),
        llm.model_dump_json(exclude={"client", "async_client"}),
        repr(llm._caching.shared),
        repr(llm._caching.sync.client),
        str(llm._identifying_params),
        str(llm._get_ls_params()),
        "".join(
            record.getMessage()
            for record in caplog.records
            if record.name.startswith("langchain_moonshot_cache")
        ),
    ]
    for text in shown:
        assert KEY not in text
        assert str(SYSTEM.content) not in text


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 401},
        {"kind": "status", "status": 400, "body": {"error": {"message": KEY}}},
        {"kind": "status", "status": 500, "body": f"<p>{KEY}</p>"},
        {"kind": "html", "status": 502},
        {"kind": "malformed"},
        {"kind": "cut"},
    ],
)
async def test_no_error_text_holds_the_key(
    face: Face, style: str, server: MoonshotServer, make: Make, fault: Any
) -> None:
    if style == "stream" and fault["kind"] == "malformed":
        return  # a stream that ends early, but properly, is no error to the SDK
    server.fail(path=CHAT, **fault)
    with pytest.raises((openai.APIError, MoonshotCacheError)) as caught:
        await face.answer(make(caching="off"), [SYSTEM, QUESTION], style=style)
    assert KEY not in str(caught.value)
    assert KEY not in repr(caught.value)
    assert KEY not in traceback.format_exception_only(caught.value)[-1]


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": "warm"},
        {"model": None},
        {"registry": 5},
        {"cache_ttl": 3},
        {"caching": "sometimes"},
        {"base_url": "nowhere"},
    ],
)
def test_no_error_of_the_constructor_holds_the_key(
    server: MoonshotServer, options: dict[str, Any]
) -> None:
    with pytest.raises(Exception, match=r".") as caught:
        model_of(server, **options)
    assert KEY not in str(caught.value)


def test_a_line_break_after_the_key_is_not_part_of_it(
    server: MoonshotServer, make: Make
) -> None:
    answers = [
        make(api_key=key).invoke([SYSTEM, QUESTION]) for key in (KEY + "\n", KEY)
    ]
    assert len({cache["account"] for cache in server.caches()}) == 1
    assert [told(answer)["outcome"] for answer in answers] == ["write", "write"]


def test_a_key_may_come_from_a_function(server: MoonshotServer, make: Make) -> None:
    answer = make(api_key=lambda: KEY).invoke([SYSTEM, QUESTION])
    assert told(answer)["outcome"] == "write"
    assert len(server.chats()) == 1


async def test_a_key_from_an_asynchronous_function_serves_without_named_caching(
    server: MoonshotServer, make: Make
) -> None:
    async def key() -> str:
        return KEY

    answer = await make(api_key=key, caching="off").ainvoke([SYSTEM, QUESTION])
    assert told(answer)["outcome"] == "bypassed"
    with pytest.raises(MoonshotCacheError, match="caching='prefix' or 'off'"):
        make(api_key=key)
    assert len(server.chats()) == 1


def test_an_option_changed_by_configuration_reaches_the_call(
    server: MoonshotServer, make: Make
) -> None:
    llm = make().configurable_fields(temperature=ConfigurableField(id="warmth"))
    llm.with_config(configurable={"warmth": 0.25}).invoke([SYSTEM, QUESTION])
    assert server.requests(path=CHAT)[0].body["temperature"] == 0.25


def test_sync_and_async_methods_are_pairs_with_the_same_arguments() -> None:
    for name in ("warm", "release", "_generate", "_stream"):
        twin = f"_a{name[1:]}" if name.startswith("_") else f"a{name}"
        ours = inspect.signature(getattr(ChatMoonshotCached, name)).parameters
        theirs = inspect.signature(getattr(ChatMoonshotCached, twin)).parameters
        assert list(ours) == list(theirs)
        for argument in ours:
            if argument != "run_manager":
                assert ours[argument] == theirs[argument], (name, argument)


def test_a_dropped_model_leaves_no_connection_open(make: Make) -> None:
    llm = make()
    llm.invoke([SYSTEM, QUESTION])
    transport = llm._caching.sync.client._transport
    assert not transport._closed
    del llm
    gc.collect()
    assert transport._closed
