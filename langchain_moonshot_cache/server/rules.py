"""Every rule that the stand-in follows, with a mark of how well it is known.

A rule is a constant; the code that carries it out names it in ``@implements``. So no
rule is written here that nothing implements, and the page of rules is generated.
"""

from __future__ import annotations

from .marks import declare as _rule

REFERENCE = "API reference, June 2024"
ENGLISH = "English documentation, 2025"
LAUNCH = "launch post, 2024-07-01"
PRICES = "published price lists"
EXCHANGE = "recorded exchange, 2024"
GATEWAY = "recorded answer, 2026-09-24"
SEEN = "observed by others, undated"
CHAT_API = "chat API documentation"
OWN = "chosen here"
DISPUTED = "sources disagree"

# --- Accounts and errors ------------------------------------------------------------
BEARER = _rule(
    "bearer", "D", CHAT_API, "A request without a bearer key is answered with 401."
)
WRONG_KEY = _rule(
    "wrong-key",
    "A",
    OWN,
    "A key that begins with 'sk-wrong' is refused with 401, so that a key of another "
    "region can be tried.",
)
ACCOUNTS = _rule(
    "accounts",
    "D",
    REFERENCE,
    "Caches, tags and the bill belong to an account; another account sees none of it.",
)
KEYS = _rule(
    "keys",
    "A",
    OWN,
    "Every key is an account of its own, but keys that agree up to their first colon "
    "belong to one account.",
)
ERROR_FORM = _rule(
    "error-form",
    "A",
    OWN,
    "A refused caching request is answered with 400 or 404 and an error object of "
    "type and message.",
)
UNKNOWN_ROUTE = _rule(
    "unknown-route",
    "O",
    GATEWAY,
    "A route that does not exist is answered with 404 and a body whose error is the "
    "string 'url.not_found'.",
)
RETIRED = _rule(
    "retired",
    "O",
    GATEWAY,
    "A host without /v1/caching answers it as an unknown route; one host does so "
    "under status 200.",
)
UNKNOWN_MODEL = _rule(
    "unknown-model",
    "O",
    SEEN,
    "A model that is not served is answered with 404 resource_not_found_error.",
)

# --- The cache object ---------------------------------------------------------------
CACHE_ID = _rule(
    "cache-id",
    "O",
    EXCHANGE,
    "A cache id is 'cache-' and twenty lower-case letters or digits.",
)
OBJECT_NAME = _rule(
    "object-name",
    "O",
    EXCHANGE,
    "A cache calls itself 'context_cache_object', where the reference says "
    "'context-cache'; metadata that was not sent comes back null, an unset "
    "description as an empty string.",
)
ASYNC_CREATE = _rule(
    "asynchronous-creation",
    "D",
    REFERENCE,
    "A new cache is pending, and ready some time later.",
)
BUILD_ERROR = _rule(
    "failed-creation",
    "D",
    REFERENCE,
    "A cache that could not be built ends in status error and carries an error "
    "object. (Only a scripted fault makes this happen here.)",
)
INACTIVE = _rule(
    "inactive", "D", REFERENCE, "A cache is inactive once its expiry has passed."
)
FAMILY = _rule(
    "model-family",
    "D",
    REFERENCE,
    "A cache is made for a model family, never for one of its context sizes.",
)
MESSAGES = _rule(
    "cached-messages",
    "D",
    REFERENCE,
    "A cache holds system, user, assistant and tool messages, none of them partial.",
)
TOOL_TURNS = _rule(
    "tool-turns",
    "D",
    REFERENCE,
    "A tool message needs the assistant's call before it, every call is answered, and "
    "every called tool is among the tools.",
)
LIFE = _rule(
    "life",
    "D",
    REFERENCE,
    "Either ttl or expired_at may be set; unset or 0 means one hour, and one hour is "
    "the longest.",
)
METADATA = _rule(
    "metadata",
    "D",
    REFERENCE,
    "At most 16 pairs of metadata, keys up to 64 and values up to 512 characters; a "
    "name has at most 256, a description 512.",
)
CACHE_TOKENS = _rule(
    "cache-tokens", "D", REFERENCE, "One cache holds at most 128k tokens."
)
ACCOUNT_TOKENS = _rule(
    "account-tokens",
    "D",
    REFERENCE,
    "The caches of one user hold at most 1M tokens together.",
)
ACCOUNT_LIVING = _rule(
    "account-living",
    "A",
    OWN,
    "Only caches that are pending or ready count towards the user's limit.",
)
LISTING = _rule(
    "listing",
    "D",
    REFERENCE,
    "Lists are sorted by creation, newest first unless told otherwise, in pages of "
    "20; both cursors are exclusive; caches can be filtered by metadata.",
)
CURSOR = _rule(
    "cursor",
    "A",
    OWN,
    "A deleted cache still works as a cursor; one that never was is answered with 404.",
)
UPDATE = _rule(
    "update",
    "D",
    REFERENCE,
    "An update may change metadata and life, and puts the cache back to pending.",
)
UPDATE_REVIVES = _rule(
    "update-revives",
    "A",
    OWN,
    "An update without a ttl leaves the expiry of a living cache alone and gives an "
    "inactive one an hour.",
)
DELETE = _rule(
    "delete",
    "D",
    REFERENCE,
    "A deleted cache is confirmed once; after that, as for any unknown id, 404.",
)

