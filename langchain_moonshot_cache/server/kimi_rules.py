"""The rules of today's kimi models: prefixes cached by themselves, and what is asked.

They are declared like those in ``rules``, and follow them in the page.
"""

from __future__ import annotations

from .marks import declare as _rule
from .rules import CHAT_API, GATEWAY, OWN, PRICES, SEEN

DISPUTED = "sources disagree"

# --- Automatic prefix caching -------------------------------------------------------
PREFIX_MATCH = _rule(
    "prefix-match",
    "O",
    SEEN,
    "Every kimi model reads the longest known beginning of tools and messages from the "
    "cache, in steps of 256 tokens; any change ends the match there.",
)
EXACT_REPEAT = _rule(
    "exact-repeat",
    "O",
    SEEN,
    "A prompt that was sent before, exactly so, is matched whole.",
)
PREFIX_MINIMUM = _rule(
    "prefix-minimum",
    "D",
    CHAT_API,
    "A prompt of 256 tokens or less is not cached.",
)
PREFIX_KEY = _rule(
    "prefix-key",
    "?",
    DISPUTED,
    "Model, tools, system message, attachments and reasoning_effort are part of what "
    "must match, and so is thinking; sampling parameters are not. About "
    "reasoning_effort two measurements differ.",
)
SHARED_IN_ACCOUNT = _rule(
    "shared-in-account",
    "D",
    CHAT_API,
    "Prefixes are shared by all keys of an account and never beyond it.",
)
RENDERED = _rule(
    "rendered",
    "A",
    OWN,
    "What is compared is what a model reads: tools first, then each message as role, "
    "reasoning, content and calls. cache_control and other unread fields are nothing.",
)
GENERATED_TURNS = _rule(
    "generated-turns",
    "O",
    SEEN,
    "The turn that was generated is held, too, character by character: other spaces in "
    "the arguments of a call, another id or no reasoning_content end the match.",
)
PREFIX_TIERS = _rule(
    "prefix-tiers",
    "D",
    CHAT_API,
    "The life of a prefix, 5m or 1h, is fixed when it is first written; every hit "
    "renews it, free of charge; what follows it is written at the same life; another "
    "one only after it expired.",
)
CACHE_OPTIONS = _rule(
    "cache-options",
    "D",
    CHAT_API,
    "prompt_cache_options has the one mode implicit and a ttl of 5m, the default, or "
    "1h.",
)
CACHE_OPTIONS_ELSEWHERE = _rule(
    "cache-options-elsewhere",
    "A",
    OWN,
    "Models whose writes are not billed refuse prompt_cache_options; what the vendor's "
    "do is unknown. Their prefixes live 5 minutes.",
)
WRITES = _rule(
    "writes",
    "D",
    PRICES,
    "kimi-k3 and kimi-k3.1-pro bill what they write; other kimi models give the "
    "discount on reads only, and report no writes.",
)
LEFT_OVER = _rule(
    "left-over",
    "A",
    OWN,
    "Whole blocks are written; what is left over at the end of a prompt, and the "
    "generated turn, cost nothing beyond input and output.",
)
WRITE_HEADERS = _rule(
    "write-headers",
    "O",
    SEEN,
    "Msh-Usage-Cache-Write-Tokens-5m and -1h tell what was written, at which life.",
)
USAGE_DETAILS = _rule(
    "usage-details",
    "D",
    CHAT_API,
    "usage.prompt_tokens_details holds cached_tokens and cache_write_tokens, which do "
    "not overlap; usage.cached_tokens stands beside it.",
)
STREAM_USAGE_ASKED = _rule(
    "stream-usage-asked",
    "D",
    CHAT_API,
    "A stream of a kimi model reports usage only when stream_options.include_usage "
    "asks for it, in the same two places.",
)
CACHE_HINTS = _rule(
    "cache-hints",
    "?",
    DISPUTED,
    "prompt_cache_key is accepted and changes nothing.",
)
BREAKPOINTS = _rule(
    "breakpoints",
    "D",
    CHAT_API,
    "prompt_cache_breakpoint inside content is refused with 400.",
)

