"""Calls told to others, in the terms that these know."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from chat_kit import QUESTION, SYSTEM, model_of
from langsmith.run_trees import validate_extracted_usage_metadata
from ledger_kit import UNREPORTED, USAGE, entry, record

from langchain_moonshot_cache import Ledger
from langchain_moonshot_cache.economics import Bill, Usage
from langchain_moonshot_cache.ledger import langsmith_usage
from langchain_moonshot_cache.ledger.otel import Telemetry, attributes

if TYPE_CHECKING:
    from langchain_moonshot_cache.ledger import CallEntry
    from langchain_moonshot_cache.testing import MoonshotServer

DOLLARS = Bill(
    currency="USD",
    input=Decimal("0.25"),
    cache_read=Decimal("0.5"),
    output=Decimal(1),
    uncached=Decimal(3),
)


def test_langsmith_is_told_tokens_and_dollars() -> None:
    told: Any = langsmith_usage(entry(currency="USD", bill=DOLLARS))
    assert validate_extracted_usage_metadata(told) == {
        "input_tokens": 100,
        "output_tokens": 10,
        "total_tokens": 110,
        "input_token_details": {"cache_read": 60, "cache_creation": 0},
        "input_cost": 0.75,
        "output_cost": 1.0,
        "total_cost": 1.75,
        "input_cost_details": {"cache_read": 0.5, "cache_creation": 0.0},
    }


def test_langsmith_is_told_no_yuan_for_dollars_and_nothing_unknown() -> None:
    assert not any("cost" in key for key in langsmith_usage(entry()))
    assert langsmith_usage(entry(usage=UNREPORTED, bill=None)) == {
        "input_tokens": 100,
        "output_tokens": 10,
        "total_tokens": 110,
    }
    nothing = Usage(prompt=None, output=None, cached=None, written=None)
    assert langsmith_usage(entry(usage=nothing, bill=None)) == {}


def test_attributes_have_the_names_of_the_conventions() -> None:
    conventions = pytest.importorskip(
        "opentelemetry.semconv._incubating.attributes.gen_ai_attributes"
    )
    known = {value for name, value in vars(conventions).items() if "GEN_AI" in name}
    told = attributes(entry())
    assert {name for name in told if name.startswith("gen_ai.")} <= known
    assert told[conventions.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS] == 60
    assert told[conventions.GEN_AI_REQUEST_MODEL] == "m"
    assert (told["moonshot_cache.outcome"], told["moonshot_cache.cost"]) == ("hit", 0.1)
    unknown = attributes(entry(usage=UNREPORTED, bill=None))
    assert conventions.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS not in unknown
    assert "moonshot_cache.cost" not in unknown


def test_telemetry_adds_to_the_current_span_and_to_metrics(
    moonshot_server: MoonshotServer,
) -> None:
    metrics = pytest.importorskip("opentelemetry.sdk.metrics")
    export: Any = pytest.importorskip("opentelemetry.sdk.metrics.export")
    tracing = pytest.importorskip("opentelemetry.sdk.trace")
    reader = export.InMemoryMetricReader()
    provider = metrics.MeterProvider(metric_readers=[reader])
    llm = model_of(moonshot_server, caching="off")
    llm.ledger.watch(Telemetry(meter_provider=provider))
    tracer = tracing.TracerProvider().get_tracer("test")
    with tracer.start_as_current_span("call") as span:
        llm.invoke([SYSTEM, QUESTION])
    total = llm.ledger.total()
    assert span.attributes["gen_ai.usage.input_tokens"] == total.prompt
    assert span.attributes["moonshot_cache.cost"] == float(total.cost)
    (resource,) = reader.get_metrics_data().resource_metrics
    (scope,) = resource.scope_metrics
    found = {metric.name: metric.data.data_points for metric in scope.metrics}
    tokens = {
        point.attributes["gen_ai.token.type"]: point.sum
        for point in found["gen_ai.client.token.usage"]
    }
    assert tokens == {"input": total.prompt, "output": total.output}
    (cost,) = found["moonshot_cache.cost"]
    assert cost.value == float(total.cost)
    provider.shutdown()


def test_an_observer_that_fails_is_logged_and_disturbs_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    seen: list[CallEntry] = []

    def fail(_: CallEntry) -> None:
        raise RuntimeError("no room")

    ledger = Ledger()
    ledger.watch(fail)
    ledger.watch(seen.append)
    record(ledger)
    assert [each.usage for each in seen] == [USAGE]
    assert ledger.total().calls == 1
    assert "an observer of the ledger failed" in caplog.text
