"""The server's own bill: its own arithmetic, in decimals, from the price list.

It shares no line with any client's arithmetic, so that the one can catch the other.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from .kimi_rules import PREFIX_FEE, UNPRICED
from .marks import implements
from .models import AUTO, PRICE_LIST, the_day
from .rules import AUTO_SIZE, BALANCE, CALL_FEE, CREATION_FEE, PRICE_DAY, STORAGE_FEE

if TYPE_CHECKING:
    from .clock import Clock
    from .prefixes import Tier
    from .settings import Settings
    from .store import Store

__all__ = ["Billing", "Usage", "plain", "started_minutes"]

Statement = tuple[str, tuple[Any, ...]]

MILLION = Decimal(1_000_000)
SECONDS_A_MINUTE = 60
CREDIT = Decimal(1000)  # what a balance starts with; any figure would do
# Context sizes that moonshot-v1-auto chooses from, smallest first.
SIZES = ((8192, "moonshot-v1-8k"), (32768, "moonshot-v1-32k"))
LARGEST = "moonshot-v1-128k"


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call.

    Attributes:
        prompt: All input tokens, cached ones included.
        cached: Those of them that came from a cache.
        completion: Output tokens.
        written: Input tokens that were written to the prefix cache, none of them
            cached; None for a model that bills no writes.
        tier: The life at which they were written.
    """

    prompt: int
    cached: int
    completion: int
    written: int | None = None
    tier: Tier | None = None


def plain(amount: Decimal) -> str:
    """Return an amount as a decimal string, without exponent or trailing zeros."""
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


