"""What a call would do about caching, and what kept one from a cache."""

from __future__ import annotations

from collections.abc import Callable, Sequence  # noqa: TC003 - see upkeep
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from langchain_core.language_models import LanguageModelInput  # noqa: TC002 - the same
from langchain_core.tools import BaseTool  # noqa: TC002 - the same

from langchain_moonshot_cache.chat_models.answering import Question, answer
from langchain_moonshot_cache.chat_models.batches import Batches
from langchain_moonshot_cache.chat_models.explanation import Explanation
from langchain_moonshot_cache.chat_models.pricing import drift_cost
from langchain_moonshot_cache.chat_models.recall import Asked, kept_for, miss
from langchain_moonshot_cache.chat_models.wire import CALL
from langchain_moonshot_cache.errors import InvalidPromptError
from langchain_moonshot_cache.prefix.drift import Request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from langchain_core.messages import BaseMessage

    from langchain_moonshot_cache.chat_models.call import Call
    from langchain_moonshot_cache.economics import Usage
    from langchain_moonshot_cache.prefix.drift import Drift

__all__ = ["Explaining"]


class Explaining(Batches):
    """Says of calls what caching comes to, before they are made and after."""

    def explain(
        self,
        messages: LanguageModelInput,
        *,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool] = (),
        against: Explanation | LanguageModelInput | None = None,
        **kwargs: Any,
    ) -> Explanation:
        """Say what a call with these messages would do about caching, and why.

        Nothing is sent, created or changed: the registry is read, and no server asked.
        The call is compared with the one that it most likely carries on, among the
        last ones of this model, which are remembered in memory only.

        Args:
            messages: The messages of the call.
            tools: Its tools.
            against: Compare it with this instead: other messages with the same tools,
                or the explanation of another call, also of another model or account.
            kwargs: What else the call would be given, such as ``reasoning_effort``.

        Raises:
            InvalidPromptError: The model cannot be sent these messages or tools, or
                ``against`` was pickled.
        """
        question = self._question(messages, tools, kwargs, against=against)
        if (prefix := question.foreseen.undecided) is not None:
            outlook = self._caching.sync.foresee(prefix)
            question = replace(question, outlook=outlook)
        return self._priced(answer(question))

    async def aexplain(
        self,
        messages: LanguageModelInput,
        *,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool] = (),
        against: Explanation | LanguageModelInput | None = None,
        **kwargs: Any,
    ) -> Explanation:
        """Do what :meth:`explain` does, without blocking the event loop."""
        question = self._question(messages, tools, kwargs, against=against)
        if (prefix := question.foreseen.undecided) is not None:
            outlook = await self._caching.aio.foresee(prefix)
            question = replace(question, outlook=outlook)
        return self._priced(answer(question))

    def _question(
        self,
        messages: LanguageModelInput,
        tools: Sequence[Any],
        kwargs: dict[str, Any],
        *,
        against: Explanation | LanguageModelInput | None = None,
    ) -> Question:
        """Gather what is known here about a call."""
        given = self._convert_input(messages).to_messages()
        if tools:
            bound: Any = self.bind_tools(tools)
            kwargs = {**bound.kwargs, **kwargs}
        foreseen = self._caching.foreseen(given, **self._asked(kwargs))
        asked = self._recorded(
            foreseen.call._replace(plan=foreseen.plan), given, kwargs
        )
        earlier, other = self._caching.recall.before(asked), None
        if isinstance(against, Explanation):
            other = against.request
            if other is None:
                raise InvalidPromptError(
                    "an explanation that was pickled has lost its prompt, which is a "
                    "secret: explain the other call anew, in this process."
                )
        elif against is not None:
            other = self._question(against, (), kwargs).asked.request
        return Question(foreseen=foreseen, asked=asked, earlier=earlier, other=other)

    def _priced(self, told: Explanation) -> Explanation:
        currency = self.prices.currency(self.api_base)
        cost = drift_cost(told, prices=self.prices, currency=currency)
        return told if cost is None else replace(told, cost=cost, currency=currency)

    # Around a call ------------------------------------------------------------

    def _recorded(
        self, call: Call, messages: Sequence[BaseMessage], kwargs: Mapping[str, Any]
    ) -> Asked:
        """Keep a call as it was made, for comparing others with it."""
        return Asked(
            messages,
            kwargs,
            call=call,
            build=self._as_sent,
            now=self._caching.recall.clock(),
        )

    def _as_sent(self, asked: Asked) -> Request:
        """Make the wire form of what a call can share with others."""
        call = asked.call
        payload = self._get_request_payload(
            list(asked.messages), **{**asked.kwargs, CALL: call.in_full()}
        )
        request = Request.of(
            {**payload, **payload["extra_body"]},
            account=self._caching.shared.account.hex(),
            at=asked.began,
        )
        if call.plan is None or call.mechanism != "named":
            return request
        return replace(
            request,
            messages=request.messages[: asked.length],
            model=call.plan.prefix.model,
            settings={},
        )

    def _missed(self, call: Call, usage: Usage) -> Drift | None:
        """Say what moved if a call missed a cache that was due, and remember the call.

        Whatever goes wrong here concerns the explanation only.
        """
        asked, recall = call.asked, self._caching.recall
        if asked is None:
            return None
        try:
            found = miss(call, usage, recall=recall)
            recall.add(asked, lifetime=kept_for(call, usage), tokens=usage.prompt)
        except Exception as error:  # noqa: BLE001 - the answer is there already
            self._caching.say_broken(error, what="misses go unexplained")
            return None
        return found
