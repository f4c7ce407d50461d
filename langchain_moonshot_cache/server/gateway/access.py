"""The access log: one line of JSON a request, without prompts, answers or keys."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from langchain_moonshot_cache.server.gateway.visit import Visit

__all__ = ["AccessLog"]


class AccessLog:
    """Writes the lines.

    What a client made up for itself is left out, too: of the path only the kind of the
    route, since tags are names of the client's own, and no query.

    Args:
        stream: Where to; None writes none.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def __call__(self, visit: Visit) -> None:
        """Write one line; what is not known is left out."""
        if self._stream is None:
            return
        reported = visit.reported
        line = {
            "at": round(visit.world.clock.now(), 3),
            "request_id": visit.request_id,
            "method": visit.method,
            "route": visit.route,
            "status": visit.status or None,
            "seconds": round(visit.elapsed(), 4),
            "first_token_seconds": None
            if visit.first is None
            else round(visit.first, 4),
            "account": visit.account or None,
            "model": visit.model and visit.model[:80],
            "cache_id": visit.cache_id,
            "prompt_tokens": reported.prompt,
            "cached_tokens": reported.cached,
            "completion_tokens": reported.completion,
            "engine": visit.trouble,
        }
        known = {name: value for name, value in line.items() if value is not None}
        self._stream.write(json.dumps(known) + "\n")
        self._stream.flush()
