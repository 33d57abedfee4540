"""An update that waits for its time: windows, postponement, the operator's word, the clock, and what ends a wait."""

import pytest

from agent.app import update_state
from agent.app.scheduling import MAX_BYTES, OVERLAY, SAID
from agent.core import schedule
from agent.formats import delivery, json, utc
from agent.formats.delivery import Artifact, Delivery
from firmware_sim.world import people
from firmware_sim.world.firmware import DEAD_SERVICES
from firmware_sim.world.network import ABSENT, ALWAYS, Fault
from firmware_sim.world.power import OUTCOMES
from tests.scenario.looks import events, fetched_blocks, phase, reports, running, settled
from tests.scenario.stage import NOW
from tests.scenario.sweep import sweep

HOUR_S, DAY_S = 3600, 86400
WINDOWS = {"windows": "daily 03:00-04:00", "time_zone": "JST-9"}
"""The world begins on a Sunday at 09:15 in Tokyo."""
OPENS_AT = utc.parse("2026-11-22T18:00:00Z")


def order(stage, world, version, severity="high", now=False):
    """Let the director assign a release of this severity, with or without the word that it shall not wait."""
    if version is not None and version not in stage.operator.releases:
        stage.release(version)
    if version is not None:
        published = stage.operator.releases[version]
        changed = published.replace(release=published.release.replace(severity=severity))
        stage.operator.add(changed)
    stage.assign(world, version, {"v": 1, "install": "now"} if now else None)


def waiting(stage, version="1.1.0", severity="high", rules=WINDOWS):
    """A camera with an update that waits."""
    world = stage.world()
    world.schedule = dict(rules)
    order(stage, world, version, severity)
    world.power_on()
    world.run_until(lambda: phase(world) == "waiting" and told(world))
    return world


def told(world):
    """The reasons for waiting that were reported, in order."""
    return [report.code for report in reports(world) if report.event == "waiting"]


def shown(world):
    """What a person sees of the update."""
    return world.admin("status")["update"]


@pytest.fixture
def owner():
    """Asks on the camera's page, as its administrator."""

    def ask(world, operation, **arguments):
        grant = people.login(world)["grant"]
        return world.ask("web", people.request(operation, grant=grant, **arguments))

    return ask


def test_the_slot_is_written_at_any_time_and_the_restart_waits_for_the_window(stage):
    world = waiting(stage)
    assert world.firmware("b").version == "1.1.0"
    assert world.record().trial == "-"
    seen = shown(world)
    assert (seen["phase"], seen["waits"], seen["until"], seen["until_at"]) == (
        "waiting", "window", "2026-11-23 03:00", OPENS_AT,
    )  # fmt: skip
    world.run_until(lambda: settled(world, "1.1.0"))
    world.run_for(60)
    assert OPENS_AT <= world.clock.now_s < OPENS_AT + 900
    assert events(world) == ["started", "waiting", "installed", "committed"]
    assert [report.until_at for report in reports(world) if report.event == "waiting"] == [OPENS_AT]
    assert "waits" not in shown(world)


def test_a_window_that_is_open_is_used(stage):
    world = stage.world("1.1.0")
    world.schedule = {"windows": "daily 08:00-12:00", "time_zone": "JST-9"}
    world.power_on()
    world.run_until(lambda: settled(world, "1.1.0"))
    assert told(world) == []


def test_critical_waits_for_no_window_and_cannot_be_postponed(stage, owner):
    world = stage.world()
    world.schedule = dict(WINDOWS)
    order(stage, world, "1.1.5", "critical")
    world.power_on()
    world.run_until(lambda: phase(world) == "installing")
    refused = owner(world, "postpone", hours="24")
    assert (refused["code"], refused["detail"]) == ("bad_request", "a critical release cannot be postponed")
    world.run_until(lambda: settled(world, "1.1.5"))
    assert world.clock.now_s < OPENS_AT
    assert told(world) == []


def test_the_operators_now_waits_for_nothing(stage, owner):
    world = stage.world()
    world.schedule = dict(WINDOWS)
    order(stage, world, "1.1.0", now=True)
    world.power_on()
    world.run_until(lambda: phase(world) == "installing")
    assert "operator has ordered" in owner(world, "postpone", hours="24")["detail"]
    world.run_until(lambda: settled(world, "1.1.0"))
    assert told(world) == []


def test_the_operator_says_now_while_it_waits_and_may_take_it_back(stage):
    world = waiting(stage)
    order(stage, world, "1.1.0")  # signed again, and still no word
    world.run_for(900)
    assert (phase(world), told(world)) == ("waiting", ["window"])
    order(stage, world, "1.1.0", now=True)
    world.run_until(lambda: settled(world, "1.1.0"))
    assert world.clock.now_s < OPENS_AT


