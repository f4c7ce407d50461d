"""What a SQLite registry says to its file.

A lease, a hold or a mark lives from ``since`` to ``until``. One whose ``since`` lies
more than ``:jump`` seconds ahead was written before the clock was set back, and would
last for hours or days: it counts as over.
"""

from __future__ import annotations

__all__ = [
    "CLAIM",
    "CLEAR",
    "CLEAR_HOLDS",
    "COUNT_HOLDS",
    "DROP",
    "FIELDS",
    "HOLD",
    "LEASE",
    "LOOKUP",
    "MARK",
    "MARKED",
    "PAGE_AFTER",
    "PRUNE",
    "RECORD",
    "RELEASE",
    "UNMARK",
]

FIELDS = (
    "key",
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
"""The columns that make an entry, in the order in which the statements name them."""

LOOKUP = """
    SELECT key, state, fence, cache_id, tokens, ttl, expires_at, retry_at, failures,
        note, gaps, used_at
    FROM entries WHERE key = ?
"""

PAGE_AFTER = """
    SELECT key, state, fence, cache_id, tokens, ttl, expires_at, retry_at, failures,
        note, gaps, used_at
    FROM entries WHERE key > ? ORDER BY key LIMIT 500
"""
"""A page at a time, so that a slow reader keeps no snapshot of the file alive."""

LEASE = """
    SELECT lease_owner FROM entries
    WHERE key = :key AND lease_since <= :now + :jump AND :now < lease_until
"""

CLAIM = """
    INSERT INTO entries (key, fence, lease_owner, lease_since, lease_until, keep_days)
    VALUES (:key, :fence, :owner, :now, :until, :keep_days)
    ON CONFLICT (key) DO UPDATE SET
        fence = excluded.fence,
        lease_owner = excluded.lease_owner,
        lease_since = excluded.lease_since,
        lease_until = excluded.lease_until,
        keep_days = max(keep_days, excluded.keep_days)
"""

RECORD = """
    INSERT INTO entries (key, state, fence, cache_id, tokens, ttl, expires_at, retry_at,
        failures, note, gaps, used_at, keep_days)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (key) DO UPDATE SET
        state = excluded.state,
        cache_id = excluded.cache_id,
        tokens = excluded.tokens,
        ttl = excluded.ttl,
        expires_at = excluded.expires_at,
        retry_at = excluded.retry_at,
        failures = excluded.failures,
        note = excluded.note,
        gaps = excluded.gaps,
        used_at = excluded.used_at,
        keep_days = max(keep_days, excluded.keep_days)
    WHERE fence = excluded.fence
"""

RELEASE = """
    UPDATE entries SET lease_owner = NULL, lease_until = 0
    WHERE key = ? AND lease_owner = ?
"""

CLEAR = """
    UPDATE entries SET state = 'absent', cache_id = NULL, tokens = NULL, ttl = NULL,
        expires_at = 0, retry_at = 0, failures = 0, note = ''
    WHERE key = ? AND cache_id = ?
"""
CLEAR_HOLDS = "DELETE FROM holds WHERE key = ?"

HOLD = """
    INSERT INTO holds (key, holder, since, until) VALUES (?, ?, ?, ?)
    ON CONFLICT (key, holder) DO UPDATE
    SET since = excluded.since, until = excluded.until
"""

DROP = """
    DELETE FROM holds WHERE key = :key
    AND (holder = :holder OR until <= :now OR since > :now + :jump)
"""
COUNT_HOLDS = "SELECT count(*) FROM holds WHERE key = ?"

MARK = """
    INSERT INTO marks (name, value, since, until) VALUES (?, ?, ?, ?)
    ON CONFLICT (name) DO UPDATE
    SET value = excluded.value, since = excluded.since, until = excluded.until
"""

MARKED = """
    SELECT value FROM marks
    WHERE name = :name AND since <= :now + :jump AND :now < until
"""

UNMARK = "DELETE FROM marks WHERE name = ?"

PRUNE = (
    """
    DELETE FROM entries WHERE key IN (
        SELECT key FROM entries WHERE keep_days < :now / 86400.0 LIMIT 200
    )
    """,
    """
    DELETE FROM holds WHERE (key, holder) IN (
        SELECT key, holder FROM holds WHERE until <= :now LIMIT 200
    )
    """,
    "DELETE FROM marks WHERE until <= :now",
)
"""Some of what is over, found by index; the rest comes next time, so that no claim has
to wait for a big clean-up. Marks are too few to need an index or a limit."""
