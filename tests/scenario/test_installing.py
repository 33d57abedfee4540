"""What an update costs on the line: copies, segments, encrypted releases, mirrors and neighbours, limits."""

from hashlib import sha256

import pytest

from agent.app.sources import MAX_ABSENCES
from agent.core import allowance
from agent.formats import delivery, json
from agent.formats.block_tree import BLOCK_BYTES
from agent.formats.delivery import Artifact, Delivery, Source
from firmware_sim.world import packing
from firmware_sim.world.firmware import MAX_FIT_BYTES, SOUND, UNSAFE_BOOT_KEY, Geometry, build
from firmware_sim.world.network import ABSENT, ALWAYS, DROP, FLIP, Fault, Server
from firmware_sim.world.repository import make_release
from tests.scenario.deltas import KEY, announce, new_blocks
from tests.scenario.looks import events, fetched_blocks, reports, running, settled
from tests.scenario.stage import Stage

GEOMETRY = Geometry(slot_blocks=80, root_blocks=78)
BLOCKS = 79
MIRROR, NEIGHBOUR = "https://mirror.test:8443", "neighbourneighbour"


@pytest.fixture(scope="module")
def wide():
    """A camera with room for several segments; every third block of 1.1.0 is in 1.0.0 as well."""
    stage = Stage(GEOMETRY)
    stage.release("1.1.0")
    return stage


def slot_path(stage, version="1.1.0"):
    release = stage.operator.releases[version].release
    return f"/targets/{release.sha256}.{release.target}"


def camera(stage, make=None, **transfer):
    """A camera for which 1.1.0 is assigned, with what `make(world)` says of the delivery; not yet powered on."""
    world = stage.world("1.1.0")
    world.schedule = transfer
    stage.assign(world, "1.1.0", None if make is None else delivery.as_json(make(world)))
    return world


def update(world):
    world.power_on()
    world.run_until(lambda: settled(world, "1.1.0"))
    assert world.boots[-1].sound
    assert "refused" not in events(world)
    return world


def refused(world, code):
    """The update is refused once with this code, and nothing of the active slot has changed."""
    before = world.digest()["a"]
    world.power_on()
    world.run_until(lambda: "refused" in events(world))
    assert [report.code for report in reports(world) if report.event == "refused"] == [code]
    assert running(world) == "1.0.0"
    assert world.digest()["a"] == before
    return world


def served(server, part):
    return sum(one.served_bytes for one in server.exchanges if part in one.path)


# Copies


def test_blocks_that_the_active_slot_has_are_not_fetched(wide):
    world = update(camera(wide))
    assert sorted(fetched_blocks(world)) == new_blocks(GEOMETRY)


def test_blocks_that_have_moved_are_copied_as_well(wide):
    """1.2.0 is 1.1.0 with its root turned by seven blocks: nothing but the system itself is fetched."""
    world = update(camera(wide))
    world.power_cut()
    image = build(GEOMETRY, "1.2.0")
    root = build(GEOMETRY, "1.1.0")[: GEOMETRY.fit_offset()]
    turned = root[7 * BLOCK_BYTES :] + root[: 7 * BLOCK_BYTES]
    moved = build_with_root(turned, "1.2.0")
    assert len(moved) == len(image)
    publish(wide, world, "1.2.0", moved)
    begin = len(world.server.exchanges)
    world.power_on()
    world.run_until(lambda: settled(world, "1.2.0"))
    assert fetched_blocks(world, begin) == [BLOCKS - 1]


def build_with_root(root, version):
    """A slot image of another root, signed as the world signs."""
    about = {"version": version, "security_epoch": 1, "root_sha256": sha256(root).hexdigest(), "behaviour": SOUND}
    body = json.dump(about)
    body += b" " * (MAX_FIT_BYTES - len(body))
    return root + sha256(UNSAFE_BOOT_KEY + body).digest() + body


def publish(stage, world, version, image):
    stage.operator.add(make_release(image, version, 1))
    stage.assign(world, version)


# Segments


def test_what_a_delta_holds_is_not_fetched_as_it_is(wide):
    world = update(camera(wide, announce))
    assert fetched_blocks(world) == []
    assert served(world.server, "a.delta") == world_artifact_bytes(world)


def world_artifact_bytes(world):
    return next(len(body) for path, body in world.server.files.items() if path.endswith("a.delta"))


