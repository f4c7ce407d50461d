"""What a Redis registry has Redis do in one piece, in Lua.

Redis runs a script as a whole, so nobody comes between reading a fence and writing an
entry. Its own clock decides, unless a test passes one as the first argument: hosts that
share a registry need not agree about the time.

Keys end by themselves, long after what they hold is over, so that nothing piles up.
"""

from __future__ import annotations

__all__ = [
    "CLAIM",
    "CLEAR",
    "DROP",
    "FIELDS",
    "HOLD",
    "MARK",
    "MARKED",
    "OWNER",
    "RECORD",
    "RELEASE",
]

FIELDS = (
    "state",
    "fence",
    "cache_id",
    "tokens",
    "ttl",
    "expires_at",
    "retry_at",
    "failures",
    "note",
    "gaps",
    "used_at",
)
"""The fields of an entry's hash, beside ``lease_owner`` and ``lease_until``; an empty
string stands for None. ``RECORD`` is given their values in this order."""

_CLOCK = """
local now = tonumber(ARGV[1])
if now == nil then
    local time = redis.call('TIME')
    now = tonumber(time[1]) + tonumber(time[2]) / 1000000
end
local function exact(number) return string.format('%.17g', number) end
"""
"""Lua writes numbers with 14 digits unless told otherwise, which loses microseconds."""

_LEASE = """
local function holder_of_lease()
    local lease = redis.call('HMGET', KEYS[1], 'lease_owner', 'lease_until')
    if lease[1] and now < tonumber(lease[2]) then return lease[1] end
    return false
end
"""

_KEEP = """
local function keep(finish)
    local left = math.max(finish - now, 0) + 604800
    local milliseconds = string.format('%.0f', left * 1000)
    if redis.call('PTTL', KEYS[1]) < tonumber(milliseconds) then
        redis.call('PEXPIRE', KEYS[1], milliseconds)
    end
end
"""
"""Seven days after the end of a cache: an expired one may be brought back for less than
a new one costs, for as long as the server remembers it. Never shortened."""

CLAIM = (
    _CLOCK
    + _LEASE
    + _KEEP
    + """
local holder = holder_of_lease()
local won = 0
if not holder or holder == ARGV[2] then
    won = 1
    -- The time as a floor keeps fences rising when Redis lost what it knew.
    local last = tonumber(redis.call('HGET', KEYS[1], 'fence') or 0)
    local fence = math.max(last + 1, math.floor(now * 1000000))
    local finish = now + tonumber(ARGV[3])
    redis.call('HSET', KEYS[1], 'fence', string.format('%.0f', fence),
        'lease_owner', ARGV[2], 'lease_until', exact(finish))
    redis.call('HSETNX', KEYS[1], 'state', 'absent')
    keep(finish)
end
return {won, redis.call('HMGET', KEYS[1], 'state', 'fence', 'cache_id', 'tokens', 'ttl',
    'expires_at', 'retry_at', 'failures', 'note', 'gaps', 'used_at')}
"""
)
"""KEYS: entry. ARGV: clock, owner, lease. Returns whether it was won, and the entry."""

RECORD = (
    _CLOCK
    + _KEEP
    + """
local fence = redis.call('HGET', KEYS[1], 'fence')
if fence and fence ~= ARGV[3] then return 0 end
redis.call('HSET', KEYS[1], 'state', ARGV[2], 'fence', ARGV[3], 'cache_id', ARGV[4],
    'tokens', ARGV[5], 'ttl', ARGV[6], 'expires_at', ARGV[7], 'retry_at', ARGV[8],
    'failures', ARGV[9], 'note', ARGV[10], 'gaps', ARGV[11], 'used_at', ARGV[12])
keep(tonumber(ARGV[7]))
return 1
"""
)
"""KEYS: entry. ARGV: clock, then the fields."""

RELEASE = """
if redis.call('HGET', KEYS[1], 'lease_owner') == ARGV[1] then
    redis.call('HDEL', KEYS[1], 'lease_owner', 'lease_until')
end
"""
"""KEYS: entry. ARGV: owner."""

OWNER = _CLOCK + _LEASE + "return holder_of_lease()"
"""KEYS: entry. ARGV: clock."""

CLEAR = """
if redis.call('HGET', KEYS[1], 'cache_id') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'state', 'absent')
redis.call('HDEL', KEYS[1], 'cache_id', 'tokens', 'ttl', 'expires_at', 'retry_at',
    'failures', 'note')
redis.call('DEL', KEYS[2])
return 1
"""
"""KEYS: entry, holds. ARGV: cache id."""

HOLD = (
    _CLOCK
    + _KEEP
    + """
local finish = now + tonumber(ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', exact(now))
redis.call('ZADD', KEYS[1], exact(finish), ARGV[2])
keep(finish)
"""
)
"""KEYS: holds. ARGV: clock, holder, seconds."""

DROP = (
    _CLOCK
    + """
redis.call('ZREM', KEYS[1], ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', exact(now))
return redis.call('ZCARD', KEYS[1])
"""
)
"""KEYS: holds. ARGV: clock, holder."""

MARK = (
    _CLOCK
    + """
local seconds = tonumber(ARGV[3])
redis.call('HSET', KEYS[1], 'value', ARGV[2], 'until', exact(now + seconds))
local milliseconds = (math.max(seconds, 0) + 60) * 1000
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', milliseconds))
"""
)
"""KEYS: mark. ARGV: clock, value, seconds."""

MARKED = (
    _CLOCK
    + """
local mark = redis.call('HMGET', KEYS[1], 'value', 'until')
if mark[1] and now < tonumber(mark[2]) then return mark[1] end
return false
"""
)
"""KEYS: mark. ARGV: clock."""
