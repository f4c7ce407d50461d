"""Calls wait in journals for the database, and each of them counts once."""

from __future__ import annotations

import os
import signal
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING
from unittest.mock import Mock

import pytest
from ledger_kit import NOON, life, record

from langchain_moonshot_cache import Ledger, RegistryError
from langchain_moonshot_cache.ledger import Renewal, journal

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/registry.sqlite"


def journals(directory: Path) -> list[Path]:
    return sorted(directory.glob("registry.sqlite-ledger-*"))


def in_tables(directory: Path) -> int:
    """Return the calls that are in the database itself."""
    with closing(sqlite3.connect(directory / "registry.sqlite")) as file:
        (calls,) = file.execute("SELECT sum(calls) FROM ledger_calls").fetchone()
    return int(calls or 0)


def test_calls_are_in_a_journal_first_and_count_at_once(
    tmp_path: Path, url: str
) -> None:
    ledger = Ledger.open(url)
    for _ in range(5):
        record(ledger)
    assert in_tables(tmp_path) == 0
    (file,) = journals(tmp_path)
    assert file.read_bytes().count(b"\n") == 5
    assert file.stat().st_mode & 0o777 == 0o600
    assert Ledger.open(url).total().calls == 5  # another reader, which folds them
    assert in_tables(tmp_path) == 5
    assert ledger.total().calls == 5
    record(ledger)
    assert Ledger.open(url).total().calls == ledger.total().calls == 6


def test_a_journal_is_folded_after_so_many_calls(tmp_path: Path, url: str) -> None:
    ledger = Ledger.open(url)
    for _ in range(1100):
        record(ledger)
    assert in_tables(tmp_path) == 1024


def test_a_journal_whose_writer_is_gone_is_deleted_once_it_is_folded(
    tmp_path: Path, url: str
) -> None:
    gone, alive = Ledger.open(url), Ledger.open(url)
    record(gone)
    record(alive)
    assert len(journals(tmp_path)) == 2
    gone._store.close()
    reader = Ledger.open(url)
    assert reader.total().calls == 2
    assert len(journals(tmp_path)) == 1
    record(alive)
    alive.close()
    assert journals(tmp_path) == []
    assert reader.total().calls == 3
    assert reader.total().calls == 3


def test_a_large_journal_is_followed_by_another(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "_LARGEST", 100)
    ledger = Ledger.open(url)
    for count in range(1, 5):
        record(ledger)
        assert ledger.total().calls == count
        assert len(journals(tmp_path)) <= 1


def test_a_child_of_a_fork_writes_to_a_journal_of_its_own(
    tmp_path: Path, url: str
) -> None:
    ledger = Ledger.open(url)
    record(ledger)
    child = os.fork()
    if not child:
        record(ledger)
        os._exit(len(journals(tmp_path)))
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 2
    record(ledger)
    assert ledger.total().calls == 3
    assert len(journals(tmp_path)) == 1  # the parent's


