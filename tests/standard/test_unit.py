"""LangChain's own unit tests of a chat model."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest
from langchain_tests.unit_tests import ChatModelUnitTests

from langchain_moonshot_cache import ChatMoonshotCached

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

KEY = "sk-canary-9f8e7d6c5b4a"
BASE_URL = "http://127.0.0.1:9/v1"  # nothing listens there, and nothing is sent


@pytest.fixture(autouse=True)
def on_the_list_of_langchain_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put our class among those that ``allowed_objects="all"`` stands for.

    langchain-core loads no class that is not on a list of its own, and lists only
    packages that it knows. The round trip that users can have, by naming the class, is
    tried among the tests of the chat model.
    """
    # The function of the same name hides the module from a plain import.
    loading: Any = import_module("langchain_core.load.load")
    known = loading._get_default_allowed_class_paths("all")
    ours = tuple(ChatMoonshotCached.lc_id())
    monkeypatch.setitem(loading._default_class_paths_cache, "all", known | {ours})


class TestChatMoonshotCached(ChatModelUnitTests):
    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatMoonshotCached

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model": "moonshot-v1-8k", "api_key": KEY, "registry": "memory://"}

    @property
    def init_from_env_params(
        self,
    ) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        environment = {"MOONSHOT_API_KEY": KEY, "MOONSHOT_API_BASE": BASE_URL}
        options = {"model": "moonshot-v1-8k", "registry": "memory://"}
        return environment, options, {"openai_api_key": KEY, "api_base": BASE_URL}
