"""Clocks that are wrong, and people who make them so: nothing expired is taken, no camera is lost, all recover.

The camera's wall clock is `world.clock.skew_s` away from the true time. What the camera has proven of the time is its
floor. The world's server holds a certificate that is valid around the true time, as a server's is.
"""

from json import loads

import pytest

from agent.core import clock
from agent.core.clock import LEFT_TO_NTP_S, RECEIPT_EVERY_S, RECEIPTS_AT_ONCE, SAVE_STEP_S
from agent.formats import utc
from agent.formats.receipt import signed_part
from firmware_sim.world import factory, people
from firmware_sim.world.network import ABSENT, ALWAYS, RECEIPTS, RESET, Fault
from firmware_sim.world.repository import DAY_S, LIFE_S, signed_file
from tests.scenario.looks import events, reports, running, settled
from tests.scenario.makers import RealSigner
from tests.scenario.stage import NOW
from tests.scenario.sweep import sweep

YEAR_S = 365 * DAY_S
FLOOR = "clock/floor.json"
NEW = "1.1.0"
WRONG = {
    "1970": -NOW,
    "a year behind": -YEAR_S,
    "a month ahead": 30 * DAY_S,
    "five years ahead": 5 * YEAR_S,
    "2099": 70 * YEAR_S,
}


def finish(world, version=NEW):
    if world.agent is None:
        world.power_on()
    world.run_until(lambda: settled(world, version) and "committed" in events(world))


def floor(world):
    """The stored time floor; the build time where there is none."""
    body = world.documents.content.get(FLOOR)
    return loads(body)["floor_at"] if body else factory.BUILD_TIME_S


def wrong_by(world):
    """What the camera's wall clock is wrong by, for itself and for all other programs on it."""
    return world.clock.wall_s() - int(world.clock.now_s), world.clock.skew_s


def right(world):
    """Whether both are right, but for what is left to NTP."""
    return all(abs(wrong_s) <= LEFT_TO_NTP_S for wrong_s in wrong_by(world))


def asked(world):
    """How many time receipts the camera has asked for."""
    return len([one for one in world.server.exchanges if one.path.startswith(RECEIPTS)])


def nudge(world):
    world.link.events.append(("message", f"camward/1/{world.device_id()}/down/command", b"{}"))


# --- clocks that are wrong


@pytest.mark.parametrize("skew", WRONG.values(), ids=WRONG)
def test_a_wrong_clock_stops_no_update_and_is_put_right(stage, skew):
    world = stage.world(NEW)
    world.clock.skew_s = skew
    finish(world)
    assert right(world)
    assert "refused" not in events(world)
    assert floor(world) <= world.clock.now_s


@pytest.mark.parametrize("skew", WRONG.values(), ids=WRONG)
def test_an_idle_cameras_clock_is_put_right_as_well(stage, skew):
    """The director's timestamp is half an hour old, as it may be: a clock set by that alone would be, too."""
    world = stage.world()
    stage.assign(world, None)
    world.clock.advance(1800)
    world.clock.skew_s = skew
    world.power_on()
    world.run_for(60)
    assert right(world)


@pytest.mark.parametrize("skew", WRONG.values(), ids=WRONG)
def test_a_camera_that_may_not_set_the_systems_clock_goes_by_what_it_was_told(stage, skew):
    world = stage.world(NEW)
    world.clock.skew_s = skew
    world.clock.settable = False
    finish(world)
    assert world.clock.skew_s == skew


def test_whoever_sets_the_clock_again_does_not_move_the_cameras_time(stage):
    """NTP is anybody's word: in every step of the update it says 2099 anew."""
    world = stage.world(NEW)
    before, begin = asked(world), world.clock.now_s
    world.power_on()
    for _ in range(20_000):
        world.clock.skew_s = WRONG["2099"]
        world.turn()
        if settled(world, NEW) and "committed" in events(world):
            break
    assert running(world) == NEW
    assert "refused" not in events(world)
    of_each_boot = RECEIPTS_AT_ONCE * len(world.boots)
    assert 1 <= asked(world) - before <= of_each_boot + (world.clock.now_s - begin) // RECEIPT_EVERY_S


def test_an_rtc_that_is_broken_for_good_is_put_right_after_every_boot(stage):
    world = stage.world()
    for version in ("1.1.0", "1.2.1"):
        if version not in stage.operator.releases:
            stage.release(version)
        if world.agent is not None:
            world.power_cut()
        stage.assign(world, version)
        world.clock.skew_s = WRONG["2099"]
        finish(world, version)
    assert right(world)


