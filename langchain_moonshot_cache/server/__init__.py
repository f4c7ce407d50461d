"""A stand-in for the Moonshot API, for tests, demos and development.

It speaks ``/v1/caching`` as documented in 2024, and chat completions with the automatic
prefix caching of today's kimi models; over real sockets, with a clock that a test may
set and faults that a test may script. The engine behind it is scripted: answers are
made up by rules. Start it with ``python -m langchain_moonshot_cache.server``, or in a
test by `StandIn`.
"""

from __future__ import annotations

from .app import create_app
from .serve import StandIn
from .settings import Settings

__all__ = ["Settings", "StandIn", "create_app"]
