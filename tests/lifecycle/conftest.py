"""Two markers for the long runs, which stay out unless they are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

_LONG = {
    "faults": "every pair of faults over two callers: about a minute",
    "nightly": "all interleavings of two clients: minutes",
}


def pytest_configure(config: pytest.Config) -> None:
    for name, meaning in _LONG.items():
        config.addinivalue_line("markers", f"{name}: {meaning}")


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    asked_for = config.getoption("markexpr", default="")
    unwanted = [name for name in _LONG if name not in asked_for]
    left_out = [i for i in items if any(i.get_closest_marker(n) for n in unwanted)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
