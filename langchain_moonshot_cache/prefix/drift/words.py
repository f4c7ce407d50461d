"""What each cause is called, and how to mend it: one sentence each."""

from __future__ import annotations

from typing import Final

__all__ = ["MENDING", "WORDS"]

WORDS: Final = {
    "other_account": "it goes to another account",
    "other_model": "it goes to another model",
    "other_settings": "other settings",
    "tool_order": "the tools stand in another order",
    "tool_set": "other tools",
    "tool_schema": "the description of a tool changed",
    "timestamp": "a time changed",
    "date": "a date changed",
    "identifier": "an identifier changed",
    "counter": "a number changed",
    "whitespace": "only white space changed",
    "rewritten_json": "the same JSON was written otherwise",
    "tool_call_id": "the id of a tool call changed",
    "reasoning_content": "the reasoning of a turn changed",
    "image": "an image or another attachment changed",
    "messages_inserted": "messages were put in",
    "messages_removed": "messages were taken out",
    "text": "the text changed",
    "other_question": "another question",
    "other_prompt": "another prompt",
    "too_short": "too short for a cache",
    "expired": "the cache has expired",
    "gone": "nothing moved, and yet the provider did not have it",
}

_BEHIND = "Move what changes behind what stays the same, best into the last message."
_VERBATIM = "Send the turn back exactly as the model wrote it."
_ONE_KEY = "Caches are kept for each {} alone: ask the same one throughout."

MENDING: Final = {
    "other_account": _ONE_KEY.format("account"),
    "other_model": _ONE_KEY.format("model"),
    "other_settings": "Keep them the same throughout a conversation.",
    "tool_order": "Give the tools in one order, such as by name.",
    "tool_set": "Give the same tools with every call of a conversation.",
    "tool_schema": "Describe a tool once, and let nothing in it depend on the call.",
    "timestamp": _BEHIND,
    "date": _BEHIND,
    "identifier": _BEHIND,
    "counter": _BEHIND,
    "whitespace": "Make the text in one way, and strip or format it nowhere else.",
    "rewritten_json": ("Keep the original string; do not parse it and write it again."),
    "tool_call_id": "Send ids of tool calls back as they came.",
    "reasoning_content": _VERBATIM,
    "image": "Refer to an image in the same way every time, best by its ms:// id.",
    "messages_inserted": "Add messages at the end only.",
    "messages_removed": (
        "Trim or summarise a conversation rarely and by a large part at once: each "
        "time everything behind is read anew."
    ),
    "text": _BEHIND,
    "other_question": "Nothing to mend: what stands before it is shared.",
    "other_prompt": (
        "Nothing to mend if they are meant to be two; otherwise begin with what they "
        "have in common."
    ),
    "too_short": "Nothing to mend: so short a prompt costs little.",
    "expired": (
        "Ask for a longer lifetime (cache_ttl), or ask more often, if it pays."
    ),
    "gone": "Nothing to mend: providers make room as they need it.",
}
