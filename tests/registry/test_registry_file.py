"""A SQLite registry whose file is in trouble: it says so, and harms nothing."""

from __future__ import annotations

import resource
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import pytest
from registry_kit import CHILDREN

from langchain_moonshot_cache.errors import RegistryError
from langchain_moonshot_cache.registry import Entry, SqliteRegistry, State, statements
from langchain_moonshot_cache.registry.conformance import Clock
from langchain_moonshot_cache.registry.schema import APPLICATION_ID, MIGRATIONS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ENTRY = Entry(key="key", state=State.READY, cache_id="cache-1", tokens=72)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "registry.sqlite"


@contextmanager
def registry_at(file: Path, **options: object) -> Iterator[SqliteRegistry]:
    with closing(SqliteRegistry(file, **options)) as registry:  # type: ignore[arg-type]
        yield registry


def fill(file: Path, *, entries: int = 1) -> None:
    with registry_at(file) as registry:
        registry.record(ENTRY)
        for number in range(entries - 1):
            registry.record(Entry(key=f"key-{number}"))


def refusal(file: Path) -> str:
    """Return what a registry says about a file that it cannot use."""
    with registry_at(file, busy_timeout=0.05) as registry:
        with pytest.raises(RegistryError) as caught:
            registry.lookup("key")
        assert str(file) in str(caught.value)
        with pytest.raises(RegistryError) as again:
            registry.record(ENTRY)
        assert str(again.value) == str(caught.value)
    return str(caught.value)


