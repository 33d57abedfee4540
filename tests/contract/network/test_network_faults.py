"""Updates over a bad line: a real agent, a real server, and a relay that spoils what is between them, and counts.

What no test may see: a verified block that comes twice. What the relay has carried is opened with the keys of a front
(ledger.py), which says for every byte of a target how often it came. Beside that the relay counts bytes: they are those
of the blocks that are new, and a bounded rest (site.py says what it consists of).
"""

import re
import time
from types import SimpleNamespace

import pytest

from agent.app.medium import PROGRESS, UNIT_BLOCKS
from agent.app.sources import MOST_PIECE_BYTES
from agent.formats.block_tree import BLOCK_BYTES
from firmware_sim.faults.lossy_wire import FAR, NEAR, LossyWire
from firmware_sim.faults.relay import GOOD, Line, Relay
from tests.contract.network import ledger
from tests.contract.network.front import Front
from tests.contract.network.site import SLOT_BLOCKS, camera_at, most_bytes
from tests.contract.ports.board import OFFSETS, SLOT_BYTES, wait_for
from tests.contract.server import harness

HERE, THERE = "127.0.0.1", "127.0.0.2"
SLOW_BYTES_PER_S = 8000  # 64 kbit/s
KILL_BYTES_PER_S = 400_000
# What a killed agent may have got and not written: a unit that was not full yet, and the two pieces on their way.
UNWRITTEN_BLOCKS = UNIT_BLOCKS + 2 * MOST_PIECE_BYTES // BLOCK_BYTES
LOSS = 0.3
ALWAYS = [(0.0, 1 << 62)]
"""The moments of a wire, which keeps none."""


@pytest.fixture(scope="module")
def relayed(tmp_path_factory):
    """A camera whose server is behind a relay, on every port that it uses."""
    folder = tmp_path_factory.mktemp("relayed")
    server = harness.make_server(folder / "s", host=THERE, listen=HERE, from_versions=0)
    harness.start(server)
    try:
        with (
            Front((HERE, 0), server, folder, THERE) as front,
            Relay((THERE, server.device_port), front.address, records=True) as relay,
            Relay((THERE, server.mqtt_port), (HERE, server.mqtt_port)),
            camera_at(server, folder, front, relay.to_camera_bytes, relay.recordings) as site,
        ):
            yield SimpleNamespace(relay=relay, site=site, server=server)
    finally:
        harness.stop(server)


def connections(relayed, since):
    return len(relayed.relay.carried) - since


def assert_each_block_came_once(site, version, changed):
    """And nothing else of the release came twice either."""
    found = site.got(version)
    assert len(ledger.blocks(found)) == changed
    assert ledger.again(found) == []


def test_on_a_good_line_an_update_costs_its_new_blocks_once(relayed):
    """What the others are measured against; all of a slot that is exactly full."""
    site, begin, before = relayed.site, relayed.site.carried(), len(relayed.relay.carried)
    version = site.release(changed=SLOT_BLOCKS)
    site.order(version)
    fetched = site.completed(version, begin)
    assert SLOT_BLOCKS * BLOCK_BYTES <= fetched <= most_bytes(SLOT_BLOCKS, connections(relayed, before))
    assert_each_block_came_once(site, version, SLOT_BLOCKS)


