"""From a bearer key to an account; the key itself goes no further than here."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

from .marks import implements
from .refusals import RefusedError
from .rules import ACCOUNTS, BEARER, KEYS, WRONG_KEY

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Accounts"]

# The stand-in refuses keys that begin so: a test of a wrong or foreign key needs one.
WRONG_PREFIX = "sk-wrong"


class Accounts:
    """Turns keys into account names without keeping a key.

    An account name is a salted digest, so that neither the database nor the request
    log nor a bill gives a key away.
    """

    def __init__(
        self,
        *,
        salt: bytes,
        keys: Iterable[str] | None = None,
        wrong: str | None = WRONG_PREFIX,
    ) -> None:
        """Know some keys, or take them all.

        Args:
            salt: Makes the digests this server's own.
            keys: The only keys that are accepted; None accepts every key.
            wrong: What keys begin with that are refused nevertheless, if any do.
        """
        self._salt = salt
        self._wrong = wrong
        self._known = None if keys is None else {self._digest(key) for key in keys}

    def _digest(self, text: str) -> str:
        return hmac.new(self._salt, text.encode(), hashlib.sha256).hexdigest()

    @implements(BEARER, WRONG_KEY)
    def identify(self, authorization: str | None) -> str:
        """Return the account of a request.

        Args:
            authorization: The ``Authorization`` header, if there is one.

        Raises:
            RefusedError: 401, when there is no key or the key is not accepted here.
        """
        scheme, _, key = (authorization or "").partition(" ")
        key = key.strip()
        if scheme.lower() != "bearer" or not key:
            raise _unauthorised("Send the API key as 'Authorization: Bearer <key>'.")
        refused = self._wrong is not None and key.startswith(self._wrong)
        if refused or (
            self._known is not None and self._digest(key) not in self._known
        ):
            raise _unauthorised("The API key is not valid at this endpoint.")
        return self.name(key)

    @implements(ACCOUNTS, KEYS)
    def name(self, key: str) -> str:
        """Return the account that a key belongs to."""
        return "acct-" + self._digest(key.partition(":")[0])[:16]


def _unauthorised(message: str) -> RefusedError:
    kind = "invalid_authentication_error"
    return RefusedError(401, kind, message, headers={"WWW-Authenticate": "Bearer"})