@pytest.mark.parametrize("skew", [WRONG["1970"], WRONG["2099"]], ids=["1970", "2099"])
def test_a_clock_that_goes_wrong_while_blocks_are_fetched_stops_no_update(stage, skew):
    """Nothing looks at metadata then, and certificates look expired: there, too, the time is asked for."""
    world = stage.world(NEW)
    world.power_on()
    world.run_until(lambda: len(world.server.fetched(".slot")) == 3)
    world.power_cut()
    world.clock.skew_s = skew
    finish(world)
    world.run_until(lambda: right(world))


@pytest.mark.parametrize("skew", WRONG.values(), ids=WRONG)
def test_the_first_enrolment_needs_no_clock(stage, skew):
    """The token brings the CA; of the time nothing is known but the build of the firmware, long ago."""
    world = stage.fresh()
    world.clock.advance(2 * YEAR_S)
    world.clock.skew_s = skew
    world.server.certificate = (30 * DAY_S, 300 * DAY_S)
    world.power_on()
    operator = stage.operator.copy()
    operator.set_time(int(world.clock.now_s))
    people.enrol(world, operator, people.claim(world)["grant"])
    world.run_until(lambda: right(world))


def test_a_camera_that_slept_beyond_its_servers_certificates_wakes_up_in_1970(stage):
    """The floor is two years old, and the certificate began last month: that looks like the future."""
    world = stage.world()
    world.clock.advance(2 * YEAR_S)
    world.clock.skew_s = -int(world.clock.now_s)
    world.server.certificate = (30 * DAY_S, 300 * DAY_S)
    prepared(stage)
    stage.assign(world, NEW)
    finish(world)
    assert right(world)


def test_the_first_boot_after_1970_is_never_before_what_is_proven(stage):
    """Other programs on the camera have a sensible clock before anybody was asked."""
    world = stage.world()
    world.clock.skew_s = WRONG["1970"]
    world.server.down = True
    world.power_on()
    assert world.clock.wall_s() == floor(world)


# --- metadata that has really expired


