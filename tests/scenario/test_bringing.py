"""Offline bundles: the same verification as from a server, with nothing but a file; what is refused writes nothing.

"Nothing" is measured from outside, as in test_refusals.py: both slots, both copies of the boot record, every trust
document but those of the image repository that were genuine, and no upload is left. The untampered twin installs.
"""

import pytest

from agent.formats import bundle
from firmware_sim.world import bundle as bundles
from firmware_sim.world import people
from firmware_sim.world.bundle import UPLOAD
from firmware_sim.world.firmware import build
from firmware_sim.world.repository import DAY_S, describe, make_release
from tests.scenario.bundles import STICK, bring, installed, lonely, make, paths, unmoved, upload
from tests.scenario.looks import events, phase, reports, running
from tests.scenario.stage import Stage

VERSION = "1.1.0"


@pytest.fixture
def stage() -> Stage:
    return Stage()


def release(stage, world, version: str = VERSION, epoch: int = 1, **about) -> None:
    """The manufacturer releases it, signed at the time that the world has."""
    stage.operator.add(make_release(build(stage.geometry, version, epoch), version, epoch, **about))
    sign(stage, world)


def sign(stage, world) -> None:
    stage.operator.set_time(int(world.clock.now_s))
    stage.operator.image.publish()
    stage.operator.serve()


def order(stage, world, version: str = VERSION) -> None:
    """The director assigns the release to the enrolled camera, whose server nobody reaches."""
    stage.operator.add(make_release(build(stage.geometry, version, 1), version, 1))
    stage.operator.set_time(int(world.clock.now_s))
    stage.operator.assign(version)
    world.server.down = True


def cut_off(stage):
    """An enrolled camera without its server."""
    found = stage.world()
    found.power_on()
    found.run_for(300)
    found.server.down = True
    return found


@pytest.mark.parametrize("way", [bring, upload], ids=["stick", "page"])
def test_a_camera_without_an_operator_installs_a_bundle_and_commits(stage, way):
    world = lonely(stage)
    release(stage, world)
    reply = way(world, make(stage.operator, VERSION))
    assert reply["ok"], reply
    world.run_until(lambda: installed(world, VERSION))
    world.run_for(1)
    assert world.record().active == "b"
    assert world.server.exchanges == []
    assert UPLOAD not in world.documents.content
    assert "update/source.json" not in world.documents.content


def test_the_console_is_told_the_version_that_was_verified(stage):
    world = lonely(stage)
    release(stage, world)
    assert bring(world, make(stage.operator, VERSION))["version"] == VERSION


def test_with_an_operator_the_directors_order_in_the_bundle_is_carried_out_and_reported(stage):
    world = cut_off(stage)
    order(stage, world)
    assert bring(world, make(stage.operator, VERSION, (world.device_id(),)))["ok"]
    world.run_until(lambda: installed(world, VERSION))
    world.server.down = False
    world.run_for(900)
    assert "committed" in events(world)


def test_a_bundle_for_several_cameras_serves_each(stage):
    world = cut_off(stage)
    order(stage, world)
    files = paths(stage.operator, VERSION, (world.device_id(),))
    for other in ("aaaaaaaaaaaaaaaaaaaaaaaaaa", "zzzzzzzzzzzzzzzzzzzzzzzzzz"):
        files[f"/tuf/director/{other}/timestamp.json"] = b"{}"
    assert bring(world, bundles.make(files, stage.operator.releases[VERSION].release.target))["ok"]
    world.run_until(lambda: installed(world, VERSION))


def test_an_interrupted_installation_goes_on_from_the_upload_after_a_power_cut(stage):
    world = lonely(stage)
    release(stage, world)
    assert upload(world, make(stage.operator, VERSION))["ok"]
    world.run_until(lambda: phase(world) == "installing")
    world.power_cut()
    world.power_on()
    world.run_until(lambda: installed(world, VERSION))
    world.run_for(1)
    assert UPLOAD not in world.documents.content


def test_a_stick_that_is_pulled_out_ends_the_installation_and_nothing_is_lost(stage):
    world = lonely(stage)
    release(stage, world)
    body = make(stage.operator, VERSION)
    assert bring(world, body)["ok"]
    world.run_until(lambda: phase(world) == "installing")
    world.sticks.clear()
    world.run_until(lambda: phase(world) == "idle")
    assert world.admin("status")["update"]["last_result"] == "refused bundle_gone"
    assert running(world) == "1.0.0"
    assert world.record().trial == "-"
    assert bring(world, body)["ok"]
    world.run_until(lambda: installed(world, VERSION))