def test_blocks_that_the_delta_does_not_hold_are_fetched_beside_it(wide):
    left_out = new_blocks(GEOMETRY)[5:9]
    kept = [block for block in new_blocks(GEOMETRY) if block not in left_out]
    world = update(camera(wide, lambda world: announce(world, blocks=kept)))
    assert fetched_blocks(world) == left_out


def flip(at):
    def spoil(body, index_length):
        place = at if at >= 0 else len(body) + at
        place = max(place, 0) if at < 0 else index_length + at
        return body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]

    return spoil


@pytest.mark.parametrize("at", [0, 9000, -1])
def test_a_damaged_segment_gives_way_to_the_blocks_themselves(wide, at):
    """The first, one in the middle, the last; all other segments are still of use."""
    world = update(camera(wide, lambda world: announce(world, spoil=flip(at))))
    assert 1 <= len(set(fetched_blocks(world))) <= 8
    assert len(fetched_blocks(world)) == len(set(fetched_blocks(world)))


def test_a_lying_index_is_left_out(wide):
    world = update(camera(wide, lambda world: announce(world, spoil=lambda body, _: bytes([body[0] ^ 1]) + body[1:])))
    assert sorted(fetched_blocks(world)) == new_blocks(GEOMETRY)


def test_a_delta_for_another_version_costs_one_segment(wide):
    """Its first segment does not unpack behind this camera's blocks."""

    def other(world):
        old = bytes(len(build(GEOMETRY, "1.0.0")))
        body, length = packing.artifact(old, build(GEOMETRY, "1.1.0"), new_blocks(GEOMETRY), 8)
        digest, index = sha256(body).hexdigest(), body[:length]
        world.server.files[f"/targets/{digest}.a.delta"] = body
        return Delivery(
            False, (), Artifact("ab" * 32, "a.delta", len(body), digest, length, sha256(index).hexdigest(), b"", b"")
        )

    world = update(camera(wide, other))
    assert sorted(fetched_blocks(world)) == new_blocks(GEOMETRY)


def test_a_segment_goes_on_where_the_connection_dropped(wide):
    world = camera(wide, announce)
    world.server.fail(Fault(DROP, "a.delta", 20_000, 1))
    update(world)
    assert fetched_blocks(world) == []
    assert served(world.server, "a.delta") == world_artifact_bytes(world), "bytes were fetched twice"


# Encrypted


def test_an_encrypted_release_installs_without_its_plain_image(wide):
    world = camera(wide, lambda world: announce(world, KEY, blocks=list(range(BLOCKS)), origin=False))
    del world.server.files[slot_path(wide)]
    update(world)


def test_a_key_for_another_camera_is_refused(wide):
    def stolen(world):
        made = announce(world, KEY, blocks=list(range(BLOCKS)), origin=False)
        return made.replace(artifact=made.artifact.replace(enc=bytes(32)))

    refused(camera(wide, stolen), "artifact")


def test_an_encrypted_segment_that_stays_damaged_is_refused(wide):
    world = camera(wide, lambda world: announce(world, KEY, list(range(BLOCKS)), flip(100), origin=False))
    refused(world, "artifact")


# What the operator's server lacks


def lacking(world, path, times):
    """The server answers 404 for this target so often."""
    world.server.fail(Fault(ABSENT, path, 0, times))
    return world


def test_a_confidential_release_whose_delivery_lost_its_artifact_is_refused_and_said_so(wide):
    """Its plain image is nowhere: the camera does not ask for it for ever."""
    world = camera(wide)
    del world.server.files[slot_path(wide)]
    refused(world, "missing_target")
    asked = len([one for one in world.server.exchanges if ".slot" in one.path])
    assert asked <= 2 * MAX_ABSENCES
    world.run_for(3600)
    assert events(world).count("refused") == 1, "the same refusal again is no news"
    world.server.files[slot_path(wide)] = build(GEOMETRY, "1.1.0")
    world.run_until(lambda: settled(world, "1.1.0"))


@pytest.mark.parametrize("part", [".slot", ".tree", "a.delta"])
def test_a_file_that_comes_to_the_server_late_is_waited_for(wide, part):
    update(lacking(camera(wide, announce if part == "a.delta" else None), part, MAX_ABSENCES - 1))


# Sources


def mirrored(world, *names, files=None):
    """Mirrors with everything the server has; the delivery that names them."""
    sources = []
    for name in names:
        mirror = world.mirrors[name] = Server("https://" + name)
        mirror.files.update(world.server.files if files is None else files)
        sources.append(Source(name, "") if name.startswith("https") else Source("https://192.0.2.9:8446", name))
    return Delivery(False, tuple(sources), None)