def bytes_in(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_file_log_and_index_are_private_and_so_is_a_new_directory(
    tmp_path: Path,
) -> None:
    file = tmp_path / "new" / "newer" / "registry.sqlite"
    with registry_at(file) as registry:
        registry.record(ENTRY)
        modes = {
            path.name: stat.S_IMODE(path.stat().st_mode)
            for path in [*file.parent.iterdir(), file.parent, file.parent.parent]
        }
    assert modes == {
        "registry.sqlite": 0o600,
        "registry.sqlite-wal": 0o600,
        "registry.sqlite-shm": 0o600,
        "new": 0o700,
        "newer": 0o700,
    }


def test_any_name_of_a_file_will_do(tmp_path: Path) -> None:
    file = tmp_path / "a b?mode=ro#c%41" / "注册 .sqlite"
    fill(file)
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    with registry_at(file) as registry:
        assert registry.lookup("key") == ENTRY


def test_a_directory_that_exists_keeps_its_mode(tmp_path: Path, file: Path) -> None:
    tmp_path.chmod(0o755)
    fill(file)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


def test_closing_leaves_one_file_behind_and_no_log(tmp_path: Path, file: Path) -> None:
    fill(file)
    assert list(bytes_in(tmp_path)) == ["registry.sqlite"]


def test_what_is_closed_cannot_be_used(file: Path) -> None:
    with registry_at(file) as registry:
        registry.record(ENTRY)
    with pytest.raises(RegistryError, match="closed"):
        registry.lookup("key")
    with registry_at(file) as registry:
        assert registry.lookup("key") == ENTRY


def make_foreign(file: Path, *, wal: bool) -> sqlite3.Connection:
    connection = sqlite3.connect(file)
    if wal:
        connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE holds (value TEXT)")
    connection.execute("INSERT INTO holds VALUES ('precious')")
    connection.commit()
    return connection


@pytest.mark.parametrize("wal", [False, True], ids=["with a journal", "with a log"])
@pytest.mark.parametrize("used", [False, True], ids=["idle", "open elsewhere"])
def test_the_database_of_another_program_is_left_as_it_was(
    tmp_path: Path, file: Path, *, wal: bool, used: bool
) -> None:
    connection = make_foreign(file, wal=wal)
    if not used:
        connection.close()
    before = bytes_in(tmp_path)
    assert "another program's database" in refusal(file)
    assert bytes_in(tmp_path) == before
    connection.close()


def test_a_file_of_a_newer_version_is_left_as_it_was(
    tmp_path: Path, file: Path
) -> None:
    fill(file)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    before = bytes_in(tmp_path)
    assert "newer version" in refusal(file)
    assert bytes_in(tmp_path) == before


def test_a_newer_version_is_noticed_where_only_the_log_knows_of_it(file: Path) -> None:
    fill(file)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
        connection.commit()
        assert "newer version" in refusal(file)


def test_a_schema_grows_from_version_to_version(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(file)
    later = (*MIGRATIONS, ("ALTER TABLE marks ADD COLUMN reason TEXT",))
    monkeypatch.setattr("langchain_moonshot_cache.registry.schema.MIGRATIONS", later)
    with registry_at(file) as registry:
        assert registry.lookup("key") == ENTRY
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (len(later),)
        assert connection.execute("SELECT reason FROM marks").fetchall() == []


def test_a_migration_that_fails_changes_nothing(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(file)
    broken = (*MIGRATIONS, ("CREATE TABLE more (a)", "CREATE TABLE holds (b)"))
    with monkeypatch.context() as patch:
        patch.setattr("langchain_moonshot_cache.registry.schema.MIGRATIONS", broken)
        assert "already exists" in refusal(file)
    with closing(sqlite3.connect(file)) as connection:
        found = connection.execute("SELECT name FROM sqlite_master").fetchall()
    assert ("more",) not in found
    with registry_at(file) as registry:
        assert registry.lookup("key") == ENTRY


def test_a_file_says_whose_it_is_from_its_first_commit_on(file: Path) -> None:
    fill(file)
    header = file.read_bytes()[:100]
    assert int.from_bytes(header[68:72], "big") == APPLICATION_ID


@pytest.mark.parametrize("content", [b"xy", b"not a database" * 1000, b"\0" * 8192])
def test_a_file_that_is_no_database_is_left_as_it_was(
    file: Path, content: bytes
) -> None:
    file.write_bytes(content)
    refusal(file)
    assert file.read_bytes() == content


@pytest.mark.parametrize("size", [50, 100, 4096, 5000, 12_288])
def test_a_file_cut_short_is_named_as_damaged(file: Path, size: int) -> None:
    fill(file, entries=500)
    whole = file.read_bytes()
    file.write_bytes(whole[:size])
    with registry_at(file) as registry, pytest.raises(RegistryError, match="delete it"):
        list(registry.entries())


def test_damage_in_the_middle_is_named_and_a_repair_is_noticed(file: Path) -> None:
    fill(file, entries=500)
    whole = file.read_bytes()
    with registry_at(file) as registry:
        file.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
        with pytest.raises(RegistryError, match="damaged: delete it"):
            list(registry.entries())
        for path in file.parent.iterdir():
            path.unlink()
        assert registry.lookup("key") is None
        assert registry.record(ENTRY)
        assert registry.lookup("key") == ENTRY


def test_an_empty_file_becomes_a_registry(file: Path) -> None:
    file.touch()
    fill(file)


def test_a_file_deleted_under_us_is_made_anew(file: Path) -> None:
    with registry_at(file) as registry:
        old = registry.claim("key", owner="ann", lease=600).entry
        file.unlink()
        assert registry.lookup("key") is None
        new = registry.claim("key", owner="bob", lease=600).entry
        assert new.fence > old.fence
        assert not registry.record(old)
        assert file.exists()


def test_a_file_replaced_under_us_keeps_what_others_wrote(file: Path) -> None:
    with registry_at(file) as ours:
        ours.record(ENTRY)
        ours.lookup("key")
        for path in file.parent.iterdir():
            path.unlink()
        with registry_at(file) as theirs:
            theirs.record(Entry(key="other"))
            assert ours.lookup("key") is None
            assert ours.lookup("other") == Entry(key="other")
            ours.record(ENTRY)
            assert {entry.key for entry in theirs.entries()} == {"key", "other"}
    with registry_at(file) as again:
        assert {entry.key for entry in again.entries()} == {"key", "other"}


@pytest.mark.parametrize("place", ["directory", "file/registry.sqlite", "/proc/x/y"])
def test_a_place_where_no_file_can_be_is_named(tmp_path: Path, place: str) -> None:
    (tmp_path / "directory").mkdir()
    (tmp_path / "file").touch()
    assert "MOONSHOT_CACHE_REGISTRY" in refusal(tmp_path / place)


def test_a_file_that_cannot_be_written_can_still_be_read(file: Path) -> None:
    fill(file)
    with registry_at(file) as registry:
        assert registry.lookup("key") == ENTRY
        registry.hold("key", holder="h1", seconds=9)
        with registry._database.writing() as connection:
            (pages,) = connection.execute("PRAGMA page_count").fetchone()
            connection.execute(f"PRAGMA max_page_count = {pages}")
        more = [Entry(key=f"more-{number}") for number in range(1000)]
        with pytest.raises(RegistryError, match="disk is full: make room"):
            any(not registry.record(entry) for entry in more)
        assert registry.lookup("key") == ENTRY


def test_a_full_disk_is_an_error_of_ours(file: Path) -> None:
    """No byte can be written; in a process of its own, for the limit is for good."""
    fill(file)
    result = subprocess.run(
        [sys.executable, str(CHILDREN), "lose", f"sqlite:///{file}"],
        check=False,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)),
    )
    assert "RegistryError: the registry" in result.stderr
    with registry_at(file) as registry:
        assert registry.lookup("key") == ENTRY


def test_a_writer_that_hangs_is_waited_for_no_longer_than_told(file: Path) -> None:
    fill(file)
    with (
        closing(sqlite3.connect(file, isolation_level=None)) as hanging,
        registry_at(file, busy_timeout=0.05) as registry,
    ):
        hanging.execute("BEGIN IMMEDIATE")
        with pytest.raises(RegistryError, match="locked for longer than busy_timeout"):
            registry.record(ENTRY)
        assert registry.lookup("key") == ENTRY
        hanging.execute("ROLLBACK")
        assert registry.record(ENTRY)


def test_a_thread_that_hangs_is_waited_for_no_longer_than_told(file: Path) -> None:
    with registry_at(file, busy_timeout=0.05) as registry:
        registry.record(ENTRY)
        with registry._database._session().writer._lock:
            with pytest.raises(RegistryError, match="kept it busy for longer"):
                registry.record(ENTRY)
            assert registry.lookup("key") == ENTRY


def test_an_interrupted_write_changes_nothing_and_locks_nobody_out(file: Path) -> None:
    with registry_at(file) as registry, registry_at(file, busy_timeout=0.05) as other:
        registry.record(ENTRY)

        def interrupt() -> float:
            raise KeyboardInterrupt

        with registry_at(file, clock=Clock()) as mine:
            mine._clock = interrupt
            with pytest.raises(KeyboardInterrupt):
                mine.claim("key", owner="ann", lease=9)
            assert other.claim("key", owner="bob", lease=9).won


def test_lookups_and_clean_up_are_led_by_an_index(file: Path) -> None:
    fill(file)
    named = {"key": "k", "name": "n", "now": 0.0, "jump": 0.0, "holder": "h"}
    plans: list[tuple[int, int, int, str]] = []
    with closing(sqlite3.connect(file)) as connection:
        for statement in (
            *(statements.LOOKUP, statements.PAGE_AFTER, statements.RELEASE),
            *(statements.COUNT_HOLDS, statements.UNMARK),
        ):
            values = ["k"] * statement.count("?")
            plans += connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)
        for statement in (statements.LEASE, statements.DROP, statements.MARKED):
            plans += connection.execute(f"EXPLAIN QUERY PLAN {statement}", named)
        for statement in statements.PRUNE[:2]:
            plans += connection.execute(f"EXPLAIN QUERY PLAN {statement}", named)
    told = [plan[-1] for plan in plans]
    assert told
    assert [line for line in told if "SCAN" in line] == []