@pytest.mark.parametrize("step", ["fcntl.flock", "os.replace"])
def test_a_journal_that_could_not_be_made_takes_no_call(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    ledger = Ledger.open(url)
    with monkeypatch.context() as patch:
        patch.setattr(f"{journal.__name__}.{step}", Mock(side_effect=OSError))
        record(ledger)
        record(ledger)
    assert not [file for file in tmp_path.iterdir() if file.name.startswith(".")]
    ledger.flush()
    record(ledger)
    assert Ledger.open(url).total().calls == ledger.total().calls == 3


def test_a_child_that_was_forked_within_a_write_reads_and_writes(url: str) -> None:
    ledger = Ledger.open(url)
    record(ledger)
    with ledger._store._journal._lock:  # type: ignore[union-attr]  # of this store
        child = os.fork()
        if not child:
            signal.alarm(20)  # a lock that nobody lets go of would be waited for
            read = ledger.total().calls
            record(ledger)
            os._exit(10 * read + ledger.total().calls)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 12
    assert ledger.total().calls == 2


@pytest.mark.parametrize("gone", ["registry.sqlite*", "registry.sqlite-ledger-*"])
def test_calls_count_again_once_their_journal_was_deleted_by_hand(
    tmp_path: Path, url: str, gone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "_LOOK_EVERY", 0.0)
    ledger = Ledger.open(url)
    record(ledger)
    kept = ledger.total().calls if gone != "registry.sqlite*" else 0
    for file in tmp_path.glob(gone):
        file.unlink()
    record(ledger)
    record(ledger)
    assert ledger.total().calls == kept + 2
    assert Ledger.open(url).total().calls == kept + 2


@pytest.mark.parametrize(
    "line",
    [b"\xff\n", b"\n", b"a|b\n", b"|" * 30 + b"\n", b"2026|m|p||named|hit|CNY|x\n"],
)
def test_a_line_that_is_none_is_skipped_and_said(
    tmp_path: Path, url: str, line: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = Ledger.open(url)
    record(ledger)
    (file,) = journals(tmp_path)
    with file.open("ab") as text:
        text.write(line)
    record(ledger)
    assert ledger.total().calls == 2
    assert "unreadable" in caplog.text


def test_a_line_without_an_end_is_not_read_before_it_has_one(
    tmp_path: Path, url: str
) -> None:
    ledger = Ledger.open(url)
    record(ledger)
    (file,) = journals(tmp_path)
    whole = file.read_bytes()
    with file.open("ab") as text:
        text.write(whole[:30])
        text.flush()
        assert Ledger.open(url).total().calls == 1
        text.write(whole[30:])
    assert Ledger.open(url).total().calls == 2


def test_a_database_of_somebody_else_gets_no_journal(tmp_path: Path, url: str) -> None:
    with closing(sqlite3.connect(tmp_path / "registry.sqlite")) as file:
        file.execute("CREATE TABLE theirs (a)")
    before = (tmp_path / "registry.sqlite").read_bytes()
    ledger = Ledger.open(url)
    record(ledger)
    assert journals(tmp_path) == []
    assert (tmp_path / "registry.sqlite").read_bytes() == before
    with pytest.raises(RegistryError, match="another program"):
        ledger.total()


def test_where_files_cannot_be_locked_calls_go_into_the_database(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "fcntl", None)
    ledger = Ledger.open(url)
    record(ledger)
    assert in_tables(tmp_path) == 1
    assert journals(tmp_path) == []
    assert ledger.total().calls == 1


def test_a_disk_that_is_full_loses_no_call(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger.open(url)
    record(ledger)
    with monkeypatch.context() as patch:
        # The system takes a part of a line before it says that there is no room.
        write = os.write
        patch.setattr(os, "write", lambda file, line: write(file, line[:20]))
        record(ledger)
        record(ledger)
    ledger.flush()
    record(ledger)
    assert ledger.total().calls == 4
    assert Ledger.open(url).total().calls == 4


def test_a_cache_deleted_after_its_renewal_was_noted_ends_then(url: str) -> None:
    """What is written in haste is brought in order before what is not."""
    ledger = Ledger.open(url, clock=lambda: NOON + 9000.0)
    ledger.made(life())
    moved = Renewal(account="a", cache_id="cache-1", since=NOON + 60, until=NOON + 3660)
    record(ledger, renewal=moved)
    ledger.changed(
        "a", "cache-1", lambda known: known.confirmed(at=NOON + 70, until=NOON + 3660)
    )
    assert not ledger.caches()[0].inferred
    record(ledger, renewal=moved)
    ledger.changed("a", "cache-1", lambda known: known.ended(at=NOON + 120))
    (known,) = ledger.caches()
    assert known.spans[-1].end == NOON + 120
    assert ledger.total().storage == 10


def test_an_older_file_is_brought_up_to_date_and_keeps_its_sums(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from langchain_moonshot_cache.registry import schema  # noqa: PLC0415 - used here alone

    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:2])
        with closing(sqlite3.connect(tmp_path / "registry.sqlite")) as file:
            schema.migrate(file, tmp_path / "registry.sqlite")
            file.execute(
                "INSERT INTO ledger_calls VALUES ('2026-11-01', 'm', '', '', 'named', "
                "'hit', 'CNY', 3, 30, 20, 0, 5, 7000000000000, 0, 0, 0, 0, 0, 0)"
            )
            file.commit()
    ledger = Ledger.open(url)
    record(ledger, mechanism="named")
    assert ledger.total().calls == 4
    assert str(ledger.total(until="2026-11-01").cost.normalize()) == "7"