@pytest.mark.parametrize("name", [MIRROR, NEIGHBOUR])
def test_a_mirror_or_neighbour_takes_the_load(wide, name):
    world = update(camera(wide, lambda world: mirrored(world, name)))
    assert served(world.server, "/targets/") == 0
    assert served(world.mirrors[name], ".slot") == len(new_blocks(GEOMETRY)) * BLOCK_BYTES


@pytest.mark.parametrize("name", [MIRROR, NEIGHBOUR])
def test_a_lying_source_costs_a_retry_and_is_reported(wide, name):
    world = camera(wide, lambda world: mirrored(world, name))
    world.mirrors[name].fail(Fault(FLIP, ".slot", 31 * BLOCK_BYTES + 5, ALWAYS))
    update(world)
    lies = [report for report in reports(world) if report.event == "source_lied"]
    assert [report.code for report in lies] == ["arbitrary_software"]
    assert name in lies[0].detail
    right = set(fetched_blocks(world))
    assert len(right) == len(fetched_blocks(world)), "a block was fetched twice from the server"


def test_a_mirror_with_another_tree_costs_a_retry(wide):
    world = camera(wide, lambda world: mirrored(world, MIRROR))
    for path in world.mirrors[MIRROR].files:
        if path.endswith(".tree"):
            world.mirrors[MIRROR].files[path] = bytes(len(world.mirrors[MIRROR].files[path]))
    update(world)
    assert "source_lied" in events(world)


def test_a_mirror_that_swaps_files_costs_a_retry(wide):
    world = camera(wide, lambda world: mirrored(world, MIRROR))
    world.mirrors[MIRROR].files[slot_path(wide)] = build(GEOMETRY, "9.9.9")
    update(world)
    assert "source_lied" in events(world)


def test_a_mirror_without_the_file_is_passed_over(wide):
    world = update(camera(wide, lambda world: mirrored(world, MIRROR, NEIGHBOUR, files={})))
    assert sorted(fetched_blocks(world)) == new_blocks(GEOMETRY)
    assert "source_lied" not in events(world)


def test_a_mirror_that_is_down_is_left_alone_for_a_while(wide):
    world = camera(wide, lambda world: mirrored(world, MIRROR))
    world.mirrors[MIRROR].down = True
    update(world)
    assert sorted(fetched_blocks(world)) == new_blocks(GEOMETRY)


# The line's limits


def test_a_metered_line_takes_a_delta(wide):
    world = update(camera(wide, announce, full_downloads="never"))
    assert fetched_blocks(world) == []


@pytest.fixture(scope="module")
def broad():
    """A release with more new blocks than may be repaired on a metered line."""
    return Stage(Geometry(slot_blocks=420, root_blocks=418))


def test_a_metered_line_takes_no_whole_download(broad):
    world = refused(camera(broad, full_downloads="never"), "full_download")
    assert fetched_blocks(world) == []
    assert running(update(camera(broad))) == "1.1.0", "the line is what it was refused for"


MONTH_BYTES = 1024 * 1024


def spent(world, left_bytes, month="2026-11"):
    used = allowance.Spent(month, MONTH_BYTES - left_bytes)
    world.documents.content["update/spent.json"] = allowance.encode(used)
    return world


def test_an_update_that_costs_more_than_is_left_of_the_month_is_refused_before_it_is_fetched(wide):
    world = refused(spent(camera(wide, max_bytes_per_month=MONTH_BYTES), 100_000), "byte_budget")
    assert fetched_blocks(world) == []
    for _ in range(20):  # until December
        world.run_for(43200)
    wide.assign(world, "1.1.0")
    world.run_for(86400)
    assert running(world) == "1.1.0"


def test_what_is_fetched_is_counted(wide):
    world = update(spent(camera(wide, max_bytes_per_month=MONTH_BYTES), MONTH_BYTES))
    counted = allowance.parse(world.documents.content["update/spent.json"])
    assert counted == allowance.Spent("2026-11", served(world.server, "/targets/"))


def test_the_rate_is_kept(wide):
    slow = camera(wide, max_bytes_per_s=1024)
    slow.power_on()
    slow.run_until(lambda: "started" in events(slow))
    begin = slow.clock.now_s
    update_bytes = len(new_blocks(GEOMETRY)) * BLOCK_BYTES
    slow.run_until(lambda: settled(slow, "1.1.0"))
    assert served(slow.server, ".slot") == update_bytes
    assert slow.clock.now_s - begin >= update_bytes / 1024 - 1
