"""Signed commands as one camera meets them: of its operator, a thief, a broker that lies; with power cuts."""

import itertools

import pytest

from agent.app.commanding import DOCUMENT, LOOK_S, WAIT_S
from agent.app.events import ADMIN, Line
from agent.core import commands as core
from agent.formats import command, envelope, evidence, ownership
from firmware_sim.world.network import RECEIPTS, RESET, Fault
from firmware_sim.world.people import login
from firmware_sim.world.power import OUTCOMES
from firmware_sim.world.repository import signed_file
from tests.scenario.looks import phase
from tests.scenario.makers import RealSigner
from tests.scenario.owners import on, state
from tests.scenario.stage import SMALL, Stage
from tests.scenario.sweep import sweep

RECORD = "ownership/record.json"
HOUR_S = 3600


@pytest.fixture(scope="module")
def stage():
    return Stage(SMALL, commands=(1, 3))


@pytest.fixture
def camera(stage):
    world = stage.world()
    on(world)
    world.run_for(60)
    return world


def now(world):
    return int(world.clock.now_s)


def deliver(world, body, seconds=30):
    world.link.deliver(f"camward/1/{world.device_id()}/down/command", body)
    world.run_for(seconds)


def told(world):
    """Every report of a command, once, as ingest takes it: event, number, name, code."""
    arrived = [envelope.parse(payload) for payload in world.broker.on("/up/report")]
    bodies = {(one.boot, one.seq): one.body for one in arrived}.values()
    reports = [command.parse_report(body) for body in bodies if body["kind"] == command.KIND]
    return [(one.event, one.seq, one.command, one.code) for one in reports]


def looks(world):
    return sum(one.path.endswith("/timestamp.json") and "director" in one.path for one in world.server.exchanges)


def kept(world):
    """What commands could change."""
    of = ("ownership/", "credentials/", "identity/", "commands/", "handover/")
    return {name: body for name, body in world.documents.content.items() if name.startswith(of)}


def done(seq, name):
    return ("done", seq, name, "")


def refused(code, seq=0, name=""):
    return ("refused", seq, name, code)


# --- each of them


def test_check_makes_the_camera_look_at_once_and_needs_no_proven_time(stage, camera):
    camera.server.receipts = None
    before = looks(camera)
    deliver(camera, stage.operator.command("check", 1, now(camera)), 5)
    assert looks(camera) == before + 1
    assert told(camera) == [done(1, "check")]


def test_evidence_is_collected_and_arrives(stage, camera):
    camera.run_for(60)
    before = len(camera.broker.on("/up/evidence"))
    deliver(camera, stage.operator.command("evidence", 1, now(camera)), 60)
    assert len(camera.broker.on("/up/evidence")) == before + 1
    assert told(camera) == [("accepted", 1, "evidence", ""), done(1, "evidence")]


def test_who_asks_for_evidence_while_it_is_collected_gets_what_was_collected_afterwards(camera):
    camera.run_for(60)
    before = len(camera.broker.on("/up/evidence"))
    camera.step(Line(9001, ADMIN, b'{"op":"evidence","v":1}\n'))
    camera.sensors.found = {"verity": {"active": False}}  # the collection that runs has looked already, or may have
    assert camera.admin("evidence")["ok"]
    camera.run_for(60)
    found = [evidence.parse(envelope.parse(one).body) for one in camera.broker.on("/up/evidence")[before:]]
    assert len(found) == 2
    assert found[-1].facts["verity"] == {"active": False}


def test_a_restart_happens_once(stage, camera):
    body = stage.operator.command("reboot", 1, now(camera))
    deliver(camera, body, 120)
    assert len(camera.boots) == 2
    assert told(camera) == [("accepted", 1, "reboot", ""), done(1, "reboot")]
    deliver(camera, body, 120)
    assert len(camera.boots) == 2, "answered again, and not done again"
    camera.restart()
    camera.run_for(120)
    assert len(camera.boots) == 3
    assert told(camera) == [("accepted", 1, "reboot", ""), done(1, "reboot"), done(1, "reboot")]