# --- What today's models ask for ----------------------------------------------------
RETIRED_MODELS = _rule(
    "retired-models",
    "O",
    GATEWAY,
    "A model is gone from the day on that its vendor retired it: 404 "
    "resource_not_found_error, and not listed.",
)
RETIRED_SERVED = _rule(
    "retired-served",
    "A",
    OWN,
    "Unless retired_models is set, retired models are served on: the named API knows "
    "no others.",
)
THINKING = _rule(
    "thinking",
    "D",
    CHAT_API,
    "kimi-k3 and kimi-k2.7 always think, kimi-k2.6 unless thinking.type is disabled; "
    "reasoning_effort on kimi-k3 is low, high or max.",
)
THINKING_ALWAYS = _rule(
    "thinking-always",
    "A",
    OWN,
    "Telling a model not to think that always does is refused with 400.",
)
REASONING_BACK = _rule(
    "reasoning-back",
    "O",
    SEEN,
    "While a model thinks, an assistant turn with tool calls must carry its "
    "reasoning_content, or the answer is 400. (require_reasoning switches it off.)",
)
REASONING_EMPTY = _rule(
    "reasoning-empty",
    "A",
    OWN,
    "An empty reasoning_content counts as one that was brought back: a turn that no "
    "model wrote has none.",
)
SAMPLING = _rule(
    "sampling",
    "D",
    CHAT_API,
    "The temperature of a kimi model is 1, and 0.6 for kimi-k2.6 while it does not "
    "think; any other is refused with 400.",
)
OUTPUT_LIMIT = _rule(
    "output-limit",
    "D",
    CHAT_API,
    "max_completion_tokens limits reasoning and answer together; the older max_tokens "
    "is read where it is absent.",
)
FREE_CHOICE = _rule(
    "free-choice",
    "O",
    SEEN,
    "While a model thinks, tool_choice must be auto or none.",
)
SCHEMA_SUBSET = _rule(
    "schema-subset",
    "D",
    CHAT_API,
    "Schemas of tools and answers keep to a subset of JSON schema: an object at the "
    "root, $defs only there, every property typed, no type beside anyOf, no title, "
    "$comment, format, prefixItems, exclusive bounds or bounds of contains.",
)
SCHEMA_STRICT = _rule(
    "schema-strict",
    "A",
    OWN,
    "A schema whose strict is false is not looked at; moonshot-v1 looks at none.",
)
FUNCTION_NAMES = _rule(
    "function-names",
    "D",
    CHAT_API,
    "A function's name is a letter or '_', then letters, digits, '-' and '_'.",
)
ATTACHMENTS = _rule(
    "attachments",
    "D",
    CHAT_API,
    "Images and videos come as data: or ms:// URLs; public ones are refused with 400.",
)
TEXT_ONLY = _rule(
    "text-only",
    "D",
    CHAT_API,
    "Models that read text only refuse content that is a list.",
)
TEXT_ONLY_MODELS = _rule(
    "text-only-models",
    "A",
    OWN,
    "These are the moonshot-v1 models, in a chat; a cached message may hold a list.",
)
PARTIAL = _rule(
    "partial",
    "D",
    CHAT_API,
    "A last assistant message that is partial is continued: the answer is what follows "
    "it.",
)
BUILT_INS = _rule(
    "built-in-functions",
    "A",
    OWN,
    "Built-in functions such as $web_search are refused with 400: nothing behind this "
    "server could search.",
)

# --- The bill of it -----------------------------------------------------------------
PREFIX_FEE = _rule(
    "prefix-fee",
    "D",
    PRICES,
    "Tokens read from a prefix cost the price of a cache read, written ones that of a "
    "write of their life; the three kinds of input do not overlap.",
)
UNPRICED = _rule(
    "unpriced",
    "A",
    OWN,
    "A model without a published price in the bill's currency is billed nothing, and "
    "the line says that it is not priced.",
)