def test_a_stick_that_is_gone_after_a_power_cut_ends_the_installation(stage):
    world = lonely(stage)
    release(stage, world)
    assert bring(world, make(stage.operator, VERSION))["ok"]
    world.run_until(lambda: phase(world) == "installing")
    world.power_cut()
    world.sticks.clear()
    world.power_on()
    world.run_until(lambda: phase(world) == "idle")
    assert "update/source.json" not in world.documents.content
    assert world.record().active == "a"


@pytest.mark.parametrize("clock", [DAY_S * 365 * 60, -DAY_S * 365 * 50], ids=["2086", "1976"])
def test_a_camera_whose_clock_is_wrong_installs_all_the_same(stage, clock):
    world = lonely(stage)
    release(stage, world)
    world.clock.set_wall_s(max(1, int(world.clock.now_s) + clock))
    assert bring(world, make(stage.operator, VERSION))["ok"]
    world.run_until(lambda: installed(world, VERSION))


def test_a_bundle_that_lay_in_a_drawer_for_a_year_installs_where_nothing_says_that_it_is_late(stage):
    world = lonely(stage)
    release(stage, world)
    body = make(stage.operator, VERSION)
    world.clock.advance(300 * DAY_S)
    assert bring(world, body)["ok"]
    world.run_until(lambda: installed(world, VERSION))


# Refused


def flipped(at_path: str):
    def make_it(stage, world) -> bytes:
        release(stage, world)
        files = paths(stage.operator, VERSION)
        version = str(stage.operator.image.versions["targets"]) if "targets" in at_path else ""
        path = next(name for name in sorted(files) if name.endswith(version + at_path))
        at = 4156 if at_path == ".slot" else 60  # the first block is one that the camera has already
        files[path] = files[path][:at] + bytes([files[path][at] ^ 1]) + files[path][at + 1 :]
        return bundles.make(files, stage.operator.releases[VERSION].release.target)

    return make_it


def without_enough_signatures(stage, world) -> bytes:
    thief = stage.operator.copy()
    thief.image.thresholds["targets"] = 1
    thief.add(make_release(build(stage.geometry, VERSION, 1), VERSION, 1))
    thief.set_time(int(world.clock.now_s))
    thief.image.publish()
    thief.serve()
    return make(thief, VERSION)


def another_release_is_named(stage, world) -> bytes:
    release(stage, world)
    return bundles.make(paths(stage.operator, VERSION), "kawa-1-a-6.6.6.slot")


def for_another_model(stage, world) -> bytes:
    release(stage, world, model="kawa-2")
    return make(stage.operator, VERSION)


def for_other_hardware(stage, world) -> bytes:
    release(stage, world, hardware="b")
    return make(stage.operator, VERSION)


def an_older_one(stage, world) -> bytes:
    release(stage, world, "0.9.0")
    return make(stage.operator, "0.9.0")


def below_the_index(stage, world) -> bytes:
    release(stage, world, VERSION, 0)
    return make(stage.operator, VERSION)


def the_running_one(stage, world) -> bytes:
    sign(stage, world)
    return make(stage.operator, "1.0.0")


def expired_by_the_floor(stage, world) -> bytes:
    """The camera's software was built after the bundle's metadata had expired."""
    release(stage, world)
    repository = stage.operator.copy()
    repository.set_time(1763800000 - 8 * DAY_S)
    repository.image.publish()
    repository.serve()
    return make(repository, VERSION)


def cut_short(stage, world) -> bytes:
    release(stage, world)
    return make(stage.operator, VERSION)[:-1]


def with_a_tail(stage, world) -> bytes:
    release(stage, world)
    return make(stage.operator, VERSION) + b"\0"


def with_an_endless_length(stage, world) -> bytes:
    release(stage, world)
    body = make(stage.operator, VERSION)
    return body[:12] + b"\xff" * 8 + body[20:]


def with_an_endless_file(stage, world) -> bytes:
    release(stage, world)
    files = paths(stage.operator, VERSION)
    files["/tuf/image/timestamp.json"] += b" " * 9000
    return bundles.make(files, stage.operator.releases[VERSION].release.target)


def with_an_index_that_was_changed(stage, world) -> bytes:
    release(stage, world)
    body = bytearray(make(stage.operator, VERSION))
    body[bundle.HEAD_BYTES + 40] ^= 1
    return bytes(body)


def no_bundle_at_all(stage, world) -> bytes:
    release(stage, world)
    return b"\x7fELF" + bytes(5000)


def a_file_is_missing(stage, world) -> bytes:
    release(stage, world)
    files = paths(stage.operator, VERSION)
    del files["/tuf/image/timestamp.json"]
    return bundles.make(files, stage.operator.releases[VERSION].release.target)


