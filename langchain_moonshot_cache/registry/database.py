"""Connections to a SQLite file that others use too, and that may vanish.

Each process has two connections, one for reading and one for writing, each behind a
lock. In WAL mode a reader never waits for a writer, so lookups go on while some other
process keeps ours from writing. One connection per thread would be no faster, since
SQLite needs less time for a lookup than Python for what surrounds it, and would leave
open files behind with every thread that ends.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
import time
import weakref
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from langchain_moonshot_cache.errors import RegistryError
from langchain_moonshot_cache.registry.schema import inspect, migrate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Database"]

_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_PRIMARY = 0xFF
"""SQLite's extended result codes carry the primary one in their lowest byte."""

_NEXT_STEP = {
    sqlite3.SQLITE_NOTADB: "it is no database: delete it, or name another file in "
    "MOONSHOT_CACHE_REGISTRY",
    sqlite3.SQLITE_CORRUPT: "it is damaged: delete it with its -wal and -shm; caches "
    "that still live are found again by a sweep",
    sqlite3.SQLITE_FULL: "the disk is full: make room, or name a file elsewhere in "
    "MOONSHOT_CACHE_REGISTRY",
    sqlite3.SQLITE_BUSY: "another process has kept it locked for longer than "
    "busy_timeout: look for one that hangs",
}
_ANY_STEP = (
    "see that this user may write the file and its directory, or name another in "
    "MOONSHOT_CACHE_REGISTRY"
)

_SHORT_NAP = 0.005
"""Seconds between attempts to switch to WAL, which SQLite does not wait for itself."""


