"""Every rule that the stand-in follows, with a mark of how well it is known.

A rule is a constant; the code that carries it out names it in ``@implements``. So no
rule is written here that nothing implements, and the page of rules is generated.
"""

from __future__ import annotations

from .marks import declare as _rule

REFERENCE = "API reference, June 2024"
ENGLISH = "English documentation, 2025"
PRICES = "published price lists"
EXCHANGE = "recorded exchange, 2024"
GATEWAY = "recorded answer, 2026-09-24"
SEEN = "observed by others, undated"
CHAT_API = "chat API documentation"
OWN = "chosen here"

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
    "Caches, tags, files and the bill belong to an account; another account sees none "
    "of it.",
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

# --- Files ----------------------------------------------------------------------------
FILE_UPLOAD = _rule(
    "file-upload",
    "D",
    CHAT_API,
    "A file is uploaded as multipart/form-data, with the purpose 'file-extract'.",
)
FILE_TEXT = _rule(
    "file-text",
    "O",
    SEEN,
    "A file's content is JSON of content, file_type, filename, title and type; it is "
    "meant to be sent as a system message.",
)
FILE_ID = _rule(
    "file-id", "A", OWN, "A file's id is twenty lower-case letters or digits."
)
FILE_FORMATS = _rule(
    "file-formats",
    "A",
    OWN,
    "Text is found in files in UTF-8, and in .docx, .pptx and .xlsx; no PDF is read.",
)
FILE_FAILURE = _rule(
    "file-failure",
    "A",
    OWN,
    "A file without text is accepted with the status 'error', and its content is "
    "answered with 400.",
)
FILE_MEMORY = _rule(
    "file-memory",
    "A",
    OWN,
    "Texts of files stay until they are deleted or the server ends, whatever --data "
    "says.",
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
