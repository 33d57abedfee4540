"""The server hears of guessing at a camera's passwords: when it begins, how it goes on, that it is over, who got in."""

import pytest

from agent.app.alarms import DOCUMENT
from agent.core import attack
from agent.formats import alarm, envelope
from firmware_sim.world.people import PASSWORD, SOURCE, USER, login, request

ATTACKER = "203.0.113.5"


@pytest.fixture
def camera(stage):
    world = stage.world()
    world.power_on()
    world.run_for(1)
    assert login(world)["ok"]
    return world


def alarms(world):
    found = {(one.boot, one.seq): one.body for one in map(envelope.parse, world.broker.on("/up/alarm"))}
    return [alarm.parse(body) for body in found.values()]


def events(world):
    return [one.event for one in alarms(world)]


def guess(world, count, source=ATTACKER, user=USER):
    for number in range(count):
        asked = request("login", user=user, password=f"wrong {number}")
        asked["source"] = source
        world.ask("web", asked)


def test_many_wrong_tries_from_one_source_are_told_with_where_from_and_at_whom(camera):
    guess(camera, 40)
    camera.run_for(60)
    assert [one.replace(since_at=0) for one in alarms(camera)] == [
        alarm.Alarm("started", 0, attack.START_TRIES, 1, ATTACKER, "administrator")
    ]
    camera.run_for(2 * attack.QUIET_S)
    assert events(camera) == ["started", "continues", "ended"]
    assert alarms(camera)[-1].wrong == 36


def test_a_distributed_attack_on_one_account_is_told_though_no_source_ever_waits(camera):
    for number in range(60):
        guess(camera, 1, f"2001:db8:0:{number:x}::1")
        camera.run_for(30)
    assert events(camera)[0] == "started"
    assert alarms(camera)[0].sources >= attack.MANY_SOURCES


def test_an_attack_that_turns_out_to_be_distributed_is_told_once_more(camera):
    guess(camera, 30)
    for number in range(60):
        guess(camera, 1, f"2001:db8:0:{number:x}::1")
        camera.run_for(5)
    assert events(camera)[:2] == ["started", "distributed"]


@pytest.mark.parametrize("op", ["claim", "claim_proof"])
def test_guessing_at_the_labels_code_is_told_by_an_unclaimed_camera_with_an_operator(camera, op):
    camera.agent._accounts.state, camera.agent._accounts.users = "unclaimed", {}
    more = {"code": "A" * 16, "user": USER, "password": PASSWORD}
    for _ in range(40):
        given = more if op == "claim" else {"nonce": "00" * 32, "proof": "00" * 32}
        assert not camera.ask("web", request(op, **given))["ok"]
    camera.run_for(60)
    assert [(one.event, one.target) for one in alarms(camera)] == [("started", "claim")]


def test_a_login_after_many_wrong_tries_is_told(camera):
    for _ in range(14):
        reply = login(camera, "wrong", ATTACKER)
        camera.run_for(reply.get("retry_after_s", 0) + 1)
    camera.run_for(900)
    assert login(camera, PASSWORD, ATTACKER)["ok"]
    camera.run_for(60)
    told = [one for one in alarms(camera) if one.event == "login"]
    assert [(one.source, one.target) for one in told] == [(ATTACKER, "administrator")]


def test_the_owner_at_a_known_place_is_no_news_while_others_guess(camera):
    for number in range(40):
        guess(camera, 1, f"198.51.100.{number}")
        camera.run_for(30)
    assert login(camera, source=SOURCE)["ok"]
    camera.run_for(60)
    assert "login" not in events(camera)


def test_no_name_that_somebody_typed_reaches_the_server(camera):
    guess(camera, 40, user="my-secret-7")
    camera.run_for(60)
    assert [one.target for one in alarms(camera)] == [""]
    assert b"my-secret" not in b"".join(camera.broker.on("/up/alarm"))


def test_an_attack_that_a_restart_interrupts_is_told_once_and_its_end_is_told(camera):
    guess(camera, 40)
    camera.run_for(60)
    assert DOCUMENT in camera.documents.content
    camera.restart()
    camera.run_for(60)
    guess(camera, 5)
    camera.run_for(2 * attack.QUIET_S)
    assert events(camera) == ["started", "continues", "ended"]
    assert DOCUMENT not in camera.documents.content


def test_the_cameras_own_tries_for_its_evidence_are_no_attack(camera):
    for _ in range(12):
        camera.admin("evidence")
        camera.run_for(60)
    assert alarms(camera) == []


def test_a_day_of_guessing_costs_the_server_a_handful_of_messages(camera):
    for minute in range(24 * 60):
        for number in range(4):
            guess(camera, 1, f"10.{number}.{minute >> 8}.{minute & 255}")
        camera.run_for(60)
    told = events(camera)
    assert 5 < len(told) <= 12


def test_a_camera_without_an_operator_keeps_no_alarms_for_a_later_one(stage):
    world = stage.world()
    world.documents.content.pop("ownership/record.json")
    world.power_on()
    world.run_for(1)
    guess(world, 40)
    assert not [name for name in world.documents.content if name.endswith("alarm") or ".alarm." in name]