REFUSED = {
    flipped(".targets.json"): "mix_and_match",
    flipped("timestamp.json"): "arbitrary_software",
    without_enough_signatures: "arbitrary_software",
    another_release_is_named: "arbitrary_software",
    for_another_model: "wrong_model",
    for_other_hardware: "wrong_hardware",
    an_older_one: "rollback",
    below_the_index: "epoch_rollback",
    the_running_one: "nothing_new",
    expired_by_the_floor: "freeze",
    cut_short: "format",
    with_a_tail: "format",
    with_an_endless_length: "format",
    with_an_endless_file: "endless_data",
    with_an_index_that_was_changed: "format",
    no_bundle_at_all: "format",
    a_file_is_missing: "unavailable",
}


def what_counts(world) -> dict[str, str]:
    return {name: value for name, value in unmoved(world).items() if not name.startswith("trust/image")}


@pytest.mark.parametrize("way", [bring, upload], ids=["stick", "page"])
@pytest.mark.parametrize("tampered", REFUSED, ids=lambda one: one.__qualname__.partition(".")[0])
def test_it_is_refused_by_name_and_nothing_is_written_and_the_genuine_twin_installs(stage, tampered, way):
    world = lonely(stage)
    body = tampered(stage, world)
    before = what_counts(world)
    reply = way(world, body)
    assert not reply["ok"]
    assert reply["detail"].partition(":")[0] == REFUSED[tampered]
    world.run_for(1000)
    assert what_counts(world) == before
    assert phase(world) == "idle"
    assert UPLOAD not in world.documents.content
    for role in ("targets", "snapshot", "timestamp"):
        stage.operator.image.versions[role] += 10  # past what a thief has signed
    release(stage, world, "2.0.0")
    assert way(world, make(stage.operator, "2.0.0"))["ok"]
    world.run_until(lambda: installed(world, "2.0.0"))


@pytest.mark.parametrize("target", [".slot", ".tree"])
def test_a_tampered_target_is_found_before_a_block_of_it_is_armed(stage, target):
    world = lonely(stage)
    body = flipped(target)(stage, world)
    assert bring(world, body)["ok"]  # all that is signed is genuine
    world.run_until(lambda: phase(world) == "idle")
    assert world.admin("status")["update"]["last_result"] == "refused arbitrary_software"
    record = world.record()
    assert (record.active, record.trial) == ("a", "-")
    assert bring(world, make(stage.operator, VERSION))["ok"]
    world.run_until(lambda: installed(world, VERSION))


def test_a_file_that_is_no_file_is_refused(stage):
    world = lonely(stage)
    assert "bundle_gone" in world.admin("install", path="/media/usb/nothing")["detail"]
    assert not world.admin("install", path="kawa.bundle")["ok"]
    assert "nothing_new" in world.admin("install")["detail"]


def orders(stage, world, devices: tuple[str, ...]) -> bytes:
    order(stage, world)
    return make(stage.operator, VERSION, devices)


def test_with_an_operator_a_bundle_without_their_order_is_refused(stage):
    world = cut_off(stage)
    before = unmoved(world)
    reply = bring(world, orders(stage, world, ()))
    assert "no_order" in reply["detail"]
    assert unmoved(world) == before
    assert bring(world, make(stage.operator, VERSION, (world.device_id(),)))["ok"]


def test_with_an_operator_orders_for_other_cameras_are_refused_also_under_this_cameras_name(stage):
    world = cut_off(stage)
    mine, other = world.device_id(), "abcdefghijklmnopqrstuvwxyz"
    order(stage, world)
    before = unmoved(world)
    theirs = stage.operator.copy()
    theirs.adopt(other)
    theirs.assign(VERSION)
    files = paths(theirs, VERSION, (other,))
    target = stage.operator.releases[VERSION].release.target
    assert "wrong_device" in bring(world, bundles.make(files, target))["detail"]
    renamed = {path.replace(other, mine): body for path, body in files.items()}
    assert "wrong_device" in bring(world, bundles.make(renamed, target))["detail"]
    assert unmoved(world) == before
    assert bring(world, make(stage.operator, VERSION, (mine,)))["ok"]
    world.run_until(lambda: installed(world, VERSION))


def test_with_an_operator_both_repositories_must_agree(stage):
    world = cut_off(stage)
    order(stage, world)
    thief = stage.operator.copy()  # has the director's keys, and none of the manufacturer's
    forged = make_release(build(stage.geometry, "6.6.6", 1), "6.6.6", 1)
    thief.set_time(int(world.clock.now_s))
    listed = dict(thief.image.targets)
    thief.add(forged)
    thief.image.targets = listed
    thief.image.publish()
    thief.director.targets = {forged.release.target: describe(forged.release)}
    thief.director.publish()
    thief.serve()
    before = {name: value for name, value in unmoved(world).items() if not name.startswith("trust/")}
    files = paths(thief, "6.6.6", (world.device_id(),))
    reply = bring(world, bundles.make(files, forged.release.target))
    assert "arbitrary_software" in reply["detail"]
    assert {name: value for name, value in unmoved(world).items() if not name.startswith("trust/")} == before


