"""Sequences of calls: schemathesis follows ids from answers into further requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import HealthCheck, settings
from test_server_openapi import KEY, kept_open, make_app, make_schema

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send


class Renewed:
    """An application that can be made anew, so that no sequence inherits another's."""

    def __init__(self) -> None:
        self._app = make_app()

    def renew(self) -> None:
        self._app.state.world.store.close()
        self._app = make_app()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await kept_open(self._app)(scope, receive, send)


served = Renewed()
# By the look of their paths schemathesis takes tags for parts of a cache, and a tag
# that names an invented cache for a cache that got lost. And whether a file has a text
# to be extracted cannot be told from its id.
schema = make_schema().exclude(path_regex="/refs/|/content$")
schema.app = served
schema.config.update(headers={"Authorization": f"Bearer {KEY}"})


class Sequences(schema.as_state_machine()):  # type: ignore[misc] # schemathesis has no types here
    def setup(self) -> None:
        served.renew()
        super().setup()


TestSequences = Sequences.TestCase
TestSequences.settings = settings(
    max_examples=60,
    stateful_step_count=8,
    derandomize=True,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
