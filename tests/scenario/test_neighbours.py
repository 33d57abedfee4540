"""Cameras of one site: the first fetches from the server, the others from the first, verified all the same."""

from hashlib import sha256
from json import dumps, loads

import pytest

from agent.app.update_state import saved
from agent.formats import delivery, envelope, running
from agent.formats.delivery import Artifact, Delivery, Source
from firmware_sim.world import factory, packing
from firmware_sim.world.network import FLIP, Fault
from firmware_sim.world.world import World
from tests.scenario.looks import events, fetched_blocks, reports, settled
from tests.scenario.stage import Stage

NEIGHBOUR = Source("https://192.168.7.2:8446", "n" * 26)
RUNNING = "update/running.json"
ALWAYS = 1 << 20


def announce(stage: Stage, world: World, way: Delivery) -> None:
    """Assign 1.1.0, fetched in this way."""
    stage.assign(world, "1.1.0", delivery.as_json(way))


@pytest.fixture(scope="module")
def site(stage: Stage) -> Stage:
    stage.release("1.1.0")
    return stage


@pytest.fixture
def first(site: Stage) -> World:
    """A camera of the site that runs 1.1.0 already, and serves."""
    world = site.world("1.1.0")
    world.serves_neighbours = True
    world.sensors.measured["address"] = "192.168.7.2"
    world.power_on()
    world.run_until(lambda: settled(world, "1.1.0"))
    return world


@pytest.fixture
def second(site: Stage, first: World) -> World:
    """Another one, on 1.0.0, that is told to fetch from it."""
    world = site.world(None, seed=7)
    announce(site, world, Delivery(False, (NEIGHBOUR,), None))
    world.mirrors[NEIGHBOUR.device] = first.neighbours
    world.power_on()
    return world


def packed_release(stage: Stage) -> tuple[Artifact, str, bytes]:
    """1.1.0 as an artifact that holds every block; its path on the server and its content."""
    published = stage.operator.releases["1.1.0"]
    blocks = range(published.release.block_count)
    body, index_bytes = packing.artifact(b"", published.image, blocks)
    digest, index_digest = (factory.hexadecimal(sha256(part).digest()) for part in (body, body[:index_bytes]))
    made = Artifact("", "1.1.0.delta", len(body), digest, index_bytes, index_digest, b"", b"")
    return made, "/targets/" + digest + "." + made.name, body


def telemetry(world: World) -> dict[str, object]:
    return envelope.parse(world.broker.on("/up/telemetry")[-1]).body["samples"][-1]


def test_the_second_camera_asks_the_operator_for_metadata_only(first, second):
    second.run_until(lambda: settled(second, "1.1.0"))
    assert [one.path for one in second.server.exchanges if one.path.startswith("/targets/")] == []
    assert fetched_blocks(first) != []
    served = first.neighbours.exchanges
    assert sum(one.served_bytes for one in served) > 0
    assert {one.path for one in served} == set(first.neighbours.files)
    assert "source_lied" not in events(second)


def test_a_neighbour_that_lies_costs_a_retry_and_is_reported(first, second):
    first.neighbours.fail(Fault(FLIP, ".slot", 5000, ALWAYS))
    second.run_until(lambda: settled(second, "1.1.0"))
    lies = [one for one in reports(second) if one.event == "source_lied"]
    assert [one.code for one in lies] == ["arbitrary_software"]
    assert NEIGHBOUR.device in lies[0].detail
    blocks = fetched_blocks(second)
    assert len(blocks) == len(set(blocks)), "a verified block was fetched twice"
    assert [one.event for one in reports(second)].count("started") == 1


def test_a_neighbour_with_a_false_tree_is_found_out(first, second):
    first.neighbours.fail(Fault(FLIP, ".tree", 3, ALWAYS))
    second.run_until(lambda: settled(second, "1.1.0"))
    assert events(second).count("source_lied") == 1


