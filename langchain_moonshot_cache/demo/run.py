"""Asking everything twice, with caches and without, and reading the server's bills."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration

from langchain_moonshot_cache.chat_models import ChatMoonshotCached
from langchain_moonshot_cache.demo import announced, document
from langchain_moonshot_cache.demo.figures import Call, Example, Lane, Report
from langchain_moonshot_cache.demo.witness import Witness
from langchain_moonshot_cache.server import StandIn

if TYPE_CHECKING:
    from langchain_core.outputs import LLMResult
    from langchain_core.runnables import RunnableConfig

__all__ = ["run"]


_PATIENCE = 10.0
"""Seconds that a call waits for a cache that takes a twentieth of one, so that the
figures are the same on a computer that is busy."""


class _Script(Protocol):
    """What an example's module has to offer."""

    TITLE: str
    QUESTIONS: tuple[str, ...]
    OPTIONS: dict[str, Any]

    def ask(self, llm: ChatMoonshotCached, config: RunnableConfig) -> list[str]: ...


class _Meter(BaseCallbackHandler):
    """Notes every call of a chain that shows only its parsed answer."""

    raise_error = True  # a figure that cannot be read must not go missing silently

    def __init__(self, witness: Witness) -> None:
        self._witness = witness
        self.calls: list[Call] = []

    def on_llm_end(self, response: LLMResult, **_kwargs: Any) -> None:
        for generations in response.generations:
            for generation in generations:
                if isinstance(generation, ChatGeneration) and isinstance(
                    generation.message, AIMessage
                ):
                    self.calls.append(self._witness.call(generation.message))


def run() -> Report:
    """Play both examples against a stand-in server on a free port of this computer.

    Returns:
        The figures. Every cache has been released by then and the server has ended.

    Raises:
        OSError: The computer grants no port on loopback.
    """
    with StandIn() as server:
        return Report(
            announced=_play(announced, server=server),
            document=_play(document, server=server),
        )


def _play(script: _Script, *, server: StandIn) -> Example:
    return Example(
        title=script.TITLE,
        model=script.OPTIONS["model"],
        questions=script.QUESTIONS,
        cached=_lane(script, server=server, caching="auto"),
        plain=_lane(script, server=server, caching="off"),
    )


def _lane(script: _Script, *, server: StandIn, caching: Literal["auto", "off"]) -> Lane:
    # An account for each lane, so that each has a bill of its own.
    api_key = f"sk-demo-{script.OPTIONS['model']}-{caching}"
    witness = Witness(server.url, api_key=api_key)
    witness.bytes_received()  # what went before is not this lane's
    meter = _Meter(witness)
    with ChatMoonshotCached(
        base_url=server.base_url,
        api_key=api_key,
        caching=caching,
        registry="memory://",
        cache_wait=_PATIENCE,
        **script.OPTIONS,
    ) as llm:
        answers = script.ask(llm, {"callbacks": [meter]})
    creates, left = witness.caches()
    return Lane(
        calls=meter.calls,
        answers=answers,
        bill=witness.bill(),
        creates=creates,
        left=left,
    )
