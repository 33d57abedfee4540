"""A right password of more than a viewer at the door in the clear: refused, and told to owner and operator."""

import json

import pytest

from agent.app import handover
from agent.app.plain_rtsp import SENT
from agent.formats import alarm, cose, envelope
from firmware_sim.world.people import PASSWORD, SOURCE, USER, login, request
from tests.scenario.test_claims import NEW_PASSWORD, on
from tests.scenario.test_plain_rtsp import PORT, VIEWER, VIEWERS_PASSWORD, ask_open, plays, report
from tests.scenario.test_required_change import change, order, tell
from tests.scenario.test_sealing import SIGNER, named
from tests.scenario.test_system_logins import OTHER, OTHERS_PASSWORD, set_user

RECORDER = "203.0.113.9"


@pytest.fixture
def opened(stage):
    world = stage.world()
    world.plain_rtsp_port = PORT
    on(world)
    world.run_for(60)
    assert set_user(world, user=VIEWER, role="viewer", password=VIEWERS_PASSWORD)["ok"]
    assert ask_open(world)["ok"]
    return world


def sent(world):
    """Whose password the camera's page says was sent."""
    return world.admin("status")["plain_rtsp"].get("sent", [])


def told(world):
    world.run_for(60)
    found = {(one.boot, one.seq): one.body for one in map(envelope.parse, world.broker.on("/up/alarm"))}
    return [body for body in found.values() if body["kind"] == alarm.IN_CLEAR_KIND]


def record(world, user=USER, password=PASSWORD):
    """A recorder that tries once."""
    way = {"name": "rtsp_plain", "way": "digest"}
    return world.ports.services.enter(way, RECORDER, user, password)


def test_the_password_is_named_on_the_page_and_its_role_and_source_to_the_server(opened):
    assert record(opened) == "refused"
    assert sent(opened) == [USER]
    (body,) = told(opened)
    assert body == alarm.in_clear("administrator", RECORDER)
    assert USER not in json.dumps(body)


def test_an_operators_password_as_well_and_nothing_of_viewers_or_wrong_tries(opened):
    assert set_user(opened, user=OTHER, role="operator", password=OTHERS_PASSWORD)["ok"]
    assert plays(opened) == "in"
    assert plays(opened, USER, "wrong") == plays(opened, "admin", "admin") == "refused"
    assert (sent(opened), told(opened)) == ([], [])
    assert record(opened, OTHER, OTHERS_PASSWORD) == "refused"
    assert sent(opened) == [OTHER]
    assert [body["detail"] for body in told(opened)] == ["operator, from " + RECORDER]


def test_over_tls_nobody_is_told_anything(opened):
    assert login(opened)["ok"]
    assert opened.ports.services.enter({"name": "rtsp", "way": "digest"}, RECORDER, USER, PASSWORD) == "in"
    assert (sent(opened), told(opened)) == ([], [])


def test_a_recorder_that_goes_on_is_told_once_in_an_opening_restarts_or_not(opened):
    for _ in range(30):
        record(opened)
    opened.power_cut()
    on(opened)
    for _ in range(30):
        record(opened)
    assert sent(opened) == [USER]
    assert len(told(opened)) == 1
    assert opened.admin("close_plain_rtsp")["ok"]
    opened.run_for(60)
    assert ask_open(opened)["ok"]
    record(opened)
    assert len(told(opened)) == 2


def test_the_notice_stays_when_it_is_closed_and_goes_with_the_password(opened):
    record(opened)
    assert opened.admin("close_plain_rtsp")["ok"]
    assert sent(opened) == [USER]
    opened.power_cut()
    on(opened)
    assert sent(opened) == [USER]
    assert change(opened)["ok"]
    assert sent(opened) == []


def test_a_new_password_that_is_sent_as_well_is_told_again(opened):
    record(opened)
    assert change(opened, NEW_PASSWORD)["ok"]
    record(opened, password=NEW_PASSWORD)
    assert sent(opened) == [USER]
    assert len(told(opened)) == 2


def test_whose_account_is_removed_is_not_named_any_more(opened):
    assert set_user(opened, user=OTHER, role="administrator", password=OTHERS_PASSWORD)["ok"]
    record(opened, OTHER, OTHERS_PASSWORD)
    record(opened)
    assert sent(opened) == [USER, OTHER]
    assert opened.ask("web", request("remove_user", grant=login(opened)["grant"], user=OTHER))["ok"]
    assert sent(opened) == [USER]


def test_evidence_and_others_than_administrators_read_no_name(opened):
    record(opened)
    opened.admin("evidence")
    assert "sent" not in report(opened)["facts"]["plain_rtsp"]
    viewer = opened.ask("web", request("login", user=VIEWER, password=VIEWERS_PASSWORD))["grant"]
    assert "plain_rtsp" not in opened.ask("web", request("device", grant=viewer))
    mine = opened.ask("web", request("device", grant=login(opened, source=SOURCE)["grant"]))
    assert mine["plain_rtsp"]["sent"] == [USER], "the control"


def test_what_a_full_storage_did_not_take_is_told_at_the_next_try(opened):
    room, opened.documents.room_bytes = opened.documents.room_bytes, 0
    record(opened)
    record(opened)
    assert (sent(opened), told(opened)) == ([USER], [])
    opened.documents.room_bytes = room
    record(opened)
    record(opened)
    assert sent(opened) == [USER]
    assert len(told(opened)) == 1


def test_while_it_cannot_be_told_tries_sign_once_a_minute(opened, monkeypatch):
    assert set_user(opened, user=OTHER, role="operator", password=OTHERS_PASSWORD)["ok"]
    opened.power_cut()
    named(opened, sealing_key=SIGNER.public_pem)  # an alarm is signed before it is sealed
    on(opened)
    opened.run_for(60)
    signed, sign = [], opened.ports.keys.sign
    monkeypatch.setattr(opened.ports.keys, "sign", lambda name, message: signed.append(name) or sign(name, message))
    room, opened.documents.room_bytes = opened.documents.room_bytes, 0
    for _ in range(10):
        record(opened)
        record(opened, OTHER, OTHERS_PASSWORD)
    assert len(signed) == 1
    assert sent(opened) == [USER, OTHER]
    opened.run_for(60)
    signed.clear()
    for _ in range(10):
        record(opened)
    assert len(signed) == 1, "it is tried again"
    opened.documents.room_bytes = room
    opened.run_for(60)
    for _ in range(10):
        record(opened)
        record(opened, OTHER, OTHERS_PASSWORD)
    opened.run_for(60)
    assert len({(one.boot, one.seq) for one in map(cose.parse, opened.broker.on("/up/alarm"))}) == 2


@pytest.mark.parametrize("body", [b"", b"{", b'{"v":1}', b'{"users":{"keiko":[1]},"v":1}', b"x" * 9000])
def test_a_damaged_note_is_forgotten(opened, body):
    record(opened)
    opened.power_cut()
    opened.documents.content[SENT] = body
    on(opened)
    assert sent(opened) == []
    record(opened)
    assert sent(opened) == [USER]


def test_who_has_to_change_the_password_anyway_is_told_of_it_too(stage, opened):
    tell(stage, opened, order(opened, 0, 0))
    assert login(opened)["code"] == "change_required", "the control"
    assert record(opened) == "refused"
    assert sent(opened) == [USER]


def test_the_notice_stays_with_the_users_and_goes_with_an_erase():
    kept = {kind: handover._stays(kind, SENT) for kind in handover.KINDS}
    assert kept == {handover.ERASE: False, handover.TRANSFER: True, handover.DISOWN: True}
