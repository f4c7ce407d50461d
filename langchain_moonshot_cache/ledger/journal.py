"""Lines of calls that are on their way into the database.

A statement costs SQLite little time of its own, but it touches so much memory that in
the midst of a chat call it costs the process a tenth of a millisecond or two. Appending
a line to a file costs a fraction of that, and is as durable: what was written is there
when the process is killed. So each process appends to a file of its own, beside the
database, and now and then somebody folds what stands there into the database.

- A file only grows, and the database says up to where it was folded. That is changed in
  the transaction that adds the sums, so each line counts once, whoever folds it.
- A process locks its file while it lives. A file that is folded and not locked has no
  writer any more, and is deleted.
- Files are opened and deleted within a writing transaction only, so nobody reads one
  that somebody else has done with.
"""

from __future__ import annotations

import glob
import os
import tempfile
import time
import weakref
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from langchain_moonshot_cache.errors import RegistryError

try:
    import fcntl
except ImportError:  # a system without this kind of lock
    fcntl = None  # type: ignore[assignment]  # looked at before each use

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

__all__ = ["Journal", "fold", "sweep"]

_MOST_LINES = 1024
"""Lines after which they are folded: folding costs some milliseconds, so some
thousandths of one for each call."""
_MOST_SECONDS = 30.0
"""Seconds after which a line is folded with the next one, so that little is lost where
a file is deleted by hand, or copied without its journals."""
_LOOK_EVERY = 1.0
"""Seconds after which a process looks whether its file was deleted, with the next
line: as much as may be lost then."""
_LARGEST = 1_000_000
"""Bytes after which a new file is begun: some thousands of calls."""

_INFIX = "-ledger-"
"""Stands between the name of the database and what tells journals apart."""

_FOLDED = "SELECT folded FROM ledger_journals WHERE name = ?"
_FOLD = """
    INSERT INTO ledger_journals (name, folded) VALUES (?, ?)
    ON CONFLICT DO UPDATE SET folded = excluded.folded
"""
_NAMES = "SELECT name FROM ledger_journals"
_DROP = "DELETE FROM ledger_journals WHERE name = ?"


class Journal:
    """The file that this process appends to, made when the first line is.

    Args:
        path: The database.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()
        self._locks: dict[int, Lock] = {}
        self._process = 0
        self._file = -1
        self.opened = False
        """Whether there is a file, perhaps of the process this was forked from."""
        self.due = False
        """Whether it is time to fold."""
        self._lines = 0
        self._bytes = 0
        self._folded_at = self._looked_at = 0.0
        self._closing: weakref.finalize[[int, int], Journal] | None = None

    @property
    def ready(self) -> bool:
        """Whether appending is one short system call, fit for an event loop."""
        return self._file >= 0 and self._process == os.getpid()

    def append(self, line: bytes) -> bool:
        """Append a line.

        Returns:
            False where files cannot be locked, so that there are no journals.

        Raises:
            RegistryError: It could not be written; nothing of it will count.
        """
        if fcntl is None:
            return False
        if self._process != os.getpid():
            self._begin_after_fork()
        now = time.monotonic()
        with self._lock:
            try:
                if now - self._looked_at > _LOOK_EVERY:
                    self._look(now)
                if self._file < 0:
                    self._open()
                whole = os.write(self._file, line) == len(line)
            except OSError as error:
                raise _trouble(self._path, error.strerror) from error
            if not whole:
                # A line without an end is never read, nor what would follow it.
                self._close()
                raise _trouble(self._path, "the disk is full")
            self._lines += 1
            self._bytes += len(line)
            late = now - self._folded_at > _MOST_SECONDS
            self.due = late or self._lines >= _MOST_LINES
        return True

    def folded(self) -> None:
        """Note that all lines were folded, or that folding was tried."""
        if self._process != os.getpid():
            self._begin_after_fork()
        with self._lock:
            self._lines, self.due = 0, False
            self._folded_at = time.monotonic()
            if self._bytes > _LARGEST:
                self._close()

    def close(self) -> None:
        """Give the file up; its lines remain, for whoever folds them."""
        if not self.ready:
            return
        with self._lock:
            self._close()

    def _begin_after_fork(self) -> None:
        """Leave the parent's file to the parent, and its lock, which may be held."""
        process = os.getpid()
        with (lock := self._locks.setdefault(process, Lock())):
            if self._process != process:
                self._lock = lock
                self._file, self._closing = -1, None
                self._lines, self._bytes, self.due = 0, 0, False
                self._process = process

    def _look(self, now: float) -> None:
        """Let go of a file that was deleted: nobody would ever read what is added."""
        self._looked_at = now
        if self._file >= 0 and not os.fstat(self._file).st_nlink:
            self._close()

    def _open(self) -> None:
        """Make a file, which has its name only when it is locked."""
        handle, draft = tempfile.mkstemp(
            dir=self._path.parent, prefix=f".{self._path.name}."
        )
        os.close(handle)
        # Not to wait is said for event loops; a file takes a line at once anyway.
        flags = os.O_WRONLY | os.O_APPEND | getattr(os, "O_NONBLOCK", 0)
        file = os.open(draft, flags)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            os.replace(draft, f"{_beginning(self._path)}{draft.rpartition('.')[2]}")  # noqa: PTH105 - beside os.open, of the same file
        except OSError:
            # Lines would go where nobody looks for them.
            os.close(file)
            Path(draft).unlink(missing_ok=True)
            raise
        self._closing = weakref.finalize(self, _close, file, os.getpid())
        self._file, self.opened = file, True
        self._bytes = 0
        self._folded_at = time.monotonic()

    def _close(self) -> None:
        if self._closing is not None:
            self._closing()
        self._file = -1
        self.opened = False


