"""A line with limits, kept by a real agent: no more comes in any time than its rate allows, and all of it is counted.

Judged by what a relay has carried, opened with the keys of a front (ledger.py): when each record of TLS came, with how
much of which target.
"""

import pytest

from agent.app.sources import LEAST_PIECE_BYTES, SAVED_SHARE, SPENT
from agent.core import allowance
from agent.core.allowance import BURST_S
from agent.formats.block_tree import BLOCK_BYTES
from firmware_sim.faults.relay import GOOD, Line, Relay
from tests.contract.network import ledger
from tests.contract.network.front import Front
from tests.contract.network.site import SLOT_BLOCKS, camera_at
from tests.contract.ports.board import wait_for
from tests.contract.server import harness

HERE, THERE = "127.0.0.1", "127.0.0.2"
RATE_BYTES_PER_S = 100_000
PIECE_BYTES = max(LEAST_PIECE_BYTES, RATE_BYTES_PER_S)
"""What one request asks for at most."""
MONTH_BYTES = 1_700_000
"""Enough for two releases and what a killed agent fetches again, and for no third one of twice the size."""
UNCOUNTED_BYTES = MONTH_BYTES // SAVED_SHARE + PIECE_BYTES
"""What the agent has not stored yet, and a piece that it had not been given."""
CHANGED = SLOT_BLOCKS // 4
CUT_AT_BYTES = 300_001
"""Within a block, give or take: what came of that one is thrown away."""


@pytest.fixture(scope="module")
def limited(tmp_path_factory):
    folder = tmp_path_factory.mktemp("limited")
    server = harness.make_server(folder / "s", host=THERE, listen=HERE, from_versions=0)
    harness.start(server)
    limits = {"max_bytes_per_s": RATE_BYTES_PER_S, "max_bytes_per_month": MONTH_BYTES}
    try:
        with (
            Front((HERE, 0), server, folder, THERE) as front,
            Relay((THERE, server.device_port), front.address, records=True) as relay,
            Relay((THERE, server.mqtt_port), (HERE, server.mqtt_port)),
            camera_at(server, folder, front, relay.to_camera_bytes, relay.recordings, **limits) as site,
        ):
            yield site, relay
    finally:
        harness.stop(server)


def most_in_excess(found, rate):
    """The most bytes of targets that have come in any time beyond what the rate allows in it."""
    pieces = sorted((piece for answer in found for piece in answer), key=lambda piece: piece.at)
    excess = 0.0
    for begin, first in enumerate(pieces):
        came = 0
        for piece in pieces[begin:]:
            came += piece.length
            excess = max(excess, came - rate * (piece.at - first.at))
    return excess


def counted_bytes(site):
    return allowance.parse((site.board.state / SPENT).read_bytes()).spent_bytes


def test_the_rate_is_kept_on_the_line_and_what_the_month_has_cost_is_what_came(limited):
    site, relay = limited
    version = site.release(CHANGED, spread=False)
    relay.lay(Line(cuts_at_bytes=(CUT_AT_BYTES,)))  # fast, but for the one cut
    begin = site.carried()
    site.order(version)
    site.completed(version, begin)
    relay.lay(GOOD)
    found = site.got(version)
    assert ledger.again(found) == []
    assert most_in_excess(found, RATE_BYTES_PER_S) <= RATE_BYTES_PER_S * BURST_S + PIECE_BYTES
    assert ledger.received(found) >= CHANGED * BLOCK_BYTES
    assert ledger.received(found) <= counted_bytes(site) <= ledger.received(found) + BLOCK_BYTES


def test_a_killed_agent_has_counted_all_but_a_stated_rest(limited):
    site, _ = limited
    version = site.release(CHANGED, spread=False)
    begin, before = site.carried(), counted_bytes(site)
    site.order(version)
    wait_for(lambda: site.carried() - begin >= CHANGED * BLOCK_BYTES // 2, "half of the download")
    site.board.kill()
    came = ledger.received(site.got(version))
    assert came - UNCOUNTED_BYTES <= counted_bytes(site) - before <= came + BLOCK_BYTES
    site.board.console.clear()
    site.board.power_on()
    site.completed(version, begin)
    found = site.got(version)
    assert counted_bytes(site) - before >= ledger.received(found) - UNCOUNTED_BYTES
    assert most_in_excess(found, RATE_BYTES_PER_S) <= 2 * (
        RATE_BYTES_PER_S * BURST_S + PIECE_BYTES
    )  # anew at the start


def test_what_the_rest_of_the_month_does_not_carry_is_not_begun(limited):
    site, _ = limited
    before = counted_bytes(site)
    changed = 2 * CHANGED
    assert before > MONTH_BYTES - changed * BLOCK_BYTES
    version = site.release(changed, spread=False)
    site.order(version)
    wait_for(lambda: site.board.status()["update"]["last_result"] == "refused byte_budget", "the refusal")
    found = site.got(version)
    assert ledger.blocks(found) == set()
    tree_bytes = ledger.received(found)
    assert before + tree_bytes <= counted_bytes(site) <= MONTH_BYTES
