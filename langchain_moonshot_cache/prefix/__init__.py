"""The prefix of a prompt: canonical bytes, digests and where it ends. Pure."""

from langchain_moonshot_cache.prefix.boundary import boundary, settled
from langchain_moonshot_cache.prefix.canonical import canonical_bytes
from langchain_moonshot_cache.prefix.digest import account_key, fingerprint
from langchain_moonshot_cache.prefix.estimate import estimate_tokens
from langchain_moonshot_cache.prefix.memo import Memo, Remembered
from langchain_moonshot_cache.prefix.spec import Prefix, PrefixContent

__all__ = [
    "Memo",
    "Prefix",
    "PrefixContent",
    "Remembered",
    "account_key",
    "boundary",
    "canonical_bytes",
    "estimate_tokens",
    "fingerprint",
    "settled",
]
