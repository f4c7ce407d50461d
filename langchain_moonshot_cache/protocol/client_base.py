"""What the two clients are apart from how they wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from langchain_moonshot_cache.errors import ConfigurationError
from langchain_moonshot_cache.prefix import account_key
from langchain_moonshot_cache.protocol.endpoint import Endpoint
from langchain_moonshot_cache.protocol.exchange import Failure, Reply
from langchain_moonshot_cache.protocol.headers import server_time
from langchain_moonshot_cache.protocol.operations import Operations
from langchain_moonshot_cache.protocol.retry import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import SecretStr

__all__ = ["ClientBase"]


class ClientBase:
    """Configuration, identity and secrecy of a client.

    Attributes:
        base_url: The API's root, without a slash at its end.
        server_time_offset: Seconds that the server's clock is ahead of this machine's
            by the last reply's ``Date`` header, which counts whole seconds; ``None``
            before the first reply.
    """

    def __init__(
        self,
        *,
        api_key: str | SecretStr | None,
        base_url: str | None,
        timeout: float,
        max_retries: int,
        default_headers: Mapping[str, str] | None,
    ) -> None:
        self._endpoint = Endpoint.resolve(api_key=api_key, base_url=base_url)
        self._timeout = _checked_timeout(timeout)
        self._default_headers = dict(default_headers or {})
        self._operations = Operations(
            endpoint=self._endpoint, policy=RetryPolicy(max_retries=max_retries)
        )
        self.base_url = self._endpoint.base_url
        self.server_time_offset: float | None = None

    def account(self) -> bytes:
        """Name the account without telling its key: what keys digests of prompts.

        See :func:`langchain_moonshot_cache.prefix.account_key`.
        """
        return account_key(
            api_key=self._endpoint.key.get_secret_value(), base_url=self.base_url
        )

    def _seconds(self, timeout: float | None) -> float:
        """The time for one attempt."""
        return self._timeout if timeout is None else _checked_timeout(timeout)

    def _learn_time(self, outcome: Reply | Failure) -> None:
        """Compare the server's clock with ours."""
        if isinstance(outcome, Reply):
            told = server_time(outcome.headers)
            if told is not None:
                self.server_time_offset = told - outcome.received_at

    def __repr__(self) -> str:
        return f"{type(self).__name__}(base_url={self.base_url!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "A client holds a key and open connections, so it is not pickled: make a "
            "new one in the other process."
        )


def _checked_timeout(timeout: float) -> float:
    # "not >" also refuses NaN, with which no deadline would ever pass.
    if not timeout > 0:
        raise ConfigurationError("timeout must be a positive number of seconds.")
    return timeout
