"""A camera in quarantine: closed to everybody, manageable by its operator, and the owner's way out of it."""

import pytest

from agent.app.quarantining import DOCUMENT, NO_FIREWALL
from agent.formats import envelope
from firmware_sim.world import factory
from firmware_sim.world.people import PASSWORD, USER, login
from tests.scenario.looks import phase
from tests.scenario.owners import on, state, status
from tests.scenario.stage import SMALL, Stage
from tests.scenario.sweep import sweep
from tests.scenario.test_commands import again, deliver, done, now, refused, told
from tests.scenario.test_programs import RIVER, arrived, say, send
from tests.scenario.test_required_change import change
from tests.scenario.test_system_logins import SETTINGS

WHY = {"reason": "不審な通信 (ticket 7)"}
PORTS = (443,)
THIRD = "gravel bank and heron"


@pytest.fixture(scope="module")
def stage():
    return Stage(SMALL, commands=(1, 3))


@pytest.fixture
def camera(stage):
    world = stage.world()
    on(world)
    world.run_for(60)
    return world


@pytest.fixture
def closed(stage, camera):
    deliver(camera, stage.operator.command("quarantine", 1, now(camera), WHY))
    return camera


def ask(world, service, op, **members):
    return world.ask(service, {"v": 1, "op": op, "source": "192.0.2.9", **members})


def body(world, kind):
    return [envelope.parse(payload).body for payload in world.broker.on("/up/" + kind)]


def test_it_ends_sessions_closes_every_service_and_tells_the_owner_why(stage, camera):
    session = login(camera)
    assert ask(camera, "web", "state", user=USER)["generations"] == [session["generation"]]
    deliver(camera, stage.operator.command("quarantine", 1, now(camera), WHY))
    assert told(camera) == [done(1, "quarantine")]
    found = ask(camera, "web", "state", user=USER)
    assert (found["state"], found["quarantined"], found["reason"]) == ("locked", True, WHY["reason"])
    assert (found["generations"], found["claimable"]) == ([], False)
    for service in ("web", "rtsp", "onvif"):
        assert ask(camera, service, "login", user=USER, password=PASSWORD)["code"] == "locked"
        assert ask(camera, service, "nonce")["code"] == "locked"
    assert ask(camera, "web", "device", grant=session["grant"])["code"] == "locked"
    assert camera.firewall.pages == PORTS


def test_the_systems_own_logins_and_ssh_are_closed_with_it(stage):
    world = stage.world()
    world.system_logins = {**SETTINGS, "ssh_port": 22}
    on(world)
    world.run_for(60)
    assert change(world, THIRD)["ok"]
    deliver(world, stage.operator.command("check", 1, now(world)))
    grant = login(world, THIRD)["grant"]
    opened = ask(world, "web", "open_ssh", grant=grant, password=THIRD, minutes="60")
    assert world.ssh.enter(USER, opened["password"]) == "in"
    deliver(world, stage.operator.command("quarantine", 2, now(world)))
    assert (world.ssh.port, world.console_files.enter(USER, THIRD)) == (0, "refused")
    world.power_cut()
    on(world)
    assert world.console_files.enter(USER, THIRD) == "refused"
    assert not world.admin("open_ssh", user=USER, minutes="60")["ok"]
    world.run_for(60)
    deliver(world, stage.operator.command("release", 3, now(world)))
    assert world.console_files.enter(USER, THIRD) == "in"


def test_it_is_told_in_status_evidence_and_telemetry(stage, closed):
    found = status(closed)["quarantine"]
    assert (found["active"], found["reason"], found["traffic_closed"]) == (True, WHY["reason"], True)
    deliver(closed, stage.operator.command("evidence", 2, now(closed)), 60)
    fact = body(closed, "evidence")[-1]["facts"]["quarantine"]
    assert (fact["active"], fact["reason"], fact["traffic_closed"]) == (True, WHY["reason"], True)
    closed.run_for(3600)
    sample = body(closed, "telemetry")[-1]["samples"][-1]
    assert sample["quarantined_at"] == fact["since_at"] > 0