# --- Tags ---------------------------------------------------------------------------
TAGS = _rule(
    "tags",
    "D",
    REFERENCE,
    "A tag is a letter and up to 127 letters, '_', '-' or '.', points at one cache, "
    "and its content is that cache.",
)
TAG_MOVES = _rule(
    "tag-moves", "A", OWN, "Binding a tag that exists moves it to the new cache."
)
TAG_DELETE = _rule("tag-delete", "D", REFERENCE, "Deleting a tag always succeeds.")
TAG_DANGLES = _rule(
    "tag-dangles",
    "A",
    OWN,
    "A tag outlives its cache; its content is then answered with 404.",
)

# --- Using a cache ------------------------------------------------------------------
BY_MESSAGE = _rule(
    "by-message",
    "D",
    REFERENCE,
    "A first message of role cache names a cache or a tag; the cached messages take "
    "its place and the cached tools become the tools.",
)
CACHE_FIRST = _rule(
    "cache-first", "D", REFERENCE, "A cache message stands first or nowhere."
)
TOOLS_ABSENT = _rule(
    "tools-absent",
    "D",
    REFERENCE,
    "Beside a cache message tools must be absent or null; an empty list is refused.",
)
CACHE_CONTENT = _rule(
    "cache-content",
    "D",
    REFERENCE,
    "The parts of a cache message are joined by ';', none after the last.",
)
CACHE_CONTENT_PARTS = _rule(
    "cache-content-parts",
    "A",
    OWN,
    "An unknown, repeated or malformed part of a cache message is refused with 400.",
)
BY_HEADERS = _rule(
    "by-headers",
    "D",
    REFERENCE,
    "X-Msh-Context-Cache names a cache whose messages and tools the request repeats.",
)
HEADERS_MISMATCH = _rule(
    "headers-mismatch",
    "D",
    REFERENCE,
    "A request that does not repeat them exactly is answered and billed as usual.",
)
ONE_REFERENCE = _rule(
    "one-reference",
    "A",
    OWN,
    "A cache message and a cache header in one request are refused with 400.",
)
UNUSABLE = _rule(
    "unusable",
    "A",
    OWN,
    "A reference to an unknown cache or tag is answered with 404, to a pending, failed "
    "or inactive cache with 400, however it was made.",
)
FAMILY_USE = _rule(
    "family-use",
    "A",
    OWN,
    "A cache serves the models of its family; another model is refused with 400.",
)
RESET_TTL = _rule(
    "reset-ttl",
    "D",
    REFERENCE,
    "reset_ttl sets the expiry to now and that many seconds with each successful call.",
)
RESET_TTL_REVIVES = _rule(
    "reset-ttl-revives",
    "D",
    REFERENCE,
    "reset_ttl on an inactive cache brings it back as pending.",
)
RESET_TTL_REVIVAL_ANSWER = _rule(
    "reset-ttl-revival-answer",
    "A",
    OWN,
    "The call that revives a cache is itself answered with 400: not ready yet.",
)
DRY_RUN = _rule(
    "dry-run",
    "D",
    REFERENCE,
    "A dry run only checks: no inference, no tokens.",
)
DRY_RUN_ANSWER = _rule(
    "dry-run-answer",
    "A",
    OWN,
    "It is answered with a completion without choices and with a usage of zero, and "
    "leaves the expiry alone.",
)
CACHE_HEADERS = _rule(
    "cache-headers",
    "D",
    REFERENCE,
    "A call that used a cache is answered with Msh-Context-Cache-Id, -Token-Saved and "
    "-Token-Exp.",
)
TOKEN_EXP = _rule(
    "token-exp",
    "A",
    OWN,
    "Msh-Context-Cache-Token-Exp is the cache's expiry in unix seconds.",
)