@implements(STORAGE_FEE)
def started_minutes(seconds: int) -> int:
    """Return how many minutes a life of some seconds counts; at least one."""
    return max(1, -(-seconds // SECONDS_A_MINUTE))


def _per_million(tokens: int, price: str | None) -> Decimal:
    return tokens * Decimal(price or 0) / MILLION


@implements(PREFIX_FEE)
def _input_parts(usage: Usage, prices: dict[str, Any]) -> dict[str, Decimal]:
    """Return what each kind of input costs: read, written, and all the rest.

    What a named cache holds costs nothing when it is read: its storage is paid for.
    """
    written = usage.written or 0
    rest = usage.prompt - usage.cached - written
    write_price = prices.get(f"cache_write_{usage.tier}")
    return {
        "cache_read": _per_million(usage.cached, prices.get("cache_read")),
        "cache_write": _per_million(written, write_price),
        "input": _per_million(rest, prices["input"]),
    }


class Billing:
    """Writes charges and adds them up."""

    def __init__(self, *, store: Store, clock: Clock, settings: Settings) -> None:
        self._store = store
        self._clock = clock
        self._currency = settings.currency
        self._price_date = settings.price_date

    @implements(PRICE_DAY)
    def _cache_prices(self, family: str) -> dict[str, Any]:
        chosen = self._price_date
        day = chosen.isoformat() if chosen else the_day(self._clock.now())
        lists: list[dict[str, Any]] = [
            entry
            for entry in PRICE_LIST["named"]
            if (entry["family"], entry["currency"]) == (family, self._currency)
        ]
        lists.sort(key=lambda entry: str(entry["from"]))
        return next((e for e in reversed(lists) if e["from"] <= day), lists[0])

    @implements(AUTO_SIZE)
    def _chat_prices(self, model: str, *, tokens: int) -> dict[str, Any] | None:
        if model == AUTO:
            model = next((name for size, name in SIZES if tokens <= size), LARGEST)
        for entry in (*PRICE_LIST["named_chat"], *PRICE_LIST["automatic"]):
            if (entry["model"], entry["currency"]) == (model, self._currency):
                found: dict[str, Any] = entry
                return found
        return None

    @implements(CREATION_FEE)
    def creation(
        self, account: str, *, cache_id: str, family: str, tokens: int
    ) -> Statement:
        """Return the statement that charges a cache's creation."""
        prices = self._cache_prices(family)
        return self._charge(
            account,
            "creation",
            cache_id=cache_id,
            model=family,
            tokens=tokens,
            storage_price=prices["storage_minute"],
            amount=plain(_per_million(tokens, prices["create"])),
        )

    @implements(CALL_FEE, UNPRICED)
    def call(
        self,
        account: str,
        *,
        request_id: str,
        model: str,
        usage: Usage,
        cache: tuple[str, str] | None,
    ) -> Statement:
        """Return the statement that charges one chat call.

        Args:
            account: Who pays.
            request_id: The call.
            model: The model that answered.
            usage: Its tokens.
            cache: Id and family of the cache it used, if it used one.
        """
        total = usage.prompt + usage.completion
        published = self._chat_prices(model, tokens=total)
        prices = published or {"input": "0", "output": "0"}
        fee = Decimal(self._cache_prices(cache[1])["call"]) if cache else Decimal(0)
        parts = _input_parts(usage, prices)
        parts["output"] = _per_million(usage.completion, prices["output"])
        return self._charge(
            account,
            "chat",
            request_id=request_id,
            model=model,
            cache_id=cache[0] if cache else None,
            prompt_tokens=usage.prompt,
            cached_tokens=usage.cached,
            cache_write_tokens=usage.written,
            cache_write_tier=usage.tier,
            completion_tokens=usage.completion,
            priced=published is not None,
            fee=plain(fee),
            **{name: plain(amount) for name, amount in parts.items()},
            amount=plain(fee + sum(parts.values())),
        )

    def _charge(self, account: str, kind: str, **line: Any) -> Statement:
        at = self._clock.seconds()
        text = json.dumps({"kind": kind, "at": at, **line})
        sql = "INSERT INTO charges (account, kind, line) VALUES (?, ?, ?)"
        return sql, (account, kind, text)

    def bill(self, account: str) -> dict[str, Any]:
        """Return what an account owes by now: totals, and a line for everything."""
        rows = self._store.rows(
            "SELECT line FROM charges WHERE account = ? ORDER BY seq", account
        )
        charged = [json.loads(row["line"]) for row in rows]
        lines: list[dict[str, Any]] = []
        for line in charged:
            storage_price = line.pop("storage_price", None)
            lines.append(line)
            if storage_price is not None:
                lines += self._storage(line, price=storage_price)
        return {
            "object": "stand_in.bill",
            "account": account,
            "currency": self._currency,
            "as_of": self._clock.seconds(),
            "totals": _totals(lines),
            "lines": lines,
        }

    @implements(STORAGE_FEE)
    def _storage(self, creation: dict[str, Any], *, price: str) -> list[dict[str, Any]]:
        """Return one line for each span in which the cache was alive."""
        now = self._clock.seconds()
        tokens = creation["tokens"]
        lines = []
        for span in self._store.rows(
            "SELECT * FROM spans WHERE cache_id = ? ORDER BY rowid",
            creation["cache_id"],
        ):
            begin = span["begin_at"]
            minutes = started_minutes(min(span["end_at"], now) - begin)
            lines.append(
                {
                    "kind": "storage",
                    "at": begin,
                    "cache_id": creation["cache_id"],
                    "model": creation["model"],
                    "tokens": tokens,
                    "minutes": minutes,
                    "amount": plain(_per_million(tokens, price) * minutes),
                }
            )
        return lines

    @implements(BALANCE)
    def balance(self, account: str) -> dict[str, Any]:
        """Return an account's balance in the API's form."""
        spent = Decimal(self.bill(account)["totals"]["total"])
        left = float(CREDIT - spent)
        return {
            "code": 0,
            "data": {
                "available_balance": left,
                "voucher_balance": 0.0,
                "cash_balance": left,
            },
            "scode": "0x0",
            "status": True,
        }


def _totals(lines: list[dict[str, Any]]) -> dict[str, str]:
    def add(kind: str, field: str = "amount") -> Decimal:
        amounts = (
            Decimal(line.get(field, "0")) for line in lines if line["kind"] == kind
        )
        return sum(amounts, Decimal(0))

    parts = {
        "creation": add("creation"),
        "storage": add("storage"),
        "calls": add("chat", "fee"),
        "cache_read": add("chat", "cache_read"),
        "cache_write": add("chat", "cache_write"),
        "input": add("chat", "input"),
        "output": add("chat", "output"),
    }
    parts["total"] = sum(parts.values(), Decimal(0))
    return {name: plain(amount) for name, amount in parts.items()}