def test_a_newer_order_replaces_what_waits(stage):
    world = waiting(stage)
    order(stage, world, "1.1.1")
    world.run_until(lambda: "1.1.1" in {report.to for report in reports(world) if report.event == "waiting"})
    assert world.firmware("b").version == "1.1.1"
    world.run_until(lambda: settled(world, "1.1.1"))
    assert [(boot.slot, boot.version) for boot in world.boots] == [("a", "1.0.0"), ("b", "1.1.1")]
    assert world.clock.now_s >= OPENS_AT


def test_a_withdrawn_order_cancels_what_waits(stage):
    world = waiting(stage)
    order(stage, world, None)
    world.run_until(lambda: "cancelled" in events(world))
    assert phase(world) == "idle"
    world.run_for(OPENS_AT + 2 * HOUR_S - world.clock.now_s)
    assert [boot.version for boot in world.boots] == ["1.0.0"]
    assert events(world) == ["started", "waiting", "cancelled"]


def test_what_the_manufacturer_has_withdrawn_is_not_started(stage):
    """The director still orders it, and the image repository knows it no more."""
    world = waiting(stage)
    withdrawn = stage.operator.releases["1.1.0"]
    del stage.operator.image.targets[withdrawn.release.target]
    stage.assign(world, "1.1.0")
    world.run_for(OPENS_AT + 2 * HOUR_S - world.clock.now_s)
    stage.operator.add(withdrawn)
    assert [boot.version for boot in world.boots] == ["1.0.0"]
    refused = [(report.code, report.to) for report in reports(world) if report.event == "refused"]
    assert refused[0] == ("arbitrary_software", "1.1.0")


def test_a_server_that_does_not_answer_changes_nothing(stage):
    world = waiting(stage)
    world.server.down = True
    world.run_until(lambda: settled(world, "1.1.0"))
    assert OPENS_AT <= world.clock.now_s < OPENS_AT + 900


def test_a_withdrawal_that_comes_while_nobody_looked_is_seen_before_the_restart(stage):
    world = waiting(stage)
    world.power_cut()
    world.clock.advance_to(OPENS_AT + 600 - world.clock.now_s)
    order(stage, world, None)
    world.power_on()
    world.run_for(2 * HOUR_S)
    assert [boot.version for boot in world.boots] == ["1.0.0", "1.0.0"]
    assert "cancelled" in events(world)


def test_a_restart_while_it_waits_tells_nothing_anew(stage):
    world = waiting(stage)
    world.restart()
    world.run_for(900)
    assert (phase(world), told(world)) == ("waiting", ["window"])
    world.run_until(lambda: settled(world, "1.1.0"))
    assert len(fetched_blocks(world)) == len(set(fetched_blocks(world)))


def test_a_cut_at_every_operation_of_an_update_that_waits(stage):
    def make(seed):
        world = stage.world(None, seed)
        world.schedule = {"windows": "daily 09:20-10:20", "time_zone": "JST-9"}
        order(stage, world, "1.1.0")
        return world

    def story(world):
        if world.agent is None:
            world.power_on()
        world.run_until(lambda: settled(world, "1.1.0") and "committed" in events(world))

    def check(world, cut):
        assert all(boot.sound for boot in world.boots)
        assert utc.parse("2026-11-22T00:20:00Z") <= world.clock.now_s
        assert not {"rolled_back", "refused", "failed", "cancelled"} & set(events(world))
        assert len(told(world)) <= 1

    dry = make(0)
    story(dry)
    assert f"store {SAID}" in dry.power.trace
    swept = sweep(make, story, check)
    assert swept.failures == []
    assert len(swept.cuts) == len(swept.operations) * len(OUTCOMES)


def test_where_the_committed_slot_dies_while_it_waits_the_new_one_is_tried_at_once(stage):
    world = waiting(stage)
    world.power_cut()
    world.medium.content[stage.geometry.slot_offset("a") + stage.geometry.fit_offset()] ^= 1
    world.power_on()
    assert running(world) == "1.1.0"
    world.run_until(lambda: settled(world, "1.1.0") and "committed" in events(world))


# --- downloads that wait


def test_a_download_waits_as_well_where_the_policy_says_so(stage):
    world = stage.world()
    world.schedule = dict(WINDOWS, download="window")
    order(stage, world, "1.1.0")
    world.power_on()
    world.run_until(lambda: told(world))
    assert (phase(world), shown(world)["waits"], shown(world)["until"]) == ("idle", "window", "2026-11-23 03:00")
    world.run_until(lambda: fetched_blocks(world))
    assert OPENS_AT <= world.clock.now_s < OPENS_AT + 60
    world.run_until(lambda: settled(world, "1.1.0"))
    assert told(world) == ["window"]


