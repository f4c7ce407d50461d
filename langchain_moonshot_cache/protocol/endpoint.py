"""Where requests go and whose they are: base URL and key, checked before use."""

from __future__ import annotations

import os
from dataclasses import dataclass
from urllib.parse import urlsplit

from pydantic import SecretStr

from langchain_moonshot_cache.errors import ConfigurationError

__all__ = ["DEFAULT_BASE_URL", "NO_KEY", "Endpoint", "other_region"]

DEFAULT_BASE_URL = "https://api.moonshot.cn/v1"
NO_KEY = (
    "No API key: pass api_key=... or set MOONSHOT_API_KEY. Keys are made at "
    "https://platform.moonshot.cn (for api.moonshot.cn) or "
    "https://platform.moonshot.ai (for api.moonshot.ai)."
)
"""What to do where there is no key: keys of one region are none in the other."""
_REGIONS = {"api.moonshot.cn": "api.moonshot.ai", "api.moonshot.ai": "api.moonshot.cn"}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server and the account to use there.

    Attributes:
        base_url: Without a slash at its end.
        key: Shown nowhere; ask for its value only to send or to withhold it.
    """

    base_url: str
    key: SecretStr

    @classmethod
    def resolve(
        cls, *, api_key: str | SecretStr | None, base_url: str | None
    ) -> Endpoint:
        """Take what was given, else the environment, else the default.

        Args:
            api_key: The key, or ``None`` for ``MOONSHOT_API_KEY``.
            base_url: The URL, or ``None`` for ``MOONSHOT_API_BASE`` and then
                `DEFAULT_BASE_URL`.

        Raises:
            ConfigurationError: No key, a key that cannot stand in a header, or a URL
                that is none.
        """
        if base_url is None:
            base_url = os.environ.get("MOONSHOT_API_BASE") or DEFAULT_BASE_URL
        if api_key is None:
            api_key = os.environ.get("MOONSHOT_API_KEY")
        secret = api_key if isinstance(api_key, SecretStr) else SecretStr(api_key or "")
        return cls(base_url=_checked_url(base_url), key=_checked_key(secret))


def _checked_key(secret: SecretStr) -> SecretStr:
    # Keys read from files and environments often end in a newline.
    secret = SecretStr(secret.get_secret_value().strip())
    if not secret.get_secret_value():
        raise ConfigurationError(NO_KEY)
    value = secret.get_secret_value()
    if not value.isascii() or not value.isprintable() or " " in value:
        raise ConfigurationError(
            "The API key holds a blank or a character that cannot stand in an HTTP "
            "header; copy it again, without quotes or line breaks."
        )
    return secret


def _checked_url(base_url: str) -> str:
    problem = _problem_with(base_url)
    if problem is not None:
        # The URL itself is not quoted: a malformed one may hold a password.
        raise ConfigurationError(
            f"The base URL {problem}; give something like {DEFAULT_BASE_URL} as "
            "base_url or in MOONSHOT_API_BASE."
        )
    return base_url.rstrip("/")


def _problem_with(base_url: str) -> str | None:
    """Say what is wrong with a base URL, or ``None``."""
    if not base_url.isprintable() or " " in base_url:
        return "holds a blank or a control character"
    try:
        parts = urlsplit(base_url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "has a malformed host or port"
    faults = {
        "must begin with http:// or https://": parts.scheme not in {"http", "https"},
        "names no host": not host,
        "must hold no user name or password; the key is api_key": "@" in parts.netloc,
        "must have no query and no fragment": bool(parts.query or parts.fragment),
    }
    return next((fault for fault, found in faults.items() if found), None)


def other_region(base_url: str) -> str | None:
    """The same URL at Moonshot's other host, or ``None`` for any other server.

    Keys are bound to one of the two hosts; the other answers 401.
    """
    host = urlsplit(base_url).hostname or ""
    twin = _REGIONS.get(host)
    return None if twin is None else base_url.replace(host, twin, 1)
