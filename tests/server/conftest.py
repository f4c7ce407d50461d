from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from prefix_cache_kit import MANUAL, ask
from server_kit import QUESTION

if TYPE_CHECKING:
    from server_kit import Api


@pytest.fixture
def kimi(api: Api) -> Api:
    """An account that has asked kimi-k3 about the manual once."""
    ask(api, MANUAL, QUESTION)
    return api