def install_with_cuts(relayed, version, changed):
    """Over a line that is cut at each quarter of what is new."""
    site, relay = relayed.site, relayed.relay
    begin, before, cuts = site.carried(), len(relay.carried), relay.cuts
    length = changed * BLOCK_BYTES
    relay.lay(Line(cuts_at_bytes=tuple(quarter * length // 4 for quarter in (1, 2, 3, 4))))
    site.order(version)
    fetched = site.completed(version, begin)
    relay.lay(GOOD)
    assert relay.cuts - cuts == 4
    assert length <= fetched <= most_bytes(changed, connections(relayed, before), cuts=4)


def test_a_line_that_is_cut_at_each_quarter_resumes_there(relayed):
    site, changed = relayed.site, SLOT_BLOCKS
    version = site.release(changed)
    install_with_cuts(relayed, version, changed)
    found = site.got(version)
    assert ledger.again(found) == []
    # A block that a cut went through came in no answer whole.
    assert changed - 4 <= len(ledger.blocks(found)) <= changed


def test_a_server_that_restarts_in_mid_download_is_found_again(relayed):
    site, relay, changed = relayed.site, relayed.relay, SLOT_BLOCKS // 2
    version = site.release(changed)
    begin, before = site.carried(), len(relay.carried)
    relay.lay(Line(bytes_per_s=200_000))  # so that there is a middle
    site.order(version)
    wait_for(lambda: site.carried() - begin > changed * BLOCK_BYTES // 2, "half of the download")
    harness.stop(relayed.server)
    del relayed.server.services
    relay.lay(GOOD)
    harness.start(relayed.server)
    fetched = site.completed(version, begin)
    # What was under way in both directions' buffers when the server ended is lost with the connection.
    assert changed * BLOCK_BYTES <= fetched <= most_bytes(changed, connections(relayed, before), cuts=2)
    assert_each_block_came_once(site, version, changed)


def test_a_silent_line_is_given_up_and_the_download_goes_on_where_it_was(relayed):
    """Nothing says that the connection is dead; the adapter's own patience is what ends it."""
    site, relay, changed = relayed.site, relayed.relay, SLOT_BLOCKS // 4
    version = site.release(changed)
    begin, before = site.carried(), len(relay.carried)
    relay.lay(Line(bytes_per_s=200_000))
    site.order(version)
    wait_for(lambda: site.carried() - begin > changed * BLOCK_BYTES // 2, "half of the download")
    relay.lay(Line(silent=True))
    stood = site.percent()
    time.sleep(2.0)
    assert site.percent() == stood
    relay.hang_up()  # the pieces that it holds back are gone for good
    relay.lay(GOOD)
    fetched = site.completed(version, begin)
    assert changed * BLOCK_BYTES <= fetched <= most_bytes(changed, connections(relayed, before), cuts=2)
    assert_each_block_came_once(site, version, changed)


def test_a_line_of_64_kbit_per_second_gets_there(relayed):
    """The slot has 2 MB; what the release changes in it takes half a minute."""
    site, relay, changed = relayed.site, relayed.relay, SLOT_BLOCKS // 8
    version = site.release(changed)
    begin, before = site.carried(), len(relay.carried)
    relay.lay(Line(bytes_per_s=SLOW_BYTES_PER_S))
    site.order(version)
    started = time.monotonic()
    fetched = site.completed(version, begin)
    relay.lay(GOOD)
    assert changed * BLOCK_BYTES <= fetched <= most_bytes(changed, connections(relayed, before))
    assert_each_block_came_once(site, version, changed)
    assert time.monotonic() - started >= changed * BLOCK_BYTES / SLOW_BYTES_PER_S, "the line was faster than it says"


def test_an_agent_that_is_killed_in_mid_install_fetches_again_only_what_it_had_not_written(relayed):
    """A block that is on the disk is found there; the download ends before the journal is due (FLUSH_S, FLUSH_BYTES).

    The third time the agent loses the blocks and the journal: that it fetches all of them again is seen (control).
    """
    site, relay, board, changed = relayed.site, relayed.relay, relayed.site.board, SLOT_BLOCKS
    version = site.release(changed)
    begin = site.carried()
    relay.lay(Line(bytes_per_s=KILL_BYTES_PER_S))
    site.order(version)
    killed = []
    for percent in (20, 45, 70):
        wait_for(lambda least=percent: (site.percent() or 0) >= least, f"{percent} % of the slot")
        board.kill()
        killed.append((time.monotonic(), written(site, version)))
        if percent == 70:
            lose_what_was_written(site)
            relay.lay(GOOD)
        board.console.clear()
        board.power_on()
    site.completed(version, begin)
    found = site.got(version)
    _, (second, _), (third, all_of_it) = killed
    for (since, kept), until in zip(killed, (second, third), strict=False):
        came = ledger.blocks(ledger.until(found, since))
        assert len(kept) >= changed // 5
        assert kept <= came
        assert len(came - kept) <= UNWRITTEN_BLOCKS
        assert not kept & ledger.blocks([answer for answer in found if since < answer[0].at <= until])
    assert all_of_it <= ledger.blocks([answer for answer in found if answer[0].at > third])
    assert sum(end - begin for _, begin, end in ledger.again(found)) >= len(all_of_it) * BLOCK_BYTES


def written(site, version):
    """The blocks of a release that the inactive slot holds."""
    slot = site.board.slot("b" if site.board.booted == "a" else "a")
    new = site.contents[version]
    return {number for number in range(SLOT_BLOCKS) if slot[number * BLOCK_BYTES :][:BLOCK_BYTES] == new[number]}


def lose_what_was_written(site):
    """The blocks, and the journal that says that they are there."""
    with site.board.disk.open("r+b") as disk:
        disk.seek(OFFSETS["b" if site.board.booted == "a" else "a"])
        disk.write(bytes(SLOT_BYTES))
    (site.board.state / PROGRESS).unlink(missing_ok=True)


def test_a_server_whose_copy_is_corrupt_is_refused_and_the_sound_copy_costs_only_what_was_bad(relayed):
    """Every block of the corrupt copy that is right is kept; the wrong ones never reach the slot."""
    site, changed, bad = relayed.site, SLOT_BLOCKS // 4, 3
    version = site.release(changed)
    blob = relayed.server.services.blobs.path(_target(relayed.server, version))
    sound = blob.read_bytes()
    new = [number * SLOT_BLOCKS // changed for number in range(changed)]
    corrupt = bytearray(sound)
    for block in new[:bad]:
        corrupt[block * BLOCK_BYTES + 5] ^= 1
    _put(blob, bytes(corrupt))
    begin, before = site.carried(), len(relayed.relay.carried)
    active = site.board.slot(site.board.booted)
    site.order(version)
    wait_for(lambda: site.board.status()["update"]["last_result"] == "refused arbitrary_software", "the refusal")
    assert site.board.slot(site.board.booted) == active
    inactive = site.board.slot("b" if site.board.booted == "a" else "a")
    for block in new[:bad]:
        at = block * BLOCK_BYTES
        assert inactive[at : at + BLOCK_BYTES] != bytes(corrupt[at : at + BLOCK_BYTES]), "a lie was written"
    _put(blob, sound)
    site.board.admin("check")
    fetched = site.completed(version, begin)
    # The agent asks three times before it calls the source corrupt.
    again = 3 * bad
    assert changed * BLOCK_BYTES <= fetched <= most_bytes(changed + again, connections(relayed, before))
    repeated = ledger.again(site.got(version))
    assert {first // BLOCK_BYTES for _, first, _ in repeated} == set(new[:bad])
    assert sum(end - first for _, first, end in repeated) <= again * BLOCK_BYTES


def _target(server, version):
    with server.services.database.read() as session:
        row = harness.releases.find(session, version, "kawa-1")
        return f"{row.sha256}.{row.target}"


def _put(blob, data):
    blob.chmod(0o600)
    blob.write_bytes(data)


def prepare_deltas(server):
    """From its next start on."""
    settings = server.folder / "server.toml"
    text, count = re.subn(r"(?m)^from_versions = .*$", "from_versions = 1", settings.read_text())
    assert count == 1
    settings.write_text(text)


def release_with_delta(site, changed):
    """A release of which the camera can have the difference, as an artifact of some segments."""
    version = site.release(changed, spread=False)
    deltas = site.server.services.deltas

    def made():
        with site.server.services.database.read() as session:
            rows = [row for row in deltas.listed(session) if row.to_version == version and row.from_version]
            return rows and rows[0].state == "made"

    wait_for(made, "the artifact")
    return version


def assert_it_came_once_as_a_delta(site, version):
    found = site.got(version)
    assert ledger.blocks(found) == set()
    assert ledger.again(found) == []
    assert any(answer[0].path.endswith(".segments") for answer in found)


def test_a_delta_on_a_line_that_is_cut_at_each_quarter_resumes_there(relayed):
    site, changed = relayed.site, SLOT_BLOCKS // 2
    harness.stop(relayed.server)
    del relayed.server.services
    prepare_deltas(relayed.server)
    harness.start(relayed.server)
    version = release_with_delta(site, changed)
    install_with_cuts(relayed, version, changed)
    assert_it_came_once_as_a_delta(site, version)


@pytest.mark.parametrize("delta", [False, True], ids=["blocks", "delta"])
def test_a_wire_that_loses_three_packets_in_ten_gets_there(tmp_path, delta):
    """Real packets, lost in both directions; the kernel's TCP repairs, and the agent notices nothing but slowness."""
    changed = SLOT_BLOCKS // 8
    with LossyWire(0.0, seed="thirty percent") as wire:
        server = harness.make_server(tmp_path / "s", host=FAR, from_versions=int(delta))
        harness.start(server)

        def carried():
            return wire.to_camera_bytes(server.device_port)

        def recordings():
            return [(bytes(one.to_camera), bytes(one.to_server), ALWAYS) for one in wire.streams(server.device_port)]

        try:
            with (
                Front((NEAR, server.device_port), server, tmp_path, FAR) as front,
                Relay((NEAR, server.mqtt_port), (HERE, server.mqtt_port)),
                camera_at(server, tmp_path, front, carried, recordings) as site,
            ):
                if delta:
                    site.publish(site.version)  # what a difference is made from
                version = release_with_delta(site, changed) if delta else site.release(changed, spread=False)
                begin, before = site.carried(), len(wire.streams(server.device_port))
                lost, passed = wire.lost, wire.passed
                wire.loss = LOSS
                site.order(version)
                fetched = site.completed(version, begin)
                wire.loss = 0.0
                opened = len(wire.streams(server.device_port)) - before
                assert changed * BLOCK_BYTES <= fetched <= most_bytes(changed, opened, cuts=opened)
                if delta:
                    assert_it_came_once_as_a_delta(site, version)
                else:
                    assert_each_block_came_once(site, version, changed)
                share = (wire.lost - lost) / (wire.lost - lost + wire.passed - passed)
                assert 0.2 < share < 0.4, "the wire did not lose what it was told to"
        finally:
            harness.stop(server)
