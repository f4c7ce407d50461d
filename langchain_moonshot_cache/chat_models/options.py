"""The options of the chat model, and what LangChain asks of every model."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import ConfigDict, Field, SecretStr, model_validator

from langchain_moonshot_cache._version import __version__
from langchain_moonshot_cache.chat_models.call import Reference
from langchain_moonshot_cache.chat_models.capabilities import profile
from langchain_moonshot_cache.chat_models.descent import as_given
from langchain_moonshot_cache.chat_models.pickling import as_options, reduced
from langchain_moonshot_cache.chat_models.settings import check_options
from langchain_moonshot_cache.chat_models.wire import PROVIDER, MoonshotChat
from langchain_moonshot_cache.economics import CachePolicy, PriceBook
from langchain_moonshot_cache.ledger import Ledger
from langchain_moonshot_cache.registry import Registry

if TYPE_CHECKING:
    from langchain_core.language_models import ModelProfile
    from langchain_core.language_models.base import LangSmithParams

__all__ = ["MoonshotOptions"]


class MoonshotOptions(MoonshotChat):
    """Fields and identity; what they do is told at each of them."""

    model_name: str = Field(default="kimi-k3", alias="model")
    """The model, such as ``kimi-k3`` or ``moonshot-v1-128k``."""

    openai_api_key: (
        SecretStr | Callable[[], str] | Callable[[], Awaitable[str]] | None
    ) = Field(default=None, alias="api_key")
    """The key; ``MOONSHOT_API_KEY`` if not given."""

    openai_api_base: str | None = Field(default=None, alias="base_url")
    """The endpoint; ``MOONSHOT_API_BASE`` if not given, else Moonshot's Chinese one."""

    stream_usage: bool | None = True
    """Whether streams report usage. Without it their caching is unknown."""

    include_response_headers: bool = True
    """Headers are always read; they stay in the metadata only if this is set."""

    use_responses_api: bool | None = False
    """Moonshot speaks chat completions."""

    caching: Literal["auto", "named", "prefix", "off"] = "auto"
    """Which mechanism: ``auto`` takes named caches for ``moonshot-v1`` and leaves the
    rest to the provider's automatic prefix cache."""

    cache_ttl: int | Literal["5m", "1h"] | None = None
    """Lifetime of a named cache: seconds from 30 to 3600, or a tier's name. None
    leaves it to the policy."""

    cache_policy: Literal["economic", "always"] | CachePolicy = "economic"
    """``economic`` decides by prices, size and the pauses between uses what is cached,
    for how long, and for which tier; ``always`` caches every prefix for an hour. See
    ``CachePolicy``."""

    cache_reference: Reference = "message"
    """How a named cache is referenced: by message, so that its content need not be
    sent, or by headers, with all messages sent as usual."""

    cache_wait: float = 1.0
    """Seconds that a call may wait for a cache that is still pending. Then it goes
    uncached, and the next one uses the cache."""

    registry: str | Registry | None = None
    """Where caches are known by: ``memory://``, ``sqlite:///path``,
    ``redis://host/0``. None: ``MOONSHOT_CACHE_REGISTRY``, else SQLite in the user's
    cache directory."""

    ledger: Ledger = Field(default_factory=Ledger, exclude=True)
    """Adds up what calls and caches cost. Give several models the same to add them
    together. None: one in the registry's database, or in memory if it has none."""

    prices: PriceBook = Field(default_factory=PriceBook.builtin, exclude=True)
    """What calls and caches are priced by; default: the list that comes with this
    package."""

    handed_on: Any = Field(default=None, exclude=True, repr=False)
    """No option: what the models that LangChain makes of this one's fields take over,
    as for ``configurable_fields``, so that all of them share caches."""

    model_config = ConfigDict(populate_by_name=True, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _check_options(cls, values: dict[str, Any]) -> dict[str, Any]:
        return check_options(as_given(values))

    @model_validator(mode="after")
    def _set_moonshot_cache_version(self) -> Self:
        self._add_version("langchain-moonshot-cache", __version__)
        return self

    @property
    def api_key(self) -> Any:
        """The key as it was given."""
        return self.openai_api_key

    @property
    def api_base(self) -> str:
        """The endpoint."""
        return str(self.openai_api_base)

    @property
    def lc_secrets(self) -> dict[str, str]:
        """Constructor arguments that are secrets, and the variables they come from."""
        return {"openai_api_key": "MOONSHOT_API_KEY"}

    @property
    def lc_attributes(self) -> dict[str, Any]:
        """What is written down otherwise than the field says: the user's own wish."""
        return {"include_response_headers": self._keeps_headers()}

    def _keeps_headers(self) -> bool:
        """Tell whether the user wants the response headers in the metadata.

        The field is always true, because the headers have to be read.
        """
        asked = "include_response_headers" in self.model_fields_set
        return asked and self.include_response_headers

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """Tell LangChain that it may write this model down."""
        return True

    @classmethod
    def get_lc_namespace(cls) -> list[str]:
        """Return where LangChain finds this class again."""
        return ["langchain_moonshot_cache", "chat_models"]

    @property
    def _llm_type(self) -> str:
        return "moonshot-chat-cached"

    def _get_ls_params(
        self, stop: list[str] | None = None, **kwargs: Any
    ) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop, **kwargs)
        params["ls_provider"] = PROVIDER
        return params

    def _resolve_model_profile(self) -> ModelProfile | None:
        return profile(self.model_name)

    def __reduce__(self) -> Any:
        """Send the options through pickle, and not the key; see ``pickling``."""
        return reduced(self)

    def __deepcopy__(self, memo: Any = None) -> Self:
        """Make a model like this one, with caches, connections and sums of its own."""
        return type(self)(**as_options(self), api_key=self.openai_api_key)
