"""The figures of the demo. Every one was reported or recorded; none is estimated."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Bill", "Call", "Example", "Lane", "Report"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One chat call, as the model's metadata and the server's log tell it.

    Attributes:
        outcome: What caching came to, such as ``write`` or ``hit``.
        prompt_tokens: Input tokens, cached ones included.
        cached_tokens: Those of them that a cache gave.
        bytes_sent: Bytes of all request bodies since the call before, among them the
            creation of a cache.
        cost: What the answer's metadata says that the call cost.
        cost_uncached: What it says that the call would have cost without a cache.
    """

    outcome: str
    prompt_tokens: int
    cached_tokens: int
    bytes_sent: int
    cost: Decimal
    cost_uncached: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """An account's bill, as the server reckons it.

    Attributes:
        currency: Currency of the amounts.
        creation: Making caches.
        storage: Keeping them, by the started minute.
        calls: The fees of the calls that used them.
        input: Input that no cache gave.
        output: Output.
    """

    currency: str
    creation: Decimal
    storage: Decimal
    calls: Decimal
    input: Decimal
    output: Decimal

    @property
    def of_calls(self) -> Decimal:
        """What the chat calls cost, the caches aside."""
        return self.calls + self.input + self.output

    @property
    def total(self) -> Decimal:
        """All of it."""
        return self.creation + self.storage + self.of_calls


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """The same questions, asked once: with caches or without, by an account of its own.

    Attributes:
        calls: The chat calls, in order.
        answers: What was answered to each.
        bill: The account's bill after everything was released.
        creates: How many caches the account ever made.
        left: How many of them are left on the server.
    """

    calls: Sequence[Call]
    answers: Sequence[str]
    bill: Bill
    creates: int
    left: int

    @property
    def bytes_sent(self) -> int:
        """Bytes of all request bodies."""
        return sum(call.bytes_sent for call in self.calls)


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One example, asked with caches and without.

    Attributes:
        title: What it is.
        model: The model that was asked.
        questions: A line for each call.
        cached: How it went with caches.
        plain: How it went with ``caching="off"``.
    """

    title: str
    model: str
    questions: Sequence[str]
    cached: Lane
    plain: Lane

    @property
    def saved(self) -> Decimal:
        """The difference of the two bills; negative where caching lost money."""
        return self.plain.bill.total - self.cached.bill.total

    @property
    def same_answers(self) -> bool:
        """Whether the cache changed no answer."""
        return self.cached.answers == self.plain.answers

    @property
    def metadata_agrees(self) -> bool:
        """Whether the answers' metadata adds up to the two bills, to the last digit."""
        calls = self.cached.calls
        return (
            sum(call.cost for call in calls) == self.cached.bill.of_calls
            and sum(call.cost_uncached for call in calls) == self.plain.bill.total
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What the demo found out.

    Attributes:
        announced: The announced example, which is too small to pay.
        document: The questions on a long document.
    """

    announced: Example
    document: Example

    @property
    def examples(self) -> tuple[Example, Example]:
        """Both, in order."""
        return self.announced, self.document

    @property
    def cost(self) -> Decimal:
        """The bills of the calls with caches, the caches included."""
        return sum((one.cached.bill.total for one in self.examples), Decimal(0))

    @property
    def cost_uncached(self) -> Decimal:
        """The bills of the same calls without caches."""
        return sum((one.plain.bill.total for one in self.examples), Decimal(0))

    @property
    def saved(self) -> Decimal:
        """What caching saved in all."""
        return self.cost_uncached - self.cost

    @property
    def metadata_agrees(self) -> bool:
        """Whether the answers' metadata adds up to the bills, to the last digit."""
        return all(one.metadata_agrees for one in self.examples)

    @property
    def same_answers(self) -> bool:
        """Whether the cache changed no answer."""
        return all(one.same_answers for one in self.examples)

    @property
    def nothing_left(self) -> bool:
        """Whether no cache is left on the server."""
        return not any(one.cached.left + one.plain.left for one in self.examples)
