"""LangChain's own integration tests, against the stand-in over a real socket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest
from langchain_tests.integration_tests import ChatModelIntegrationTests

from langchain_moonshot_cache import ChatMoonshotCached
from langchain_moonshot_cache.server import Settings, StandIn

if TYPE_CHECKING:
    from collections.abc import Iterator

PICTURE = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d"
    "49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)
"""A picture of one pixel, in place of those that some tests would download."""


@pytest.fixture(scope="module")
def stand_in() -> Iterator[StandIn]:
    with StandIn(Settings(port=0)) as running:
        yield running


@pytest.fixture(autouse=True)
def _pictures_without_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(url: str, **_: Any) -> httpx.Response:
        return httpx.Response(200, content=PICTURE, request=httpx.Request("GET", url))

    monkeypatch.setattr(httpx, "get", answer)


class Standard(ChatModelIntegrationTests):
    """What holds for every configuration."""

    model_name: str
    options: dict[str, Any]

    @pytest.fixture(autouse=True)
    def _serve(self, stand_in: StandIn) -> None:
        self.options = {"base_url": stand_in.base_url}

    @property
    def chat_model_class(self) -> type[ChatMoonshotCached]:
        return ChatMoonshotCached

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {
            "model": self.model_name,
            "api_key": f"sk-{type(self).__name__}",
            "registry": "memory://",
            "cache_policy": "always",
            "cache_wait": 10,
            **self.options,
        }

    @property
    def supports_json_mode(self) -> bool:
        return True

    @property
    def returns_usage_metadata(self) -> bool:
        return True

    @property
    def supports_anthropic_inputs(self) -> bool:
        return True

    @property
    def model_override_value(self) -> str:
        return self.model_name


class TestKimi(Standard):
    """``kimi-k3``: automatic prefix caching."""

    model_name = "kimi-k3"

    @property
    def has_tool_choice(self) -> bool:
        # A thinking model refuses to be forced; the choice is softened to "auto".
        return False

    @property
    def supports_image_inputs(self) -> bool:
        return True

    @property
    def supports_image_tool_message(self) -> bool:
        return True


class TestNamedByMessage(Standard):
    """``moonshot-v1-8k``: named caches, referenced by message."""

    model_name = "moonshot-v1-8k"


class TestNamedByHeaders(Standard):
    """``moonshot-v1-8k``: named caches, referenced by headers."""

    model_name = "moonshot-v1-8k"

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {**super().chat_model_params, "cache_reference": "headers"}