SET_BACK = -(7 * DAY_S + DAY_S // 2)  # after the floor, and while the metadata was fresh: nothing looks wrong


@pytest.mark.parametrize("skew", [0, SET_BACK, WRONG["1970"], WRONG["2099"]], ids=["right", "back", "1970", "2099"])
def test_what_has_expired_is_refused_whatever_the_clock_says(stage, skew):
    world = stage.world(NEW)
    world.clock.advance(8 * DAY_S)  # the operator's server signs nothing any more, but still knows the time
    world.clock.skew_s = skew
    world.power_on()
    world.run_until(lambda: "refused" in events(world))
    assert {report.code for report in reports(world) if report.event == "refused"} == {"freeze"}
    world.run_for(DAY_S)
    assert running(world) == "1.0.0"
    assert right(world)


def test_asking_for_the_time_is_bounded_however_often_somebody_nudges(stage):
    world = stage.world(NEW)
    world.clock.advance(8 * DAY_S)
    world.power_on()
    begin = world.clock.now_s
    for _ in range(200):
        nudge(world)
        world.run_for(30)
    looks = len([one for one in world.server.exchanges if "director" in one.path and "timestamp" in one.path])
    assert looks >= 150
    assert 1 <= asked(world) <= RECEIPTS_AT_ONCE + (world.clock.now_s - begin) // RECEIPT_EVERY_S


# --- receipts that lie


def unsigned(operator, nonce, now_s):
    return signed_file(signed_part(operator.device_id, nonce, now_s), [])


def foreign(operator, nonce, now_s):
    return signed_file(signed_part("b" * 26, nonce, now_s), operator.director.signers["timestamp"])


def by_another_role(operator, nonce, now_s):
    return signed_file(signed_part(operator.device_id, nonce, now_s), operator.director.signers["snapshot"])


def before_the_floor(operator, nonce, now_s):
    return operator.receipt(nonce, NOW - DAY_S)


def beyond_the_root(operator, nonce, now_s):
    return operator.receipt(nonce, NOW + LIFE_S["root"])


def replayed(operator, nonce, now_s):
    return operator.receipt("5a" * 16, now_s)


def no_receipt(operator, nonce, now_s):
    return operator.director.files["timestamp.json"]


LIES = {
    unsigned: "arbitrary_software", foreign: "wrong_device", by_another_role: "arbitrary_software",
    before_the_floor: "stale_receipt", beyond_the_root: "fast_forward", replayed: "stale_receipt", no_receipt: "format",
}  # fmt: skip


@pytest.mark.parametrize(("lie", "code"), LIES.items(), ids=lambda given: getattr(given, "__name__", given))
def test_a_receipt_that_lies_moves_nothing_and_is_named(stage, lie, code):
    world = stage.world(NEW)
    world.clock.skew_s = WRONG["five years ahead"]
    honest = world.server.receipts
    world.server.receipts = lambda nonce, now_s: lie(stage.operator, nonce, now_s)
    before = floor(world)
    world.power_on()
    world.run_for(6 * 3600)
    assert asked(world) >= 2
    assert wrong_by(world) == (WRONG["five years ahead"],) * 2
    assert floor(world) == before
    assert running(world) == "1.0.0"
    world.server.receipts = honest  # then the camera is reached again, and tells what was tried
    finish(world)
    refused = {report.code for report in reports(world) if report.event == "refused"}
    assert {code} <= refused <= {code, "freeze"}


@pytest.mark.parametrize("kind", [ABSENT, RESET])
@pytest.mark.parametrize("skew", [0, WRONG["1970"], WRONG["five years ahead"]], ids=["right", "1970", "ahead"])
def test_without_a_receipt_nothing_is_installed_until_there_is_one(stage, kind, skew):
    world = stage.world(NEW)
    world.clock.skew_s = skew
    world.server.fail(Fault(kind, RECEIPTS, 0, ALWAYS))
    world.power_on()
    world.run_for(6 * 3600)
    assert running(world) == "1.0.0"
    assert not world.server.fetched(".slot")
    world.server.heal()
    finish(world)


def test_a_receipt_that_gets_lost_once_keeps_nobody_who_asks_waiting(stage):
    """In the field as at the bench: a camera had lost one at its start, and took no order for ten minutes."""
    world = stage.world(NEW)
    world.server.fail(Fault(RESET, RECEIPTS, 0, 1))
    world.power_on()
    world.run_for(30)
    assert not world.server.fetched(".tree")
    assert any("what to install cannot be found out now" in line for line in world.console), "it says why it waits"
    nudge(world)
    world.run_for(30)
    assert world.server.fetched(".tree")
    finish(world)


# --- a thief of the online keys


def poisoned(stage, spare_s=60):
    """A camera whose floor a thief of the timestamp key has pushed to just before its root's expiry; the thief."""
    world, thief = stage.world(), stage.operator.copy()
    pushed_at = NOW + LIFE_S["root"] - spare_s
    thief.set_time(pushed_at)
    thief.assign(None)
    world.server.files.update(thief.files)
    world.power_on()
    world.run_until(lambda: floor(world) == pushed_at)
    world.power_cut()
    return world, thief


def rotated(operator, world, roles=("timestamp", "snapshot", "targets")):
    """The operator makes new online keys, and signs them with the offline ones."""
    for repository in (operator.director, operator.image):
        for role in ("timestamp", "snapshot", "targets"):
            repository.versions[role] += 10  # whatever the thief has published
    operator.set_time(int(world.clock.now_s))
    operator.director.extra["root"] = {"x-camward-issued-at": utc.render(int(world.clock.now_s))}
    for role in roles:
        operator.director.signers[role] = [RealSigner("new " + role)]
    operator.director.publish_root()
    operator.assign(NEW)
    world.server.files.clear()
    world.server.files.update(operator.files)
    world.server.receipts, world.broker.takes = operator.receipt, operator.taken


def prepared(stage):
    if NEW not in stage.operator.releases:
        stage.release(NEW)


def test_a_floor_that_a_thief_has_pushed_falls_with_the_stolen_key(stage):
    prepared(stage)
    world, _ = poisoned(stage)
    assert not world.server.valid(world.clock, floor(world), floor(world)), "TLS would not be in the way"
    rotated(stage.operator.copy(), world)
    finish(world)
    assert floor(world) <= world.clock.now_s
    assert right(world)


def test_a_pushed_floor_survives_reboots_until_the_key_is_rotated_out(stage):
    prepared(stage)
    world, _ = poisoned(stage)
    pushed_at = floor(world)
    operator = stage.operator.copy()
    rotated(operator, world, ("snapshot", "targets"))
    world.power_on()
    world.run_for(DAY_S)
    assert (floor(world), running(world)) == (pushed_at, "1.0.0")
    world.power_cut()
    rotated(operator, world)
    finish(world)
    assert floor(world) <= world.clock.now_s


def test_no_thief_pushes_the_floor_beyond_the_directors_root(stage):
    world, thief = stage.world(), stage.operator.copy()
    expires_at = NOW + LIFE_S["root"]
    world.server.receipts = lambda nonce, now_s: thief.receipt(nonce, expires_at)
    for at in (expires_at, expires_at + YEAR_S):
        thief.set_time(at)
        thief.assign(None)
        world.server.files.update(thief.files)
        if world.agent is None:
            world.power_on()
        nudge(world)
        world.run_for(2 * RECEIPT_EVERY_S)
        assert floor(world) <= NOW + DAY_S


def test_the_power_may_fail_at_any_write_of_a_recovery_by_rotation(stage):
    prepared(stage)
    base, _ = poisoned(stage)

    def make(seed):
        world = base.copy(seed)
        rotated(stage.operator.copy(), world)
        return world

    def story(world):
        if world.agent is None:
            world.power_on()
        world.run_until(lambda: world.agent is not None and floor(world) <= world.clock.now_s and looked(world))

    def looked(world):
        return "trust/director/targets.json" in world.documents.content and len(world.server.fetched(".tree")) > 0

    def check(world, cut):
        finish(world)
        assert floor(world) <= world.clock.now_s
        assert right(world)

    swept = sweep(make, story, check)
    assert swept.failures == []
    assert any("clock/floor" in operation for operation in swept.operations)


# --- the floor on the medium


def test_the_power_may_fail_at_any_write_while_a_clock_is_put_right(stage):
    base = stage.world()
    base.documents.content.pop(FLOOR, None)
    prepared(stage)

    def make(seed):
        world = base.copy(seed)
        stage.assign(world, NEW)
        world.clock.skew_s = WRONG["five years ahead"]
        return world

    def story(world):
        if world.agent is None:
            world.power_on()
        world.run_until(lambda: world.agent is not None and len(world.server.fetched(".tree")) > 0 and right(world))

    def check(world, cut):
        assert factory.BUILD_TIME_S <= floor(world) <= world.clock.now_s
        finish(world)

    swept = sweep(make, story, check)
    assert swept.failures == []
    assert any("clock/floor" in operation for operation in swept.operations)


FAR = clock.encode(NOW).replace(b'"floor_at":1', b'"floor_at":7')  # one digit has rotted: the year 2160


@pytest.mark.parametrize("damage", [None, b"", b"{", b"\xff\x00", b'{"v":1,"floor_at":-1}', b"x" * 4096, FAR])
def test_a_floor_that_rotted_is_proven_again(stage, damage):
    world = stage.world(NEW)
    if damage is None:
        world.documents.content.pop(FLOOR, None)
    else:
        world.documents.content[FLOOR] = damage
    world.clock.skew_s = WRONG["1970"]
    finish(world)
    assert NOW - DAY_S < floor(world) <= world.clock.now_s


def test_a_full_or_broken_store_costs_the_floor_nothing_but_its_freshness(stage):
    world = stage.world()
    before = world.documents.content[FLOOR]
    world.documents.room_bytes = sum(len(body) for body in world.documents.content.values())
    stage.assign(world, None)
    world.clock.advance(DAY_S)
    stage.assign(world, None)
    world.power_on()
    world.run_for(6 * 3600)
    assert world.documents.content[FLOOR] == before
    world.documents.room_bytes += 1024 * 1024
    world.run_for(6 * 3600)
    assert floor(world) > loads(before)["floor_at"]


def test_the_floor_is_written_at_most_once_an_hour(stage):
    """A server that signs the time anew for every look: a year of it is 8,766 writes of 70 bytes."""
    world = stage.world()
    world.power_on()
    writes = 0
    for _ in range(2 * 24):
        stage.assign(world, None)
        begin = len(world.power.trace)
        nudge(world)
        world.run_for(SAVE_STEP_S / 2)
        writes += len([one for one in world.power.trace[begin:] if "clock/floor" in one])
    assert 20 <= writes <= 24
