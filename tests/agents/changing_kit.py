"""Middleware that changes what the model is asked, and a script to try it with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agent_kit import SYSTEM
from langchain.agents.middleware import AgentMiddleware, ModelRequest, dynamic_prompt
from langchain_core.tools import tool

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from agent_kit import Bench

__all__ = ["Rewriting", "Tools", "height", "script_two_calls", "ticking"]


@tool
def height(name: str) -> str:
    """Tell the height of a lighthouse."""
    return f"{name}: 100 m"


class Rewriting(AgentMiddleware[Any, Any, Any]):
    """Hands requests on as something makes them."""

    def change(self, request: ModelRequest[Any]) -> ModelRequest[Any]:
        raise NotImplementedError

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[Any], Any]
    ) -> Any:
        return handler(self.change(request))

    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[Any], Awaitable[Any]]
    ) -> Any:
        return await handler(self.change(request))


class Tools(Rewriting):
    """Offers other tools with each call."""

    def __init__(self, *offers: list[Any]) -> None:
        super().__init__()
        self.offers = iter(offers)

    def change(self, request: ModelRequest[Any]) -> ModelRequest[Any]:
        return request.override(tools=next(self.offers))


def ticking() -> Any:
    """Put the number of the call in front of everything."""
    calls = iter(range(100))

    @dynamic_prompt
    def prompt(_request: ModelRequest[Any]) -> str:
        return f"It is {next(calls)} o'clock. {SYSTEM}"

    return prompt


def script_two_calls(bench: Bench) -> None:
    """Have the model call a tool and then answer, whatever it is asked."""
    call = {"name": "height", "arguments": '{"name": "Genoa"}'}
    bench.server.answer_next({"tool_calls": [call]}, "It has 100 m.")