class Database:
    """A file of ours, opened at first use, in each process anew.

    Args:
        path: The file. It is created with mode 0600, a missing directory with 0700;
            what exists keeps its mode.
        synchronous: ``"NORMAL"`` or ``"FULL"``, as SQLite means it.
        busy_timeout: Seconds to wait for another writer.
    """

    def __init__(self, path: Path, *, synchronous: str, busy_timeout: float) -> None:
        self.path = path
        self._synchronous = synchronous
        self._busy_timeout = busy_timeout
        self._sessions: dict[int, _Session] = {}
        self._closed = False

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Lend the connection for reading.

        Raises:
            RegistryError: The file cannot be opened or read.
        """
        with self._session().reader.lent() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Lend the connection for one transaction, committed at the end.

        The transaction begins by locking: one that begins by reading and goes on to
        write is refused at once, without waiting, when somebody wrote in between.

        Raises:
            RegistryError: The file cannot be opened or written; nothing was changed.
        """
        with self._session().writer.lent() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
                raise

    def write(self, work: Callable[[sqlite3.Connection], object]) -> None:
        """Do the same as with :meth:`writing`, the short way, for every call's share.

        Args:
            work: Executes one statement, or several between a ``BEGIN IMMEDIATE`` and
                a ``COMMIT`` of its own.

        Raises:
            RegistryError: The file cannot be opened or written; nothing was changed.
        """
        try:
            self._session().writer.run(work, timeout=self._busy_timeout)
        except (sqlite3.Error, OSError):
            with self.explained():
                raise

    def close(self) -> None:
        """Close this process's connections; the others' are none of our business."""
        self._closed = True
        if session := self._sessions.get(os.getpid()):
            session.close()

    def open(self) -> sqlite3.Connection:
        """Open one more connection to the file, which is made if it is missing.

        Raises:
            RegistryError: No home directory is known, and the path begins with one.
        """
        if self.path.parts[0].startswith("~"):
            raise RegistryError(
                f"no home directory is known, so there is no {self.path}: name a file "
                "in MOONSHOT_CACHE_REGISTRY"
            )
        if not self.path.exists():
            _make_file(self.path)
        inspect(self.path)
        connection = sqlite3.connect(
            self.path,
            timeout=self._busy_timeout,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            connection.execute(f"PRAGMA synchronous = {self._synchronous}")
            migrate(connection, self.path)
            self._switch_to_wal(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _switch_to_wal(self, connection: sqlite3.Connection) -> None:
        deadline = time.monotonic() + self._busy_timeout
        while True:
            try:
                # Where WAL is impossible SQLite answers with the mode that it keeps.
                # That is slower and just as right.
                connection.execute("PRAGMA journal_mode = WAL").fetchone()
            except sqlite3.OperationalError as error:
                if not _is_busy(error) or time.monotonic() > deadline:
                    raise
                time.sleep(_SHORT_NAP)
            else:
                return

    def _session(self) -> _Session:
        if self._closed:
            raise RegistryError(f"the registry {self.path} is closed: open another")
        process = os.getpid()
        session = self._sessions.get(process)
        if session is None:
            # After a fork, the parent's connections stay where they are: using or
            # closing them here would pull files and locks from under the parent.
            session = self._sessions.setdefault(process, _Session(self))
            weakref.finalize(self, session.close)
        return session

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turn errors of SQLite and of the file system into ours.

        Raises:
            RegistryError: In their place, with what to do about them.
        """
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY
            step = _NEXT_STEP.get(code, _ANY_STEP)
            raise RegistryError(f"the registry {self.path}: {error}; {step}") from error
        except OSError as error:
            trouble = error.strerror or type(error).__name__
            raise RegistryError(
                f"the registry {self.path}: {trouble}; {_ANY_STEP}"
            ) from error

    @contextmanager
    def locked(self, lock: Lock) -> Iterator[None]:
        """Wait for another thread no longer than for another process."""
        if not lock.acquire(timeout=self._busy_timeout):
            raise self.busy()
        try:
            yield
        finally:
            lock.release()

    def busy(self) -> RegistryError:
        """Make the error about other threads that do not let go."""
        return RegistryError(
            f"the registry {self.path}: other threads have kept it busy for longer "
            f"than {self._busy_timeout} s; {_NEXT_STEP[sqlite3.SQLITE_BUSY]}"
        )


class _Session:
    """The connections of one process."""

    def __init__(self, database: Database) -> None:
        # Weakly, for the finalizer keeps the session until the database is gone.
        self._process = os.getpid()
        owner = weakref.proxy(database)
        self.reader = _Connection(owner)
        self.writer = _Connection(owner)

    def close(self) -> None:
        if self._process == os.getpid():
            self.reader.close()
            self.writer.close()


class _Connection:
    """A connection, opened again when its file was deleted or replaced."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = Lock()
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None

    @contextmanager
    def lent(self) -> Iterator[sqlite3.Connection]:
        with self._database.explained(), self._database.locked(self._lock):
            try:
                yield self._current()
            except sqlite3.Error as error:
                if not _is_busy(error):
                    # Whoever repairs the file should not have to restart us.
                    self._forget()
                raise

    def run(
        self, work: Callable[[sqlite3.Connection], object], *, timeout: float
    ) -> None:
        """Do something with the connection."""
        if not self._lock.acquire(timeout=timeout):
            raise self._database.busy()
        try:
            work(self._current())
        except BaseException as error:
            self._give_up(error)
            raise
        finally:
            self._lock.release()

    def _give_up(self, error: BaseException) -> None:
        """Leave no transaction behind, and no connection that may be broken."""
        if self._connection is not None and self._connection.in_transaction:
            with suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
        if isinstance(error, sqlite3.Error) and not _is_busy(error):
            self._forget()

    def _current(self) -> sqlite3.Connection:
        if self._connection is None or self._file != _identity(self._database.path):
            self._forget()
            self._connection = self._database.open()
            self._file = _identity(self._database.path)
        return self._connection

    def _forget(self) -> None:
        # SQLite leaves a log alone whose database was moved or deleted, so this takes
        # nothing from whoever made a new file in the old one's place.
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()

    def close(self) -> None:
        with self._lock:
            self._forget()


def _is_busy(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & _PRIMARY in _BUSY


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - on the path of every lookup
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _make_file(path: Path) -> None:
    """Make an empty file with mode 0600, unless somebody is faster.

    It gets its name only when it is finished and closed: were it opened under its own
    name, closing it would drop the locks that another thread may have on it by then.
    """
    _make_directory(path.parent)
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    except OSError:
        # A file system without links. Should two processes come here at once, the one
        # whose file is replaced notices that at its next use.
        os.replace(draft, path)  # noqa: PTH105 - beside os.link, its counterpart
        return
    Path(draft).unlink()


def _make_directory(directory: Path) -> None:
    if not directory.is_dir():
        _make_directory(directory.parent)
        directory.mkdir(mode=0o700, exist_ok=True)
