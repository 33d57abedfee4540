"""What confused the update once: late events, mixed answers, erased blocks, another owner in the middle."""

from pathlib import Path

import pytest

from agent.adapters.linux.downloader import HttpsDownloader
from agent.formats import delivery
from agent.formats.errors import Unavailable
from firmware_sim.world import people
from firmware_sim.world.firmware import Geometry
from firmware_sim.world.power import ERASED, PowerCut
from tests.scenario.bundles import PUBLIC, lonely, publish
from tests.scenario.looks import PROGRESS, events, fetched_blocks, phase, reports, running, settled
from tests.scenario.stage import Stage

NEIGHBOUR = "a" * 26
BY_NEIGHBOUR = {"v": 1, "sources": [{"url": "https://192.0.2.7:8446", "device": NEIGHBOUR}]}
BROAD = Geometry(slot_blocks=2208, root_blocks=2200, erase_bytes=131072)


def test_a_cut_in_a_large_erase_block_leaves_an_honest_update_honest():
    """The journal names the unchanged blocks of an erase block that the cut has emptied."""
    stage = Stage(BROAD)
    base = stage.world("1.1.0")
    base.power_on()
    base.run_until(lambda: settled(base, "1.1.0"))
    base.run_for(4 * 3600)
    base.power_cut()
    stage.release("1.2.0")
    stage.assign(base, "1.2.0")

    def story(world):
        refused = events(world).count("refused")
        world.power_on()
        world.run_until(lambda: settled(world, "1.2.0") or events(world).count("refused") > refused)

    dry = base.copy()
    story(dry)
    journal = dry.power.trace.index(f"store {PROGRESS}")
    index = next(at for at in range(journal + 3, len(dry.power.trace)) if dry.power.trace[at].startswith("write "))
    world = base.copy(3)
    world.power.cut_at(index, ERASED)
    with pytest.raises(PowerCut):
        story(world)
    begin = len(world.server.exchanges)
    story(world)
    assert running(world) == "1.2.0"
    assert "refused" not in events(world)
    fetched = fetched_blocks(world, begin)
    assert len(fetched) == len(set(fetched))


def test_what_could_not_be_saved_counts_no_more_once_something_else_has_happened(stage):
    """Waiting cannot turn to arming; a newer order comes; ten minutes later the old event would strike."""
    world = stage.world("1.1.0")
    world.power_on()
    world.run_until(lambda: phase(world) == "installing")
    real, failed = world.ports.store.write, []

    def write(name, body):
        if name == "update/state.json" and b'"arming"' in body and not failed:
            failed.append(name)
            raise Unavailable("update/state.json: No space left on device")
        real(name, body)

    world.ports.store.write = write
    world.run_until(lambda: bool(failed))
    assert phase(world) == "waiting"
    stage.release("1.2.0")
    stage.assign(world, "1.2.0")
    quick = world.ports.downloader.read

    def read(*given):
        world.clock.advance(610 if ".tree" in given[1] else 1)
        return quick(*given)

    world.ports.downloader.read = read
    world.agent._updating.check_now()
    world.run_until(lambda: settled(world, "1.2.0"))
    assert [boot.version for boot in world.boots] == ["1.0.0", "1.2.0"]
    assert [report.to for report in reports(world) if report.event == "committed"] == ["1.2.0"]


def test_an_operator_ends_what_the_owner_alone_has_ordered(stage):
    world = lonely(stage, PUBLIC)
    stage.release("1.3.0")
    publish(stage, world)
    world.run_for(4200)
    real, slow = world.ports.releases.read, [True]

    def read(*given):
        if slow and ".slot" in given[1]:
            raise Unavailable("slow")
        return real(*given)

    world.ports.releases.read = read
    grant = people.login(world)["grant"]
    assert world.ask("web", people.request("install", grant=grant, version="1.3.0"))["ok"] is True
    world.run_for(30)
    assert phase(world) == "installing"
    stage.assign(world, None)
    people.enrol(world, stage.operator, people.login(world)["grant"])
    world.run_for(60)
    assert phase(world) == "idle"
    slow.clear()
    world.run_for(7200)
    assert running(world) == "1.0.0"
    assert "committed" not in events(world)


def test_who_gave_a_part_of_a_wrong_file_is_not_asked_again(stage):
    """A liar sends the tree's first bytes wrong and hangs up; the honest server must not be blamed for the rest."""
    world = stage.world("1.1.0")
    stage.assign(world, "1.1.0", BY_NEIGHBOUR)
    world.power_on()
    real = world.ports.downloader.read

    def read(source, path, *rest):
        if not source.device:
            return real(source, path, *rest)
        if ".tree" in path and rest[0] == 0:
            return bytes(64)
        raise Unavailable("hung up")

    world.ports.downloader.read = read
    world.run_until(lambda: settled(world, "1.1.0"))
    assert "refused" not in events(world)
    assert [NEIGHBOUR in report.detail for report in reports(world) if report.event == "source_lied"] == [True]


@pytest.mark.parametrize("url", ["https://cdn.example/camward", "https://cdn.example:99999", "https://a@cdn.example"])
def test_a_source_that_can_be_nowhere_is_passed_over(url):
    way = delivery.parse({"v": 1, "sources": [{"url": url}]})
    downloader = HttpsDownloader(Path("certificate"), Path("key"))
    downloader._own = ("https://own.example:8443", "")
    with pytest.raises(Unavailable, match="no source can be at"):
        downloader.read(way.sources[0], "/targets/x", 0, 4096, 4096, 4096)