def test_what_is_over_is_removed_in_time(file: Path) -> None:
    clock = Clock()
    with registry_at(file, clock=clock) as registry:
        registry.record(Entry(key="old", expires_at=clock.now + 300))
        registry.hold("old", holder="h1", seconds=300)
        registry.mark("old", value="1", seconds=300)
        clock.advance(6 * 86_400)
        registry.claim("new", owner="ann", lease=9)
        assert registry.lookup("old") is not None
        clock.advance(4 * 86_400)
        registry.claim("new", owner="ann", lease=9)
        assert [entry.key for entry in registry.entries()] == ["new"]
        with registry._database.reading() as connection:
            for table in ("holds", "marks"):
                (rows,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - two constants
                assert rows == 0


def test_a_clock_set_back_by_a_day_does_not_make_leases_and_marks_last(
    file: Path,
) -> None:
    clock = Clock()
    with registry_at(file, clock=clock) as registry:
        before = registry.claim("key", owner="ann", lease=120).entry
        registry.mark("open", value="1", seconds=30)
        registry.hold("key", holder="h1", seconds=300)
        clock.advance(-5)
        assert registry.owner("key") == "ann"
        clock.advance(-86_400)
        assert registry.owner("key") is None
        assert registry.marked("open") is None
        assert registry.drop("key", holder="h2") == 0
        after = registry.claim("key", owner="bob", lease=120)
        assert after.won
        assert after.entry.fence > before.fence


def test_only_what_was_admitted_stands_in_the_file(tmp_path: Path, file: Path) -> None:
    canary = "canary of a prompt"
    with registry_at(file) as registry:
        registry.record(ENTRY)
        for refused in (
            lambda: registry.record(Entry(key="key", note=canary)),
            lambda: registry.record(Entry(key=canary)),
            lambda: registry.claim("key", owner=canary, lease=9),
            lambda: registry.hold("key", holder=canary, seconds=9),
            lambda: registry.mark("name", value=canary, seconds=9),
        ):
            with pytest.raises(RegistryError):
                refused()
        for name, content in bytes_in(tmp_path).items():
            assert b"canary" not in content, name


def test_an_entry_that_this_version_cannot_read_is_trouble_of_ours(file: Path) -> None:
    with registry_at(file) as registry:
        registry.record(ENTRY)
        with registry._database.writing() as connection:
            connection.execute("UPDATE entries SET state = 'frozen'")
        with pytest.raises(RegistryError, match="cannot read: upgrade"):
            registry.lookup("key")


def test_full_synchronous_reaches_every_connection(file: Path) -> None:
    with (
        registry_at(file, synchronous="FULL") as registry,
        registry._database.writing() as connection,
    ):
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
