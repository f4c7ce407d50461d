from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from colour_kit import COLOURS
from wire_kit import Face, faces

if TYPE_CHECKING:
    from collections.abc import Iterator

    from langchain_moonshot_cache.testing import MoonshotServer


@pytest.fixture(params=COLOURS)
def client(
    request: pytest.FixtureRequest, moonshot_server: MoonshotServer
) -> Iterator[Face]:
    """A client of either colour at that server."""
    with faces(request.param) as connect:
        yield connect(moonshot_server.base_url, api_key=moonshot_server.api_key)
