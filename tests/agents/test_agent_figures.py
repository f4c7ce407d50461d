"""What caching leaves of thirty steps over a long prefix; the counts are exact."""

from __future__ import annotations

import json

import pytest
from agent_prefix import STEPS, figures, measure, share_of_bytes, table


@pytest.mark.parametrize("is_sync", [True, False], ids=["sync", "async"])
async def test_thirty_steps_over_a_long_prefix_make_one_cache_and_send_little(
    is_sync: bool,  # noqa: FBT001 - pytest hands it over
) -> None:
    sent = await measure(is_sync=is_sync)
    ours, plain = sent["ChatMoonshotCached"], sent["ChatOpenAI"]
    assert ours.prefix_tokens >= 20_000
    assert ours.calls == plain.calls == STEPS
    assert ours.creates <= 1
    assert ours.hits >= STEPS - 1
    assert ours.referenced >= STEPS - 1
    assert plain.creates == 0
    assert share_of_bytes(sent) <= 0.15

    # What is printed and written down are these counts.
    assert f" {ours.sent_bytes:,}" in "\n".join(table(sent))
    assert json.loads(json.dumps(figures(sent)))["ChatMoonshotCached"]["hits"] >= 29