def test_a_directors_signed_time_in_a_bundle_moves_the_floor_and_an_older_bundle_is_late_then(stage):
    world = cut_off(stage)
    release(stage, world, "1.0.5")
    old = make(stage.operator, "1.0.5")
    world.clock.advance(20 * DAY_S)
    order(stage, world)
    assert bring(world, make(stage.operator, VERSION, (world.device_id(),)))["ok"]
    world.run_until(lambda: installed(world, VERSION))
    reply = world.admin("disown")
    assert reply["ok"]
    boots = len(world.boots)
    world.run_until(lambda: len(world.boots) > boots)
    world.run_for(200)
    reply = bring(world, old)
    assert not reply["ok"]
    assert reply["detail"].partition(":")[0] in ("rollback", "freeze")


# Room


def test_a_data_partition_that_is_too_small_says_so_and_a_stick_works(stage):
    world = lonely(stage)
    release(stage, world)
    body = make(stage.operator, VERSION)
    world.documents.room_bytes = sum(map(len, world.documents.content.values())) + len(body) // 2
    before = unmoved(world)
    reply = upload(world, body)
    assert (reply["code"], reply["detail"].partition(":")[0]) == ("bad_request", "no_room")
    assert str(len(body)) in reply["detail"]
    assert unmoved(world) == before
    world.documents.room_bytes *= 2
    assert bring(world, body)["ok"]
    world.run_until(lambda: installed(world, VERSION))


@pytest.mark.parametrize("length", [0, 10, 10**11, 999_999_999_999])
def test_an_upload_of_a_length_that_no_bundle_for_this_camera_has_is_refused(stage, length):
    world = lonely(stage)
    assert "bundle_length" in upload(world, b"", length)["detail"]
    assert UPLOAD not in world.documents.content


def test_an_upload_that_is_never_finished_is_removed(stage):
    world = lonely(stage)
    grant = people.login(world)["grant"]
    assert world.ask("web", people.request("upload", grant=grant, length="5000"))["ok"]
    assert UPLOAD in world.documents.content
    world.run_for(3700)
    assert UPLOAD not in world.documents.content
    assert world.ask("web", people.request("upload", grant=people.login(world)["grant"], length="5000"))["ok"]
    world.restart()
    world.run_for(10)
    assert UPLOAD not in world.documents.content


def test_while_a_bundle_is_installed_another_waits(stage):
    world = lonely(stage)
    release(stage, world)
    body = make(stage.operator, VERSION)
    assert bring(world, body)["ok"]
    assert "busy" in bring(world, body)["detail"]
    assert upload(world, body)["code"] == "busy"
    world.run_until(lambda: installed(world, VERSION))


def test_a_bundle_during_a_trial_boot_waits_for_its_end(stage):
    world = lonely(stage)
    release(stage, world)
    assert bring(world, make(stage.operator, VERSION))["ok"]
    world.run_until(lambda: running(world) == VERSION and phase(world) == "trial")
    release(stage, world, "1.2.0")
    reply = bring(world, make(stage.operator, "1.2.0"))
    assert not reply["ok"]
    assert "busy" in reply["detail"]
    world.run_until(lambda: installed(world, VERSION))
    assert bring(world, make(stage.operator, "1.2.0"))["ok"]


def test_an_erase_takes_an_upload_with_it(stage):
    world = lonely(stage)
    grant = people.login(world)["grant"]
    assert world.ask("web", people.request("upload", grant=grant, length="5000"))["ok"]
    assert world.admin("erase")["ok"]
    boots = len(world.boots)
    world.run_until(lambda: len(world.boots) > boots)
    assert UPLOAD not in world.documents.content
    assert STICK not in world.sticks


def test_an_order_at_the_camera_waits_for_no_window_and_takes_the_place_of_what_waits(stage):
    world = stage.world()
    world.schedule = {"windows": "daily 08:00-08:30", "time_zone": "UTC0"}
    world.power_on()
    world.run_for(300)
    stage.assign(world, None)
    order(stage, world, "1.0.5")
    world.server.down = False
    world.server.files.update(stage.operator.files)
    world.run_until(lambda: phase(world) == "waiting")
    order(stage, world)
    assert bring(world, make(stage.operator, VERSION, (world.device_id(),)))["ok"]
    world.run_until(lambda: installed(world, VERSION))
    world.server.down = False
    world.run_for(900)
    assert "superseded" in [report.code for report in reports(world)]
