"""The two managers are one: same methods, same arguments, each with its docstring."""

from __future__ import annotations

import inspect
from typing import Any

from langchain_moonshot_cache import AsyncContextCacheManager, ContextCacheManager
from langchain_moonshot_cache.manager.worlds import AsyncRealWorld, RealWorld

COLOURED = {"close": "aclose", "__enter__": "__aenter__", "__exit__": "__aexit__"}


def methods(kind: type[Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in inspect.getmembers(kind, inspect.isfunction)
        if (not name.startswith("_") or name in {*COLOURED, "__init__"})
    }


def test_both_offer_the_same_methods_with_the_same_arguments_and_defaults() -> None:
    sync = methods(ContextCacheManager)
    assert {"ensure", "release", "prefix", "known", "renewed", "refused"} <= sync.keys()
    names = {COLOURED.get(name, name) for name in sync}
    public = {name for name in methods(AsyncContextCacheManager) if name[0] != "_"}
    assert public == {name for name in names if name[0] != "_"}
    for name, method in sync.items():
        twin = getattr(AsyncContextCacheManager, COLOURED.get(name, name))
        ours = inspect.signature(method).parameters
        theirs = inspect.signature(twin).parameters
        assert list(ours) == list(theirs), name
        for argument in ours:
            if argument != "client":
                assert ours[argument] == theirs[argument], (name, argument)


def test_all_but_the_subject_is_given_by_keyword() -> None:
    for kind in (ContextCacheManager, AsyncContextCacheManager):
        for name, method in methods(kind).items():
            rest = list(inspect.signature(method).parameters.values())[2:]
            kinds = {parameter.kind for parameter in rest}
            assert kinds <= {inspect.Parameter.KEYWORD_ONLY}, (name, kinds)


def test_what_asks_nobody_is_synchronous_in_both() -> None:
    for name in ("prefix", "known"):
        assert not inspect.iscoroutinefunction(getattr(AsyncContextCacheManager, name))
    for name in ("ensure", "foresee", "release", "renewed", "refused", "aclose"):
        assert inspect.iscoroutinefunction(getattr(AsyncContextCacheManager, name))


def test_every_public_method_says_what_it_does() -> None:
    for kind in (ContextCacheManager, AsyncContextCacheManager):
        assert kind.__doc__
        for name, method in methods(kind).items():
            if not name.startswith("_"):
                assert method.__doc__, name


def test_both_worlds_know_every_effect() -> None:
    # What one colour can do and the other cannot would surface as an AssertionError.
    for kind in (RealWorld, AsyncRealWorld):
        source = inspect.getsource(kind)
        for effect in ("Create", "Find", "Poll", "Renew", "Delete", "Clock", "Sleep"):
            assert f"case {effect}(" in source, (kind, effect)