def test_an_erase_takes_two_of_the_peoples_keys(stage, camera):
    operator = stage.operator
    signed = command.signed_part(camera.device_id(), 1, now(camera), now(camera) + 60, "erase", {})
    before = kept(camera)
    for signers in (
        operator.authority_signers[:1], operator.command_signers,
        operator.command_signers + operator.authority_signers[:1],
        2 * operator.authority_signers[:1], [RealSigner("a"), RealSigner("b")],
    ):  # fmt: skip
        deliver(camera, signed_file(signed, signers))
    camera.run_for(2 * HOUR_S)
    assert kept(camera) == before
    assert (len(camera.boots), state(camera)) == (1, "claimed")
    assert {one[3] for one in told(camera)} == {core.TOO_FEW, core.FORGED, core.FORMAT}
    deliver(camera, operator.command("erase", 1, now(camera)), 120)
    assert (len(camera.boots), state(camera)) == (2, "unclaimed")
    assert RECORD not in camera.documents.content
    assert DOCUMENT not in camera.documents.content
    assert b'"gone":"erase"' in camera.broker.on("/state")[-1]


def test_keys_are_exchanged_and_the_old_ones_count_no_more(stage, camera):
    operator = stage.operator.copy()
    new = {
        "command_keys": [RealSigner("n")], "authority_keys": [RealSigner("n1"), RealSigner("n2")],
    }  # fmt: skip
    deliver(camera, operator.command("check", 2**53 - 1, now(camera)))  # a thief uses up the numbers
    arguments = {name: [one.public_pem for one in signers] for name, signers in new.items()}
    before = ownership.parse(camera.documents.content[RECORD])
    deliver(camera, operator.command("change_keys", 1, now(camera), arguments))
    after = ownership.parse(camera.documents.content[RECORD])
    assert after == command.with_keys(before, arguments)
    assert told(camera)[-1] == done(1, "change_keys")
    deliver(camera, operator.command("check", 3, now(camera)))
    deliver(camera, operator.command("erase", 3, now(camera)))
    assert [one[3] for one in told(camera)[2:]] == [core.FORGED]
    operator.command_signers, operator.authority_signers = new["command_keys"], new["authority_keys"]
    deliver(camera, operator.command("check", 3, now(camera)))
    assert told(camera)[-1] == done(3, "check")
    assert camera.admin("status")["link"] == "up"
    camera.restart()
    camera.run_for(60)
    deliver(camera, operator.command("check", 4, now(camera)))
    assert told(camera)[-1] == done(4, "check")
    assert login(camera)["ok"]


def test_what_this_version_does_not_know_is_refused_by_name_and_once(stage, camera):
    body = stage.operator.command("sing", 1, now(camera))
    deliver(camera, body)
    deliver(camera, stage.operator.command("reboot", 2, now(camera), {"hard": True}))
    assert told(camera) == [refused("unknown_command", 1, "sing"), refused("arguments", 2, "reboot")]
    assert len(camera.boots) == 1


def test_settings_change_how_often_it_measures_and_its_line_at_once_and_after_a_restart(stage, camera):
    before = ownership.parse(camera.documents.content[RECORD])
    said = {"check_interval_s": 7200, "telemetry_interval_s": 600, "line": "mobile"}
    deliver(camera, stage.operator.command("settings", 1, now(camera), said))
    assert told(camera) == [done(1, "settings")]
    assert ownership.parse(camera.documents.content[RECORD]) == before.replace(**said)
    camera.run_for(60)
    assert (camera.link.keep_alive_s, camera.admin("status")["link"]) == (1200, "up")
    assert before.line == ownership.WIRED, "control: it was another line"
    camera.run_for(2 * HOUR_S)
    times = [one["at"] for one in envelope.parse(camera.broker.on("/up/telemetry")[-1]).body["samples"]]
    assert {second - first for first, second in itertools.pairwise(times)} == {600}
    camera.restart()
    camera.run_for(60)
    assert camera.link.keep_alive_s == 1200