def fold(
    file: sqlite3.Connection, path: Path, *, read: Callable[[bytes], None]
) -> None:
    """Hand over the lines of all journals that were not folded before.

    Args:
        file: A connection within a writing transaction.
        path: The database.
        read: Is given each line.
    """
    for journal in _journals(path):
        row = file.execute(_FOLDED, (journal.name,)).fetchone()
        begin = 0 if row is None else int(row[0])
        with suppress(FileNotFoundError), journal.open("rb") as lines:
            lines.seek(begin)
            text = lines.read()
            whole = text[: text.rfind(b"\n") + 1]
            for line in whole.splitlines():
                read(line)
            if whole:
                file.execute(_FOLD, (journal.name, begin + len(whole)))


def sweep(file: sqlite3.Connection, path: Path) -> None:
    """Delete the journals that are folded and have no writer any more.

    Args:
        file: A connection within a writing transaction, which begins after the one in
            which they were folded has ended.
        path: The database.
    """
    journals = {journal.name: journal for journal in _journals(path)}
    folded = {name for (name,) in file.execute(_NAMES)}
    for name in folded - journals.keys():
        file.execute(_DROP, (name,))
    for name, journal in journals.items():
        row = file.execute(_FOLDED, (name,)).fetchone()
        if _is_over(journal, folded=0 if row is None else int(row[0])):
            journal.unlink(missing_ok=True)


def _is_over(journal: Path, *, folded: int) -> bool:
    """Tell whether nobody will write to a file any more, and all of it is folded."""
    try:
        with journal.open("rb") as lines:
            fcntl.flock(lines, fcntl.LOCK_EX | fcntl.LOCK_NB)
            lines.seek(folded)
            return b"\n" not in lines.read()
    except OSError:
        return False


def _journals(path: Path) -> list[Path]:
    return sorted(path.parent.glob(f"{glob.escape(path.name)}{_INFIX}*"))


def _beginning(path: Path) -> str:
    return f"{path}{_INFIX}"


def _close(file: int, process: int) -> None:
    if process == os.getpid():
        os.close(file)


def _trouble(path: Path, reason: str | None) -> RegistryError:
    return RegistryError(
        f"the ledger's journal beside {path}: {reason}; make room, or see that this "
        "user may write the directory"
    )