def test_the_operator_still_manages_it(stage):
    world = stage.world("1.1.0")
    on(world)
    deliver(world, stage.operator.command("quarantine", 1, now(world)), 1)
    world.run_until(lambda: (phase(world), len(world.boots)) == ("idle", 2))
    assert [(one.version, one.on_trial) for one in world.boots] == [("1.0.0", False), ("1.1.0", True)]
    world.run_for(120)
    deliver(world, stage.operator.command("check", 2, now(world)))
    deliver(world, stage.operator.command("reboot", 3, now(world)), 180)
    assert told(world)[0] == done(1, "quarantine")
    assert told(world)[1:] == [done(2, "check"), ("accepted", 3, "reboot", ""), done(3, "reboot")]
    assert status(world)["quarantine"]["active"]


def test_it_outlasts_a_restart_and_a_release_ends_it_but_not_for_the_sessions_from_before(stage, camera):
    session = login(camera)
    deliver(camera, stage.operator.command("quarantine", 1, now(camera), WHY))
    camera.power_cut()
    on(camera)
    camera.run_for(60)
    assert (state(camera), camera.firewall.pages) == ("locked", PORTS)
    deliver(camera, stage.operator.command("release", 2, now(camera)))
    assert told(camera)[-1] == done(2, "release")
    assert (state(camera), camera.firewall.pages) == ("claimed", None)
    assert status(camera)["quarantine"] == {"active": False}
    assert session["generation"] not in ask(camera, "web", "state", user=USER)["generations"]
    assert ask(camera, "web", "device", grant=session["grant"])["code"] == "denied"
    fresh = login(camera)
    assert fresh["generation"] in ask(camera, "web", "state", user=USER)["generations"]


def test_the_owner_erases_it_with_name_and_password_and_nobody_else_does(closed):
    assert ask(closed, "web", "erase_locked", user=USER, password="wrong")["code"] == "denied"
    assert ask(closed, "web", "erase_locked", user="nobody", password=PASSWORD)["code"] == "denied"
    erase = ask(closed, "web", "erase", grant="x", password=PASSWORD)
    assert erase["code"] == "locked", "there are no sessions"
    assert closed.admin("disown")["detail"].startswith("this camera is in quarantine")
    assert len(closed.boots) == 1
    assert ask(closed, "web", "erase_locked", user=USER, password=PASSWORD)["ok"]
    closed.run_for(120)
    assert (len(closed.boots), state(closed)) == (2, "unclaimed")
    assert DOCUMENT not in closed.documents.content
    assert closed.firewall.pages is None


def test_wrong_passwords_for_the_erase_count_like_others(closed):
    codes = {ask(closed, "web", "erase_locked", user=USER, password=f"wrong {n}")["code"] for n in range(12)}
    assert codes == {"denied", "wait"}


def test_outside_a_quarantine_there_is_no_erase_without_a_session(camera):
    assert ask(camera, "web", "erase_locked", user=USER, password=PASSWORD)["code"] == "bad_request"
    assert state(camera) == "claimed"


def test_begun_again_it_has_the_new_reason_and_released_twice_it_is_released(stage, closed):
    since = status(closed)["quarantine"]["since"]
    closed.run_for(600)
    deliver(closed, stage.operator.command("quarantine", 2, now(closed), {"reason": "second"}))
    assert (status(closed)["quarantine"]["since"], status(closed)["quarantine"]["reason"]) == (since, "second")
    deliver(closed, stage.operator.command("release", 3, now(closed)))
    deliver(closed, stage.operator.command("release", 4, now(closed)))
    assert told(closed)[-2:] == [done(3, "release"), done(4, "release")]