@pytest.mark.parametrize("said", [{}, {"telemetry_interval_s": 5}, {"server_url": "https://thief"}, {"line": "x"}])
def test_settings_out_of_bounds_are_refused(stage, camera, said):
    before = camera.documents.content[RECORD]
    deliver(camera, stage.operator.command("settings", 1, now(camera), said))
    assert told(camera) == [refused("arguments", 1, "settings")]
    assert camera.documents.content[RECORD] == before


# --- what is not followed


def test_other_cameras_replayed_reordered_forged_expired_and_early_ones_do_nothing_and_are_told(stage, camera):
    operator, at = stage.operator, now(camera)
    deliver(camera, operator.command("check", 5, at))
    before = kept(camera)
    other, thief = operator.copy(), operator.copy()
    other.device_id = "b" * 26
    thief.command_signers = [RealSigner("thief")]
    tampered = operator.command("check", 6, at).replace(b'"check"', b'"reboot"')
    for body in (
        other.command("reboot", 6, at), operator.command("reboot", 4, at), thief.command("reboot", 6, at),
        operator.command("reboot", 6, at - 2 * HOUR_S), operator.command("reboot", 6, at + HOUR_S), tampered,
        b'{"type":"check","v":1}', b"\xff", b"",
    ):  # fmt: skip
        deliver(camera, body)
    assert (kept(camera), len(camera.boots)) == (before, 1)
    assert told(camera)[1:] == [
        refused("wrong_device"), refused("replayed", 4, "reboot"), refused("forged"), refused("expired", 6, "reboot"),
        refused("future", 6, "reboot"), refused("format"),
    ]  # fmt: skip
    deliver(camera, operator.command("check", 6, now(camera)))
    assert told(camera)[-1] == done(6, "check"), "the same camera follows what is right"


def test_a_camera_that_was_put_back_asks_for_the_time_before_it_takes_a_command_for_one_of_the_future(stage, camera):
    """No clock of it has counted meanwhile, and it had proof of the time before."""
    deliver(camera, stage.operator.command("evidence", 1, now(camera)), HOUR_S)
    camera.clock.now_s += HOUR_S
    deliver(camera, stage.operator.command("evidence", 2, now(camera)), 60)
    assert told(camera)[2:] == [("accepted", 2, "evidence", ""), done(2, "evidence")]


def test_a_receipt_that_is_lost_then_has_the_command_come_again_and_not_refused(stage, camera):
    deliver(camera, stage.operator.command("evidence", 1, now(camera)), HOUR_S)
    camera.clock.now_s += HOUR_S
    body = stage.operator.command("evidence", 2, now(camera))
    camera.server.fail(Fault(RESET, RECEIPTS, 0, 1))
    deliver(camera, body, 60)
    assert told(camera)[2:] == []
    deliver(camera, body, 60)
    assert told(camera)[2:] == [("accepted", 2, "evidence", ""), done(2, "evidence")]


def test_a_command_that_asks_for_the_time_in_the_midst_of_a_look_has_nobody_refuse_what_is_fresh(stage):
    """Whatever has come of the look by then was judged by the clock that the receipt has put right."""
    for turns in range(60):
        world = stage.world()
        world.clock.skew_s = 30 * 24 * HOUR_S
        world.power_on()
        for _ in range(turns):
            world.turn()
        deliver(world, stage.operator.command("evidence", 1, now(world)), 600)
        bodies = [envelope.parse(payload).body for payload in world.broker.on("/up/report")]
        assert not [one for one in bodies if (one["kind"], one["event"]) == ("update", "refused")], turns
        assert told(world)[-1:] == [done(1, "evidence")], turns


def test_a_flood_of_bad_commands_does_not_flood_the_outbox(stage, camera):
    thief = stage.operator.copy()
    thief.command_signers = [RealSigner("thief")]
    good = stage.operator.command("check", 1, now(camera))
    deliver(camera, good)
    for number in range(400):
        deliver(camera, thief.command("check", 2 + number, now(camera)), 1)
        deliver(camera, good, 1)
    assert 2 <= len(told(camera)) <= 6
    camera.run_for(300)
    deliver(camera, stage.operator.command("check", 2, now(camera)))
    assert told(camera)[-1] == done(2, "check")


