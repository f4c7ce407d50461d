"""Where two requests part, what moved there, and what that costs in tokens. Pure.

:func:`compare` says it of two requests in wire form; :func:`nearest` finds, among
earlier requests, the one that a request carries on. A :class:`Drift` quotes no prompt:
it holds places, lengths, kinds and names of tools.
"""

from langchain_moonshot_cache.prefix.drift.comparing import compare
from langchain_moonshot_cache.prefix.drift.finding import Cause, Drift, Place
from langchain_moonshot_cache.prefix.drift.likeness import nearest
from langchain_moonshot_cache.prefix.drift.request import BLOCK, Request

__all__ = ["BLOCK", "Cause", "Drift", "Place", "Request", "compare", "nearest"]
