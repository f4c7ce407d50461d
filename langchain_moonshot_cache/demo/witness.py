"""What the stand-in saw and charged, read from its control routes."""

from __future__ import annotations

from dataclasses import fields
from decimal import Decimal
from typing import TYPE_CHECKING

from langchain_moonshot_cache.demo.figures import Bill, Call
from langchain_moonshot_cache.server.handle import MoonshotServer

if TYPE_CHECKING:
    from langchain_core.messages import AIMessage

__all__ = ["Witness"]


class Witness:
    """Tells of one account what the server recorded.

    Args:
        url: The stand-in's address, without the API's path.
        api_key: The account's key.
    """

    def __init__(self, url: str, *, api_key: str) -> None:
        self._server = MoonshotServer(url, api_key=api_key)

    def bytes_received(self) -> int:
        """Return the bytes of all request bodies since the last look."""
        arrived = self._server.requests()
        self._server.control("DELETE", "requests")
        return sum(request.body_bytes for request in arrived)

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
        bill = self._server.bill()
        # Automatic caching has lines of its own, and no part in this demo.
        parts = [part.name for part in fields(Bill) if part.name in bill.totals]
        return Bill(currency=bill.currency, **{p: bill.totals[p] for p in parts})

    def caches(self) -> tuple[int, int]:
        """Return how many caches the account ever made, and how many it still has."""
        account = self._server.control("GET", "bill")["account"]
        known = self._server.control("GET", "caches")
        left = sum(cache["account"] == account for cache in known["data"])
        return known["creates"].get(account, 0), left
