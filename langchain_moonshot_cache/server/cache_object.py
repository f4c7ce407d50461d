"""The cache object: one row of the store, read at one moment."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from .marks import implements
from .rules import BUILD_ERROR, INACTIVE, OBJECT_NAME

if TYPE_CHECKING:
    import sqlite3

__all__ = ["Cache", "Status", "read_cache"]

Status = Literal["pending", "ready", "error", "inactive"]
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Cache:
    """One row, at one moment.

    Attributes:
        id: The id.
        account: Whose it is.
        model: The model family.
        tokens: Tokens stored.
        status: Where its life stands.
        expired_at: Unix seconds.
        row: The stored row, with the JSON texts unread.
    """

    id: str
    account: str
    model: str
    tokens: int
    status: Status
    expired_at: int
    row: sqlite3.Row

    def messages(self) -> list[Json]:
        """Return the cached messages as they were sent."""
        messages: list[Json] = json.loads(self.row["messages"])
        return messages

    def tools(self) -> list[Json] | None:
        """Return the cached tools as they were sent."""
        tools: list[Json] | None = json.loads(self.row["tools"] or "null")
        return tools

    @implements(OBJECT_NAME)
    def wire(self) -> Json:
        """Return the cache object of the API."""
        body: Json = {
            "id": self.id,
            "object": "context_cache_object",
            "created_at": self.row["created_at"],
            "model": self.model,
            "messages": self.messages(),
            "tools": self.tools(),
            "name": self.row["name"],
            "description": self.row["description"],
            "metadata": json.loads(self.row["metadata"] or "null"),
            "expired_at": self.expired_at,
            "status": self.status,
            "tokens": self.tokens,
        }
        if self.status == "error":
            message = self.row["failure"]
            body["error"] = {"type": "server_error", "message": message}
        return body


@implements(INACTIVE, BUILD_ERROR)
def read_cache(row: sqlite3.Row, *, now: float) -> Cache:
    """Return the cache that a row describes, with its status at a time."""
    status: Status = "ready"
    if now < row["ready_at"] and now < row["expired_at"]:
        status = "pending"
    elif row["failure"]:
        status = "error"
    elif now >= row["expired_at"]:
        status = "inactive"
    return Cache(
        id=row["id"],
        account=row["account"],
        model=row["model"],
        tokens=row["tokens"],
        status=status,
        expired_at=row["expired_at"],
        row=row,
    )