def test_a_download_that_waits_is_withdrawn(stage):
    world = stage.world()
    world.schedule = dict(WINDOWS, download="window")
    order(stage, world, "1.1.0")
    world.power_on()
    world.run_until(lambda: told(world))
    order(stage, world, None)
    world.run_until(lambda: "cancelled" in events(world))
    assert "waits" not in shown(world)


# --- the owner at the camera


def test_the_owner_postpones_up_to_the_limit_and_a_power_cut_changes_nothing(stage, owner):
    world = waiting(stage)
    assert shown(world)["postpone_limit"] == "2026-11-24 09:15"
    answer = owner(world, "postpone", hours="24")
    assert (answer["ok"], answer["until"]) == (True, "2026-11-23 09:15")
    world.run_until(lambda: told(world)[-1] == "postponed")
    assert shown(world)["until"] == "2026-11-24 03:00", "the window after that"
    world.restart()
    world.run_for(900)
    assert shown(world)["postponed"] == "2026-11-23 09:15"
    assert owner(world, "postpone", hours="720")["until"] == "2026-11-24 09:15", "no longer than the limit"
    world.run_until(lambda: told(world)[-1] == "postponed" and len(told(world)) == 3)
    assert owner(world, "postpone", hours="0")["until"] == ""
    world.run_until(lambda: settled(world, "1.1.0"))
    assert OPENS_AT <= world.clock.now_s < OPENS_AT + 900


def test_what_has_waited_long_enough_cannot_be_postponed(stage, owner):
    world = waiting(stage, rules=dict(WINDOWS, postpone_days={"high": 0}))
    assert "any longer" in owner(world, "postpone", hours="1")["detail"]
    assert "postpone_limit" not in shown(world)


def test_the_owner_says_now(stage, owner):
    world = waiting(stage)
    owner(world, "postpone", hours="24")
    assert owner(world, "update_now")["ok"]
    world.run_until(lambda: settled(world, "1.1.0"))
    assert world.clock.now_s < OPENS_AT


def test_the_owner_says_now_before_the_camera_has_looked(stage, owner):
    world = stage.world()
    world.schedule = dict(WINDOWS)
    world.power_on()
    world.run_for(30)
    order(stage, world, "1.1.0")
    assert owner(world, "update_now")["ok"]
    world.run_until(lambda: settled(world, "1.1.0"))
    assert world.clock.now_s < NOW + 2 * HOUR_S


def test_a_look_that_finds_nothing_ends_the_owners_wish(stage, owner):
    world = stage.world()
    world.schedule = dict(WINDOWS)
    world.power_on()
    world.run_for(30)
    world.server.down = True
    assert owner(world, "update_now")["ok"]
    world.run_for(60)
    world.server.down = False
    order(stage, world, "1.1.0")
    world.run_until(lambda: told(world))
    assert phase(world) == "waiting", "it was for what could be had then"


def test_only_an_administrator_postpones_hurries_or_settles(stage, owner):
    world = waiting(stage)
    password = "Tonari no neko 4 hiki"
    assert owner(world, "set_user", user="guard", password=password, role="operator")["ok"]
    entered = world.ask("web", people.request("login", user="guard", password=password))
    for operation, arguments in (("update_now", {}), ("postpone", {"hours": "1"}), ("settings", {"windows": ""})):
        for grant in (entered["grant"], "x"):
            answer = world.ask("web", people.request(operation, grant=grant, **arguments))
            assert (answer["ok"], answer["code"]) == (False, "denied")
    assert phase(world) == "waiting"


def test_where_nothing_waits_there_is_nothing_to_postpone(stage, owner):
    world = stage.world()
    world.power_on()
    world.run_for(30)
    assert "no release" in owner(world, "postpone", hours="1")["detail"]
    for hours in ("", "-1", "1.5", "721", "9999", "\u0661"):
        assert owner(world, "postpone", hours=hours)["code"] == "bad_request"


def test_the_owners_settings_count_at_once_and_survive_a_power_cut(stage, owner):
    world = waiting(stage)
    assert owner(world, "settings", windows="daily 11:00-12:00")["ok"]
    world.run_until(lambda: len(told(world)) == 2)
    assert shown(world)["until"] == "2026-11-22 11:00"
    for wrong in ({"windows": "daily 11:00-11:05"}, {"windows": "sun 11:00-11:30"}, {"time_zone": "Asia/Tokyo"}):
        assert owner(world, "settings", **wrong)["code"] == "bad_request"
    world.restart()
    world.run_for(30)
    assert world.admin("status")["schedule"] == {"windows": "daily 11:00-12:00", "time_zone": "JST-9"}
    assert owner(world, "settings")["ok"]  # nothing given: as the manufacturer has it
    assert world.admin("status")["schedule"] == {"windows": "daily 03:00-04:00", "time_zone": "JST-9"}


