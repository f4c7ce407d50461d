"""The rules of the gateway: what it does where the vendor's own engine stood.

They are declared like those of the stand-in and follow them in the page. All of them
are this project's: nobody recorded how the vendor's cache spoke to its engine.
"""

from __future__ import annotations

from langchain_moonshot_cache.server.marks import declare as _rule
from langchain_moonshot_cache.server.rules import OWN

READY_MEANS_HELD = _rule(
    "gateway-ready",
    "A",
    OWN,
    "At a gateway, a cache is ready once the engine has run its messages and tools, "
    "with an answer of one token; if that fails, its status is error, with the reason.",
)
UNKNOWN_USAGE = _rule(
    "gateway-usage",
    "A",
    OWN,
    "A gateway reports what the engine reports. What the engine does not say is left "
    "out, also tokens of a cache that nobody has counted.",
)
HELD = _rule(
    "gateway-held",
    "A",
    OWN,
    "A prefix counts as held if the engine reports its tokens as cached, but for a "
    "block of 256 and the opening of an answer.",
)
REWARMED = _rule(
    "gateway-rewarmed",
    "A",
    OWN,
    "A prefix that the engine no longer held is run again, once, after the call that "
    "showed it; and again only after a call has found it held.",
)
MAPPED = _rule(
    "gateway-models",
    "A",
    OWN,
    "A gateway with a map of models serves those and answers others with 404; without "
    "one it hands every name to the engine. A cache may be made for a model, or for a "
    "family of models of the map, or of the engine's own list.",
)
SAVED_LATER = _rule(
    "gateway-token-saved",
    "A",
    OWN,
    "A stream from a gateway carries no Msh-Context-Cache-Token-Saved: its headers go "
    "out before the engine says what it held.",
)