@pytest.mark.parametrize("arguments", [{"reason": 1}, {"reason": "x" * 201}, {"reason": "a\nb"}, {"why": "x"}])
def test_a_malformed_one_closes_nothing(stage, camera, arguments):
    deliver(camera, stage.operator.command("quarantine", 1, now(camera), arguments))
    assert (told(camera), state(camera)) == ([refused("arguments", 1, "quarantine")], "claimed")


def test_where_the_firewall_does_not_follow_that_is_said_and_it_is_tried_again(stage, camera):
    camera.firewall.broken = True
    deliver(camera, stage.operator.command("quarantine", 1, now(camera), WHY))
    assert told(camera) == [("done", 1, "quarantine", NO_FIREWALL)]
    assert (state(camera), status(camera)["quarantine"]["traffic_closed"]) == ("locked", None)
    camera.firewall.broken = False
    camera.run_for(120)
    assert camera.firewall.pages == PORTS
    assert status(camera)["quarantine"]["traffic_closed"] is True


def test_while_the_storage_fails_it_is_neither_begun_nor_answered(stage, camera):
    camera.documents.broken_folder = "quarantine/"
    deliver(camera, stage.operator.command("quarantine", 1, now(camera), WHY), 60)
    assert (told(camera), state(camera)) == ([], "claimed")
    camera.documents.broken_folder = ""
    camera.run_for(60)
    assert (told(camera), state(camera)) == ([done(1, "quarantine")], "locked")


@pytest.mark.parametrize("damage", [b"", b"{", b'{"v":1,"active":false}'])
def test_a_damaged_record_ends_no_quarantine_and_a_release_does(stage, closed, damage):
    closed.power_cut()
    closed.documents.content[DOCUMENT] = damage
    on(closed)
    closed.run_for(60)
    assert state(closed) == "locked"
    deliver(closed, stage.operator.command("release", 2, now(closed)))
    assert state(closed) == "claimed"


def test_a_thief_without_a_command_key_closes_nothing(stage, camera):
    thief = stage.operator.copy()
    thief.command_signers = stage.operator.authority_signers[:1]
    deliver(camera, thief.command("quarantine", 1, now(camera), WHY))
    assert (told(camera), state(camera)) == ([refused("forged")], "claimed")


def test_a_cut_at_every_operation_leaves_it_closed_or_open_and_brings_it_to_its_end(stage):
    seen = set()

    def story(world):
        try:
            again(world, stage, "quarantine", 1, WHY)
        finally:
            seen.add(DOCUMENT in world.documents.content)

    def check(world, _cut):
        world.run_for(60)
        assert (state(world), world.firewall.pages) == ("locked", PORTS)

    swept = sweep(stage.world_with_seed, story, check)
    assert swept.failures == []
    assert seen == {True, False}
    assert f"store {DOCUMENT}" in swept.operations


def test_control_a_label_knows_nothing_of_it(closed):
    """The label's code claims an unclaimed camera; in quarantine it is worth nothing."""
    assert ask(closed, "web", "claim", code=factory.CLAIM_CODE, user="x", password=PASSWORD)["code"] == "locked"


def test_no_program_is_heard_or_hears_anything_until_it_is_over(stage):
    world = stage.world()
    world.programs = [RIVER]
    on(world)
    world.run_for(300)
    head = f"camward/1/{world.device_id()}/app/river/down/"
    say(world, "receive")
    world.link.deliver(head + "interval", b"60")
    assert send(world, b"before")["ok"]
    world.run_for(60)
    assert (arrived(world), len(world.pushed)) == ([b"before"], 1)
    deliver(world, stage.operator.command("quarantine", 1, now(world), WHY))
    assert send(world, b"meanwhile")["code"] == "quarantine"
    world.link.deliver(head + "interval", b"5")
    world.run_for(60)
    assert (arrived(world), len(world.pushed)) == ([b"before"], 1)
    deliver(world, stage.operator.command("release", 2, now(world), {}))
    assert send(world, b"after")["ok"]
    world.run_for(300)
    assert arrived(world) == [b"before", b"after"]