def test_the_camera_of_an_operator_from_before_commands_looks_upon_any_message():
    world = Stage().world()
    on(world)
    world.run_for(60)
    before = looks(world)
    deliver(world, b'{"type":"check","v":1}', 2)
    assert looks(world) == before + 1
    assert told(world) == []
    assert DOCUMENT not in world.documents.content


def test_an_unsigned_message_moves_nothing_where_commands_are_signed(camera):
    before = looks(camera)
    deliver(camera, b'{"type":"check","v":1}', 10)
    assert looks(camera) == before
    assert told(camera) == [refused("format")]


# --- time


def test_without_proven_time_a_command_waits_and_nothing_is_lost(stage):
    world = stage.world()
    receipts, world.server.receipts = world.server.receipts, None
    on(world)
    world.run_for(60)
    body = stage.operator.command("reboot", 1, now(world))
    deliver(world, body, 120)
    assert (len(world.boots), told(world)) == (1, [])
    world.server.receipts = receipts
    world.run_for(600)
    deliver(world, body, 120)
    assert len(world.boots) == 2
    assert told(world) == [("accepted", 1, "reboot", ""), done(1, "reboot")]


def test_a_command_that_was_held_back_until_it_expired_is_not_followed_whatever_the_wall_clock_says(stage):
    world = stage.world()
    body = stage.operator.command("reboot", 1, now(world))
    world.clock.advance(3 * HOUR_S)
    world.clock.skew_s = -3 * HOUR_S
    on(world)
    world.run_for(60)
    deliver(world, body, 120)
    assert len(world.boots) == 1
    assert told(world) == [refused("expired", 1, "reboot")]


# --- what gets in the way


def test_a_restart_waits_for_the_update_and_never_interrupts_a_trial(stage):
    world = stage.world("1.1.0")
    world.power_on()
    world.run_until(lambda: phase(world) == "installing")
    body = stage.operator.command("reboot", 1, now(world))
    world.link.deliver(f"camward/1/{world.device_id()}/down/command", body)
    world.run_until(lambda: ("done", 1, "reboot", "") in told(world))
    world.run_until(lambda: phase(world) == "idle")
    assert [(one.version, one.on_trial) for one in world.boots] == [("1.0.0", False), ("1.1.0", True)]


def test_a_restart_that_cannot_be_is_given_up(stage, camera):
    camera.agent._updating.state = camera.agent._updating.state.replace(phase="installing")
    deliver(camera, stage.operator.command("reboot", 1, now(camera)), 60)
    deliver(camera, stage.operator.command("check", 2, now(camera)), 60)
    assert told(camera) == [("accepted", 1, "reboot", "")], "later ones wait behind it"
    camera.run_for(WAIT_S + LOOK_S)
    assert told(camera)[-1] == refused("busy", 1, "reboot")
    deliver(camera, stage.operator.command("check", 2, now(camera)), 60)
    assert told(camera)[-1] == done(2, "check")


@pytest.mark.parametrize("body", [b"", b"{", b'{"v":1,"since_at":0,"one":{"seq":1},"grave":null}'])
def test_a_camera_that_has_lost_what_it_did_follows_nothing_that_was_issued_before(stage, body):
    world = stage.world()
    on(world)
    world.run_for(60)
    old = stage.operator.command("reboot", 7, now(world))
    deliver(world, old, 120)
    assert len(world.boots) == 2
    world.power_cut()
    world.documents.content[DOCUMENT] = body
    on(world)
    world.run_for(60)
    deliver(world, old, 120)
    assert len(world.boots) == 3
    assert told(world)[-1] == refused("replayed", 7, "reboot")
    world.run_for(60)
    deliver(world, stage.operator.command("check", 1, now(world)))
    assert told(world)[-1] == done(1, "check")


def test_while_the_storage_fails_no_command_is_followed(stage, camera):
    camera.documents.broken_folder = "commands/"
    body = stage.operator.command("reboot", 1, now(camera))
    deliver(camera, body, 120)
    assert (len(camera.boots), told(camera)) == (1, [])
    camera.documents.broken_folder = ""
    deliver(camera, body, 120)
    assert len(camera.boots) == 2