def test_settings_that_rotted_or_go_below_a_floor_do_not_count(stage):
    for body in (b"{", b"\xff", b'{"v":1,"windows":"mon 01:00-01:15"}', b'{"v":1,"postpone_days":{"low":31}}'):
        world = stage.world()
        world.schedule = dict(WINDOWS)
        world.documents.content[OVERLAY] = body
        world.documents.content[SAID] = body
        world.power_on()
        world.run_for(1)
        assert world.admin("status")["schedule"]["windows"] == WINDOWS["windows"]


# --- the clock


def unproven(stage):
    """A camera with an update that waits, restarted where no server says what time it is."""
    world = waiting(stage)
    world.power_cut()
    world.server.down = world.broker.down = True
    world.power_on()
    world.run_for(60)
    return world


def test_without_a_proven_clock_it_waits_for_a_proof_and_a_day_later_goes_by_its_own(stage):
    world = unproven(stage)
    assert shown(world)["waits"] == "clock"
    world.run_until(lambda: settled(world, "1.1.0"))
    assert OPENS_AT + DAY_S <= world.clock.now_s < OPENS_AT + DAY_S + 900, "the first window passed without a proof"


def test_a_proof_ends_that_wait(stage):
    world = unproven(stage)
    world.server.down = world.broker.down = False
    world.run_until(lambda: settled(world, "1.1.0"))
    assert OPENS_AT <= world.clock.now_s < OPENS_AT + 900
    assert set(told(world)) <= {"window", "clock"}


def test_a_clock_that_somebody_holds_back_holds_no_update_for_ever(stage):
    """How long it has waited is counted by the monotonic clock, and survives the power."""
    world = unproven(stage)
    world.power_cut()
    said = json.parse_object(world.documents.content[SAID], MAX_BYTES)
    assert said["unsure_s"] >= 0
    said["unsure_s"] = schedule.MAX_UNSURE_S - 5 * HOUR_S
    world.documents.content[SAID] = json.dump(said)
    world.power_on()
    begun_at = world.clock.now_s
    for _ in range(8):
        world.run_for(HOUR_S)
        world.clock.skew_s -= HOUR_S  # for this camera it is always the same hour
        if world.agent is not None and phase(world) != "waiting":
            break
    world.run_until(lambda: settled(world, "1.1.0"))
    assert 4 * HOUR_S < world.clock.now_s - begun_at < 7 * HOUR_S


def test_a_wait_that_was_counted_is_not_forgotten_over_restarts(stage):
    world = unproven(stage)
    for _ in range(3):
        world.run_for(5000)
        world.restart()
    world.run_for(5000)
    assert json.parse_object(world.documents.content[SAID], MAX_BYTES)["unsure_s"] >= 3 * HOUR_S


def test_a_version_that_fails_after_its_wait_rolls_back_as_ever(stage):
    stage.release("1.1.9", behaviour=DEAD_SERVICES)
    world = waiting(stage, "1.1.9")
    world.run_until(lambda: settled(world, "1.0.0") and "rolled_back" in events(world))
    world.run_for(DAY_S)
    assert events(world).count("rolled_back") == 1
    assert "cancelled" not in events(world)


def test_a_look_that_fails_on_the_way_is_no_withdrawal(stage):
    world = waiting(stage)
    world.server.fail(Fault(ABSENT, "targets.json", 0, ALWAYS))
    order(stage, world, "1.1.0")
    world.run_for(HOUR_S)
    assert phase(world) == "waiting"


def test_what_was_ordered_encrypted_stays_confidential_when_its_delivery_loses_the_key_while_it_waits(stage):
    hidden = Artifact("", "a.segments", 500, "0" * 64, 100, "1" * 64, b"e", b"s")
    world = waiting(stage)
    slot_image = stage.operator.releases["1.1.0"].release.sha256
    for way, sealed in ((delivery.PLAIN, ""), (Delivery(False, (), hidden), slot_image), (delivery.PLAIN, slot_image)):
        stage.assign(world, "1.1.0", delivery.as_json(way))
        world.run_for(900)
        state = update_state.decode(world.documents.content["update/state.json"])
        assert (phase(world), state.sealed) == ("waiting", sealed)
        assert state.delivery == delivery.as_json(way)
