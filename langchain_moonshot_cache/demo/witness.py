"""What the stand-in saw and charged, read from its control routes."""

from __future__ import annotations

import json
from dataclasses import fields
from decimal import Decimal
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from langchain_moonshot_cache.demo.figures import Bill, Call

if TYPE_CHECKING:
    from langchain_core.messages import AIMessage

__all__ = ["Witness"]

_OK = 200
_PATIENCE = 30.0  # seconds for a request that takes milliseconds


class Witness:
    """Tells of one account what the server recorded.

    Args:
        url: The stand-in's address, without the API's path.
        api_key: The account's key.
    """

    def __init__(self, url: str, *, api_key: str) -> None:
        self._address = urlsplit(url)
        self._api_key = api_key

    def bytes_received(self) -> int:
        """Return the bytes of all request bodies since the last look."""
        arrived = self._ask("GET", "requests")["data"]
        self._ask("DELETE", "requests")
        return sum(request["body_bytes"] for request in arrived)

    def call(self, answer: AIMessage) -> Call:
        """Put together what the answer and the log say about the latest call."""
        told = answer.response_metadata["moonshot_cache"]
        usage = answer.usage_metadata
        return Call(
            outcome=told["outcome"],
            prompt_tokens=usage["input_tokens"] if usage else 0,
            cached_tokens=told["tokens_cached"] or 0,
            bytes_sent=self.bytes_received(),
            cost=Decimal(told["cost"]),
            cost_uncached=Decimal(told["cost_uncached"]),
        )

    def bill(self) -> Bill:
        """Return what the account owes by now."""
        bill = self._ask("GET", "bill")
        totals = {name: Decimal(amount) for name, amount in bill["totals"].items()}
        # Automatic caching has lines of its own, and no part in this demo.
        parts = [part.name for part in fields(Bill) if part.name in totals]
        return Bill(currency=bill["currency"], **{name: totals[name] for name in parts})

    def caches(self) -> tuple[int, int]:
        """Return how many caches the account ever made, and how many it still has."""
        account = self._ask("GET", "bill")["account"]
        known = self._ask("GET", "caches")
        left = sum(cache["account"] == account for cache in known["data"])
        return known["creates"].get(account, 0), left

    def _ask(self, method: str, name: str) -> Any:
        connection = HTTPConnection(
            self._address.hostname or "", self._address.port, timeout=_PATIENCE
        )
        try:
            headers = {"Authorization": f"Bearer {self._api_key}"}
            connection.request(method, f"/_stand_in/{name}", headers=headers)
            reply = connection.getresponse()
            content = reply.read()
        finally:
            connection.close()
        if reply.status != _OK:
            raise RuntimeError(f"/_stand_in/{name} answered {reply.status}")
        return json.loads(content)