def test_a_document_that_cannot_be_read_stops_commands_and_nothing_else(stage):
    world = stage.world()
    on(world)
    world.run_for(60)
    world.power_cut()
    world.documents.broken_folder = "commands/"
    on(world)
    world.run_for(60)
    deliver(world, stage.operator.command("reboot", 1, now(world)), 120)
    assert (len(world.boots), told(world)) == (2, [])
    assert world.admin("status")["certificate"]["ends"], "the renewal of certificates goes on"
    world.documents.broken_folder = ""
    world.run_for(60)
    deliver(world, stage.operator.command("check", 2, now(world)))
    assert told(world) == [done(2, "check")]


# --- power cuts


def again(world, stage, name, seq, arguments=None):
    """What the server does: send it until it is answered."""
    if not hasattr(world, "ordered"):
        world.ordered = stage.operator.command(name, seq, now(world), arguments)
    if world.agent is None:
        on(world)
    for _ in range(4):
        if [one for one in told(world) if one[0] == "done"]:
            return
        world.run_for(60)
        deliver(world, world.ordered, 120)
    raise AssertionError("the command has come to no end: " + str(told(world)))


@pytest.mark.parametrize("name", ["check", "evidence", "reboot"])
def test_a_cut_at_every_operation_of_a_command_lets_it_come_to_its_end(stage, name):
    def check(world, _cut):
        world.run_for(120)
        kept_state = core.decode(world.documents.content[DOCUMENT])
        assert (kept_state.one.seq, kept_state.one.event) == (1, "done")
        assert state(world) == "claimed"

    swept = sweep(stage.world_with_seed, lambda world: again(world, stage, name, 1), check)
    assert swept.failures == []
    assert len(swept.cuts) == len(OUTCOMES) * len(swept.operations)
    assert swept.operations.count(f"store {DOCUMENT}") == 2


def test_a_cut_at_every_operation_of_a_change_of_keys_leaves_the_old_ones_or_the_new(stage):
    arguments = {"command_keys": [RealSigner("next").public_pem]}
    old = ownership.parse(stage.idle.documents.content[RECORD])
    seen = set()

    def story(world):
        try:
            again(world, stage, "change_keys", 1, arguments)
        finally:
            body = world.documents.content[RECORD]
            seen.add(ownership.parse(body))

    def check(world, _cut):
        world.run_for(60)
        assert ownership.parse(world.documents.content[RECORD]) == command.with_keys(old, arguments)
        assert world.admin("status")["link"] == "up"

    swept = sweep(stage.world_with_seed, story, check)
    assert swept.failures == []
    assert seen == {old, command.with_keys(old, arguments)}
    assert f"store {RECORD}" in swept.operations


def test_a_cut_at_every_operation_of_an_ordered_erase_leaves_all_or_nothing(stage):
    def story(world):
        if not hasattr(world, "ordered"):
            world.ordered = stage.operator.command("erase", 1, now(world))
        if world.agent is None:
            on(world)
        for _ in range(4):
            world.run_for(60)
            if state(world) == "unclaimed":
                return
            deliver(world, world.ordered, 120)
        raise AssertionError("not erased")

    def check(world, _cut):
        assert state(world) == "unclaimed"
        left = [name for name in world.documents.content if name.startswith(("ownership/", "commands/", "outbox/"))]
        assert left == []

    swept = sweep(stage.world_with_seed, story, check)
    assert swept.failures == []
    assert "store handover/erase.json" in swept.operations


def naive(world, body):
    """A camera that does first and notes afterwards: the number goes back where the power fails in between."""
    world.documents.content.pop(DOCUMENT, None)
    if world.agent is None:
        on(world)
    world.run_for(60)
    deliver(world, body, 120)


def test_control_a_camera_that_keeps_no_number_restarts_again(stage, camera):
    body = stage.operator.command("reboot", 1, now(camera))
    naive(camera, body)
    camera.power_cut()
    naive(camera, body)
    assert len(camera.boots) == 4, "two restarts by one command: what the kept number prevents"
