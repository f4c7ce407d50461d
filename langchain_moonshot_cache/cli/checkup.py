"""All checks of ``doctor``, in order: what needs no endpoint first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from langchain_moonshot_cache.cli.account import read_key, read_prices
from langchain_moonshot_cache.cli.checks import (
    Check,
    Verdict,
    check_installation,
    check_key_file,
    check_prices,
    check_registry,
)
from langchain_moonshot_cache.cli.printing import amount
from langchain_moonshot_cache.economics import currency_of
from langchain_moonshot_cache.errors import (
    ConfigurationError,
    EndpointRetiredError,
    MoonshotCacheError,
    NotFoundError,
)
from langchain_moonshot_cache.protocol import MoonshotCachingClient, other_region

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["checkup"]

_SKEW = 10.0
"""Seconds that clocks may differ before it is worth a word: caches are not used in
their last ten, so that as much has been allowed for."""

_TIMEOUT = 15.0
"""Seconds for each request, of which there is one attempt: somebody is looking on, and
trouble is better told than tried again."""


def checkup(
    *,
    base_url: str | None,
    key_file: Path | None,
    registry: str | None,
    prices: Path | None = None,
) -> Iterator[Check]:
    """Go through the checks, each of them as its result is asked for.

    Args:
        base_url: Root of the API; None for the environment's, else Moonshot's.
        key_file: File with the key; None for the environment's key.
        registry: URL of the registry; None for the environment's, else the default.
        prices: File with prices; None for those that come with the package.
    """
    yield check_installation()
    yield check_prices(prices)
    yield check_registry(registry)
    if key_file is not None:
        yield check_key_file(key_file)
    try:
        with MoonshotCachingClient(
            api_key=None if key_file is None else read_key(key_file),
            base_url=base_url,
            timeout=_TIMEOUT,
            max_retries=0,
        ) as client:
            yield from _about_endpoint(client, currency=_currency(client, prices))
    except ConfigurationError as error:
        yield Check("key and endpoint", Verdict.FAIL, error.message)


def _currency(client: MoonshotCachingClient, prices: Path | None) -> str:
    """Tell what the account is billed in, by the prices if they can be read."""
    try:
        return read_prices(prices).currency(client.base_url)
    except ConfigurationError:
        return currency_of(client.base_url)


def _about_endpoint(client: MoonshotCachingClient, *, currency: str) -> Iterator[Check]:
    answer = _check_key(client)
    yield answer
    if answer.verdict is Verdict.FAIL:
        for name in ("balance", "caching", "clock"):
            yield Check(name, Verdict.SKIPPED, "the endpoint does not let us in")
        return
    yield _check_balance(client, currency=currency)
    yield _check_caching(client)
    yield _check_clock(client)


def _check_key(client: MoonshotCachingClient) -> Check:
    name, place = "key and endpoint", client.base_url
    try:
        models = client.models()
    except (NotFoundError, EndpointRetiredError):
        step = "check that the base URL is an API root; it usually ends in /v1"
        finding = f"{place} answers, and lists no models"
        return Check(name, Verdict.WARN, finding, step)
    except MoonshotCacheError as error:
        return Check(name, Verdict.FAIL, error.message)
    return Check(
        name, Verdict.OK, f"{_region(place)}; the key may use {len(models)} models"
    )


def _region(base_url: str) -> str:
    if other_region(base_url) is None:
        return f"{base_url} is none of Moonshot's own"
    region = "China" if currency_of(base_url) == "CNY" else "international"
    return f"{base_url} ({region}, bills in {currency_of(base_url)})"


def _check_balance(client: MoonshotCachingClient, *, currency: str) -> Check:
    try:
        left = client.balance()
    except MoonshotCacheError as error:
        said = type(error).__name__
        return Check("balance", Verdict.SKIPPED, f"not told by the endpoint ({said})")
    finding = f"{amount(left)} {currency} left"
    if left > 0:
        return Check("balance", Verdict.OK, finding)
    step = "recharge the account: without money its calls are refused"
    return Check("balance", Verdict.FAIL, finding, step)


def _check_caching(client: MoonshotCachingClient) -> Check:
    try:
        next(client.list(limit=1), None)
    except EndpointRetiredError:
        return Check(
            "caching",
            Verdict.OK,
            "automatic: the endpoint does not offer /v1/caching",
            "nothing to create: keep the beginning of prompts the same; with "
            "caching='named' calls would go uncached",
        )
    except MoonshotCacheError as error:
        return Check("caching", Verdict.FAIL, error.message)
    return Check(
        "caching",
        Verdict.OK,
        "named: the endpoint offers /v1/caching, which moonshot-v1 models use; others "
        "are cached automatically",
    )


def _check_clock(client: MoonshotCachingClient) -> Check:
    offset = client.server_time_offset
    if offset is None:
        return Check(
            "clock",
            Verdict.WARN,
            "the endpoint does not tell its time",
            "see that this computer's clock is right: ends of caches are judged by it",
        )
    if abs(offset) <= _SKEW:
        return Check("clock", Verdict.OK, "agrees with the endpoint's")
    way = "behind" if offset > 0 else "ahead of"
    return Check(
        "clock",
        Verdict.WARN,
        f"this computer's is {abs(offset):.0f} s {way} the endpoint's",
        "have it set by NTP; the ends of caches are corrected for it meanwhile",
    )
