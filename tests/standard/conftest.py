"""One event loop for a whole module of LangChain's tests.

LangChain keeps the asynchronous HTTP client of a base URL for the life of the process,
and its connections belong to the loop that opened them.
"""

from __future__ import annotations

import pytest
from pytest_asyncio import is_async_test


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "standard" in item.path.parts and is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="module"), append=False)