# --- Chat ---------------------------------------------------------------------------
CACHED_TOKENS = _rule(
    "cached-tokens",
    "D",
    ENGLISH,
    "usage.cached_tokens counts the prompt tokens that came from a cache.",
)
STREAM_USAGE = _rule(
    "stream-usage",
    "O",
    SEEN,
    "A stream of moonshot-v1 reports usage in the choice of its finishing chunk, and "
    "in a last chunk without choices when stream_options.include_usage asks for it.",
)
STREAM_USAGE_ASKED = _rule(
    "stream-usage-asked",
    "D",
    CHAT_API,
    "A stream of a kimi model reports usage only when stream_options.include_usage "
    "asks for it, in the same two places.",
)
CHAT_TOOL_TURNS = _rule(
    "chat-tool-turns",
    "A",
    OWN,
    "In a chat, too, a tool message needs a call before it and every call an answer; "
    "the called tools need not be among the tools.",
)
TOOL_CHOICE = _rule(
    "tool-choice",
    "A",
    OWN,
    "A tool_choice that requires or names a tool which is not there is refused.",
)
ONE_CHOICE = _rule("one-choice", "A", OWN, "Only n = 1 is served.")
SCRIPTED = _rule(
    "scripted-engine",
    "A",
    OWN,
    "Answers are made up by rules, and system_fingerprint says so.",
)
TOKEN_COUNT = _rule(
    "token-count",
    "D",
    ENGLISH,
    "Tokens are estimated: about four English characters or one and a half to two "
    "Chinese ones.",
)
BALANCE = _rule(
    "balance",
    "A",
    OWN,
    "Every account starts with the same credit; the bill is taken off it.",
)
STRICT = _rule(
    "strict-requests",
    "A",
    OWN,
    "A body that the OpenAPI document does not allow is refused with 400; fields that "
    "it does not name are ignored.",
)
SERVER_CLOCK = _rule(
    "server-clock",
    "A",
    OWN,
    "Every answer carries an Msh-Request-Id, and a Date by the server's own clock.",
)

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

# --- The bill -----------------------------------------------------------------------
CREATION_FEE = _rule(
    "creation-fee",
    "D",
    PRICES,
    "Creation is charged once per token stored; renewals are not charged again.",
)
CREATION_CHARGED = _rule(
    "creation-charged",
    "A",
    OWN,
    "It is charged when the request is accepted, unless building the cache fails.",
)
STORAGE_FEE = _rule(
    "storage-fee",
    "D",
    PRICES,
    "Storage is charged per token and minute alive; a started minute counts whole.",
)
STORAGE_SPAN = _rule(
    "storage-span",
    "A",
    OWN,
    "A cache is alive from its creation to its expiry or deletion, in whole seconds of "
    "the wire; a revived cache starts a new span.",
)
CALL_FEE = _rule(
    "call-fee",
    "D",
    PRICES,
    "A call that used a cache pays a fee, its other input tokens and its output.",
)
PRICE_DAY = _rule(
    "price-day",
    "A",
    OWN,
    "The price list of the server's day holds; before the first list, the first.",
)
AUTO_SIZE = _rule(
    "auto-size",
    "A",
    OWN,
    "moonshot-v1-auto costs what the smallest context size that fits would cost.",
)
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