@pytest.mark.parametrize("off", ["power", "absent", "other release"])
def test_a_neighbour_that_does_not_serve_costs_nothing_but_a_try(first, second, off):
    if off == "power":
        first.neighbours.down = True
    elif off == "absent":
        second.mirrors.clear()
    else:
        first.neighbours.files.clear()
    second.run_until(lambda: settled(second, "1.1.0"))
    assert fetched_blocks(second) != []
    assert "source_lied" not in events(second)


def test_it_says_what_it_serves_and_only_then_where_it_is(site, first):
    first.run_for(120)
    release = site.operator.releases["1.1.0"].release
    assert telemetry(first)["serves"] == release.sha256
    assert telemetry(first)["serves_port"] == 8446
    assert telemetry(first)["address"] == "192.168.7.2"
    quiet = site.world(None)
    quiet.sensors.measured["address"] = "192.168.7.3"
    quiet.power_on()
    quiet.run_for(120)
    assert not {"address", "serves", "serves_port"} & set(telemetry(quiet))


def test_it_serves_again_after_a_restart_and_nothing_during_a_trial(site, first):
    first.restart()
    first.run_for(120)
    assert first.neighbours.offers()
    site.release("1.2.0")
    site.assign(first, "1.2.0")
    first.run_until(lambda: first.boots[-1].on_trial)
    assert not first.neighbours.offers()
    first.run_until(lambda: settled(first, "1.2.0"))
    assert (
        site.operator.releases["1.2.0"].release.sha256 in running.parse(first.documents.content[RUNNING]).image_path()
    )
    assert first.neighbours.offers()


@pytest.mark.parametrize("loss", ["record", "tree", "configuration"])
def test_without_knowing_what_runs_it_serves_nothing(first, loss):
    first.power_cut()
    if loss == "record":
        first.documents.content[RUNNING] = b"{"
    elif loss == "tree":
        first.documents.content["update/slot-b.tree"] = bytes(32)
    else:
        first.serves_neighbours = False
    first.power_on()
    first.run_for(300)
    assert not first.neighbours.offers()
    assert first.neighbours.port == 0


def test_a_release_as_it_left_the_factory_is_not_served(site):
    world = site.world(None)
    world.serves_neighbours = True
    world.power_on()
    world.run_for(300)
    assert not world.neighbours.offers()


@pytest.mark.parametrize("remembered", [True, False], ids=["and its delivery lost the key since", "by an older agent"])
def test_what_came_encrypted_is_not_served(site, first, remembered):
    state = loads(first.documents.content["update/state.json"])
    hidden = Artifact("", "a.segments", 500, "0" * 64, 100, "1" * 64, b"e", b"s")
    release = site.operator.releases["1.1.0"].release
    way = Delivery(False, (), None if remembered else hidden)
    state |= {"phase": "committed", "slot": "b", "delivery": delivery.as_json(way), "release": saved(release)}
    if remembered:
        state["sealed"] = release.sha256
    assert RUNNING in first.documents.content
    first.power_cut()
    first.documents.content["update/state.json"] = dumps(state).encode()
    first.power_on()
    first.run_for(300)
    assert RUNNING not in first.documents.content
    assert not first.neighbours.offers()


def test_a_neighbour_is_asked_before_an_artifact_and_costs_the_line_nothing(site, first, second):
    made, path, body = packed_release(site)
    second.server.files[path] = body
    announce(site, second, Delivery(False, (NEIGHBOUR,), made))
    second.run_until(lambda: settled(second, "1.1.0"))
    assert [one for one in second.server.exchanges if one.path.endswith(".slot")] == []
    assert sum(one.served_bytes for one in second.server.exchanges if one.path == path) == made.index_length_bytes


def test_without_its_neighbours_a_camera_takes_the_artifact(site, first, second):
    made, path, body = packed_release(site)
    second.server.files[path] = body
    announce(site, second, Delivery(False, (NEIGHBOUR,), made))
    first.neighbours.down = True
    second.run_until(lambda: settled(second, "1.1.0"))
    assert sum(one.served_bytes for one in second.server.exchanges if one.path == path) > made.index_length_bytes
    assert fetched_blocks(second) == []
