"""What LangChain and LangSmith are told about a model, and what they are not."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from chat_kit import KEY
from kimi_kit import LONG, QUESTION
from langchain_core.language_models import ModelProfile
from langchain_core.load import dumpd, dumps
from langchain_core.tracers.run_collector import RunCollectorCallbackHandler

import langchain_moonshot_cache
from langchain_moonshot_cache import ChatMoonshotCached
from langchain_moonshot_cache.chat_models.capabilities import Capabilities, capabilities

if TYPE_CHECKING:
    from kimi_kit import Make, Talk

DATA = Path(langchain_moonshot_cache.__file__).parent / "data"
PRICES = json.loads((DATA / "prices.json").read_text("utf-8"))
PRICED = sorted(
    {row["model"] for kind in ("automatic", "named_chat") for row in PRICES[kind]}
)


def model(name: str, **options: Any) -> ChatMoonshotCached:
    return ChatMoonshotCached(model=name, api_key=KEY, registry="memory://", **options)


@pytest.mark.parametrize("name", [*PRICED, *PRICES["retired"]])
def test_every_model_with_a_price_or_an_end_has_a_profile(name: str) -> None:
    profile = model(name).profile
    assert profile
    assert profile.keys() <= ModelProfile.__annotations__.keys()
    assert profile["tool_calling"]
    assert profile["reasoning_output"] == (not name.startswith("moonshot-v1"))
    assert profile["structured_output"] == name.startswith("kimi")


@pytest.mark.parametrize("name", PRICED)
def test_no_two_models_with_a_price_share_a_name(name: str) -> None:
    names = [capabilities(other).name for other in PRICED]
    assert names.count(capabilities(name).name) == 1


@pytest.mark.parametrize("name", PRICED)
def test_tiers_are_known_of_the_models_whose_writes_have_a_price(name: str) -> None:
    rows = [row for row in PRICES["automatic"] if row["model"] == name]
    billed = any(row["cache_write_1h"] is not None for row in rows)
    assert capabilities(name).cache_tiers == billed


def test_of_an_unknown_model_nothing_is_assumed() -> None:
    assert model("somebody-elses").profile is None
    assert capabilities("somebody-elses") == Capabilities(name="somebody-elses")
    assert {field.name for field in fields(Capabilities)} >= {"thinking", "images"}


def test_the_key_is_the_one_secret() -> None:
    llm = model("kimi-k3")
    assert llm.lc_secrets == {"openai_api_key": "MOONSHOT_API_KEY"}
    written = dumpd(llm)["kwargs"]["openai_api_key"]
    assert written == {"lc": 1, "type": "secret", "id": ["MOONSHOT_API_KEY"]}


def test_tracing_parameters_name_the_vendor_and_the_model_of_the_call() -> None:
    llm = model("kimi-k3", max_tokens=50)
    params = llm._get_ls_params()
    assert params["ls_provider"] == "moonshot"
    assert params["ls_model_name"] == "kimi-k3"
    assert params["ls_model_type"] == "chat"
    assert params["ls_max_tokens"] == 50
    assert "ls_temperature" not in params or params["ls_temperature"] is None
    called = llm._get_ls_params(model="kimi-k2.6", stop=["x"], temperature=0.6)
    assert called["ls_model_name"] == "kimi-k2.6"
    assert (called["ls_stop"], called["ls_temperature"]) == (["x"], 0.6)


async def test_a_trace_names_the_vendor_and_holds_no_key(
    talk: Talk, make: Make
) -> None:
    collector = RunCollectorCallbackHandler()
    llm = make(default_headers={"X-Mine": "yes"})
    await talk(
        llm, [LONG, QUESTION], config={"callbacks": [collector]}, model="kimi-k2.6"
    )
    (run,) = collector.traced_runs
    assert run.extra is not None
    metadata = run.extra["metadata"]
    assert metadata["ls_provider"] == "moonshot"
    assert metadata["ls_model_name"] == "kimi-k2.6"
    assert metadata["lc_versions"]["langchain-moonshot-cache"]
    assert KEY not in repr(run) + str(run.extra) + str(run.serialized)


def test_nothing_that_identifies_a_model_holds_its_key() -> None:
    llm = model("kimi-k3")
    shown = f"{llm._identifying_params} {llm._default_params} {llm!r} {dumps(llm)}"
    assert KEY not in shown
    assert KEY not in f"{llm._get_llm_string()} {llm.lc_attributes}"
    assert llm._identifying_params["model_name"] == "kimi-k3"
    assert llm._llm_type == "moonshot-chat-cached"


async def test_an_answer_names_its_provider_and_its_model(
    talk: Talk, make: Make
) -> None:
    answer = await talk(make(), [LONG, QUESTION])
    assert answer.response_metadata["model_provider"] == "moonshot"
    assert answer.response_metadata["model_name"] == "kimi-k3"
