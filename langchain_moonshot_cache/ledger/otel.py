"""What a ledger is told, for OpenTelemetry. Recording needs the extra ``otel``.

Names are those of OpenTelemetry's conventions for generative AI, as far as they have
any; what is about caching and money begins with ``moonshot_cache.``::

    ledger.watch(Telemetry())

The application decides where that goes: without a provider of its own nothing is
recorded, and nothing is sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from langchain_moonshot_cache._version import __version__
from langchain_moonshot_cache.errors import ConfigurationError

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider

    from langchain_moonshot_cache.ledger.entries import CallEntry

__all__ = ["Telemetry", "attributes"]

_OPERATION = "gen_ai.operation.name"
_PROVIDER = "gen_ai.provider.name"
_MODEL = "gen_ai.request.model"
_INPUT = "gen_ai.usage.input_tokens"
_OUTPUT = "gen_ai.usage.output_tokens"
_READ = "gen_ai.usage.cache_read.input_tokens"
_WRITTEN = "gen_ai.usage.cache_creation.input_tokens"
_TOKEN_TYPE = "gen_ai.token.type"  # noqa: S105 - the name of an attribute
_TOKENS = "gen_ai.client.token.usage"
_COST = "moonshot_cache.cost"
_OURS = "moonshot_cache"

_SIZES = [4**power for power in range(14)]
"""The bounds that the conventions recommend for a histogram of tokens."""


def attributes(entry: CallEntry) -> dict[str, str | int | float]:
    """Describe a call as attributes of a span; what was not reported has none.

    Args:
        entry: The call, as an observer of a ledger is given it.
    """
    usage, bill = entry.usage, entry.bill
    reported = {
        _INPUT: usage.prompt,
        _OUTPUT: usage.output,
        _READ: usage.cached,
        _WRITTEN: usage.written,
    }
    found: dict[str, str | int | float] = {
        **_common(entry),
        f"{_OURS}.mechanism": entry.mechanism,
        f"{_OURS}.outcome": entry.outcome,
    }
    found |= {name: count for name, count in reported.items() if count is not None}
    if bill is not None:
        found[_COST] = float(bill.total)
        found[f"{_OURS}.cost_uncached"] = float(bill.uncached)
        found[f"{_OURS}.currency"] = bill.currency
    return found


class Telemetry:
    """An observer for ``Ledger.watch``: attributes on the current span, and metrics.

    The metrics are ``gen_ai.client.token.usage``, a histogram, and
    ``moonshot_cache.cost``, a counter of the known costs by currency.

    Args:
        meter_provider: Where metrics go; None for the application's own.

    Raises:
        ConfigurationError: OpenTelemetry is not installed.
    """

    def __init__(self, *, meter_provider: MeterProvider | None = None) -> None:
        try:
            from opentelemetry import metrics, trace  # noqa: PLC0415 - an extra
        except ImportError:
            raise ConfigurationError(
                "telemetry needs OpenTelemetry: "
                "pip install 'langchain-moonshot-cache[otel]'"
            ) from None
        meter = metrics.get_meter(
            "langchain_moonshot_cache", __version__, meter_provider=meter_provider
        )
        self._span: Any = trace.get_current_span
        self._tokens = meter.create_histogram(
            _TOKENS,
            unit="{token}",
            description="Number of input and output tokens used.",
            explicit_bucket_boundaries_advisory=_SIZES,
        )
        self._cost = meter.create_counter(
            _COST, unit="{currency}", description="What calls cost, as far as known."
        )

    def __call__(self, entry: CallEntry) -> None:
        """Record one call."""
        span = self._span()
        if span.is_recording():
            span.set_attributes(attributes(entry))
        common = _common(entry)
        counts = {"input": entry.usage.prompt, "output": entry.usage.output}
        for kind, count in counts.items():
            if count is not None:
                self._tokens.record(count, {**common, _TOKEN_TYPE: kind})
        if entry.bill is not None:
            currency = {f"{_OURS}.currency": entry.bill.currency}
            self._cost.add(float(entry.bill.total), {**common, **currency})


def _common(entry: CallEntry) -> dict[str, str]:
    return {_OPERATION: "chat", _PROVIDER: "moonshot", _MODEL: entry.model}
