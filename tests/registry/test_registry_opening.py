"""From a URL to a registry, and what a wrong URL is told."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from langchain_moonshot_cache.errors import ConfigurationError, RegistryError
from langchain_moonshot_cache.registry import (
    MemoryRegistry,
    SqliteRegistry,
    default_path,
    open_registry,
)

VARIABLE = "MOONSHOT_CACHE_REGISTRY"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(sys, "platform", "linux")
    return tmp_path / "home"


def path_of(url: str | None) -> Path:
    registry = open_registry(url)
    assert isinstance(registry, SqliteRegistry)
    registry.close()
    return registry.path


def test_sqlite_paths_are_relative_absolute_or_from_home(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert path_of("sqlite:///some/file.sqlite") == tmp_path / "some/file.sqlite"
    assert path_of("sqlite:////some/file.sqlite") == Path("/some/file.sqlite")
    assert path_of("sqlite:///~/file.sqlite") == home / "file.sqlite"


def test_a_relative_path_stays_where_it_was_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    registry = open_registry("sqlite:///registry.sqlite")
    monkeypatch.chdir("/")
    registry.mark("name", value="1", seconds=10)
    registry.close()
    assert (tmp_path / "registry.sqlite").exists()


def test_a_relative_path_in_a_directory_that_is_gone_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(ConfigurationError, match="directory that is gone"):
        open_registry("sqlite:///registry.sqlite")
    assert path_of("sqlite:////some/file") == Path("/some/file")


@pytest.mark.parametrize("url", [None, "sqlite://"])
def test_without_a_choice_it_is_a_file_in_the_cache_directory(
    url: str | None, home: Path
) -> None:
    assert path_of(url) == home / ".cache/langchain-moonshot-cache/registry.sqlite"
    assert path_of(url) == default_path()


def test_the_cache_directory_is_where_each_system_has_it(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = "langchain-moonshot-cache/registry.sqlite"
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/cache/ann")
    assert path_of(None) == Path("/var/cache/ann") / end
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/is/ignored")
    assert path_of(None) == home / ".cache" / end
    monkeypatch.setattr(sys, "platform", "darwin")
    assert path_of(None) == home / "Library/Caches" / end
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", "/c/Users/ann/AppData/Local")
    assert path_of(None) == Path("/c/Users/ann/AppData/Local") / end


def test_the_environment_chooses_where_the_call_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(VARIABLE, "memory://")
    assert isinstance(open_registry(), MemoryRegistry)
    assert isinstance(open_registry("sqlite:////some/file"), SqliteRegistry)
    monkeypatch.setenv(VARIABLE, "")
    assert isinstance(open_registry(), SqliteRegistry)


def test_opening_touches_nothing(home: Path) -> None:
    open_registry().close()
    open_registry("sqlite:////proc/nobody/may/write/here").close()
    assert not home.exists()


def test_a_home_that_nobody_knows_is_trouble_at_the_first_use_only(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    monkeypatch.chdir(tmp_path)
    registry = open_registry()
    with pytest.raises(RegistryError, match=f"no home directory.*{VARIABLE}"):
        registry.lookup("key")
    assert list(tmp_path.iterdir()) == []


def test_options_of_sqlite_stand_in_the_query() -> None:
    open_registry("sqlite:////some/file?synchronous=FULL&busy_timeout=0.5").close()


WRONG = {
    "mongodb://ann:geheim@host/db": "no registry speaks 'mongodb'",
    "gehe im://x": "no registry speaks that scheme",
    "/some/file.sqlite": "named by a URL",
    "": "named by a URL",
    "memory://geheim": "nothing follows",
    "sqlite://some/geheim.sqlite": "third slash",
    "sqlite:///:memory:": "use 'memory://'",
    "sqlite:///": "needs a file",
    "sqlite:////geheim\0": "not one a file has",
    "sqlite:////geheim\ud800": "not one a file has",
    "sqlite:////f?mode=geheim": "no option 'mode'",
    "sqlite:////f?synchronous=OFF": "synchronous must be",
    "sqlite:////f?busy_timeout=geheim": "number of seconds",
    "sqlite:////f?busy_timeout=-1": "above 0",
    "sqlite:////f?busy_timeout=nan": "above 0",
    "redis://ann:geheim@host:port/0": "malformed Redis URL",
    "redis://ann:ge/heim@host:6379/0": "malformed Redis URL",
    "redis://host/geheim": "malformed Redis URL",
    "redis://host/0?geheim=1": "malformed Redis URL",
    "redis://host/0?socket_timeout=geheim": "malformed Redis URL",
}


@pytest.mark.parametrize(("url", "trouble"), WRONG.items())
def test_a_wrong_url_is_refused_at_once_and_not_repeated(
    url: str, trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigurationError, match=trouble) as caught:
        open_registry(url)
    assert "registry=..." in str(caught.value)
    assert "geheim" not in str(caught.value)
    assert caught.value.__context__ is None
    if url.isascii() and "\0" not in url and url:
        monkeypatch.setenv(VARIABLE, url)
        with pytest.raises(ConfigurationError, match=VARIABLE):
            open_registry()


def test_an_unknown_scheme_is_told_the_ones_that_exist() -> None:
    with pytest.raises(ConfigurationError) as caught:
        open_registry("mongodb://host")
    for scheme in ("memory://", "sqlite:///", "redis://", "rediss://", "unix://"):
        assert scheme in str(caught.value)


@pytest.mark.parametrize(
    "url", ["redis://host:6379/2", "rediss://host/0", "unix:///some.sock?db=1"]
)
def test_redis_is_named_by_the_urls_of_redis_py(url: str) -> None:
    redis = pytest.importorskip("langchain_moonshot_cache.registry.redis")
    registry = open_registry(url)
    assert isinstance(registry, redis.RedisRegistry)
    registry.close()


def test_without_redis_py_the_url_is_told_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "langchain_moonshot_cache.registry.redis", None)
    with pytest.raises(ConfigurationError) as caught:
        open_registry("redis://:geheim@host/0")
    assert "pip install 'langchain-moonshot-cache[redis]'" in str(caught.value)
    assert "geheim" not in str(caught.value)
