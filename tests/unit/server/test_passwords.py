"""Who still has an old password: orders, what cameras say of them, and the table that comes of it."""

import pytest

from agent.formats import required_change
from agent.formats.required_change import ChangeReport
from tests.unit.server.conftest import NOW
from tests.unit.server.test_ingest import CAMERA, World
from update_server.db.models import Device, Refusal, RequiredChange
from update_server.errors import BadInput, NotFound
from update_server.fleet import devices, passwords

DAY_S = 86_400


@pytest.fixture
def world(database, tmp_path):
    return World(database, tmp_path / "sealing")


def ordered(session, number=0, **changes):
    device = session.get_one(Device, f"{number:026d}")
    passwords.put(session, device, passwords.order(NOW, "staff_left", 0, 7 * DAY_S, None))
    row = session.get_one(RequiredChange, device.id)
    for name, value in changes.items():
        setattr(row, name, value)
    return device


def report(event, behind=1, since_at=NOW, code=""):
    return required_change.report_body(ChangeReport(event, since_at, behind, 3, code))


def line(world):
    with world.database.read() as session:
        return passwords.of_device(session, session.get_one(Device, CAMERA))


def give(world, now=NOW):
    with world.database.write() as session:
        passwords.put(session, session.get_one(Device, CAMERA), passwords.order(now, "policy", 0, DAY_S, 2 * DAY_S))


def test_the_verdict_follows_what_the_camera_has_signed(world):
    assert line(world).verdict == "no_order"
    give(world)
    assert (line(world).verdict, line(world).stage) == ("not_taken", "")
    for event, behind, verdict, stage in (
        ("accepted", 2, "old", "ordered"),
        ("reminder", 2, "old", "reminder"),
        ("restricted", 2, "old", "restricted"),
        ("changed", 1, "old", "ordered"),
        ("claim_only", 1, "old", "claim_only"),
        ("done", 0, "done", "done"),
    ):
        world.take(world.envelope("report", report(event, behind)))
        found = line(world)
        assert (found.verdict, found.stage, found.behind) == (verdict, stage, behind)


def test_between_two_reports_telemetry_tells_the_stage(world):
    give(world)
    world.take(world.envelope("report", report("changed", 1)))
    world.take(world.telemetry("1.0.0", password_stage="restricted", password_policy="nist.0a1b2c3d"))
    assert (line(world).stage, line(world).policy) == ("restricted", "nist.0a1b2c3d")
    world.take(world.telemetry("1.0.0", NOW + 1, password_stage="<b>"))
    assert line(world).stage == "ordered", "a word of nobody's list is shown to nobody"


def test_a_refusal_says_why(world):
    give(world)
    world.take(world.envelope("report", report("refused", 3, code="too_soon")))
    assert (line(world).verdict, line(world).code) == ("refused", "too_soon")
    world.take(world.envelope("report", report("refused", 3, since_at=0, code="format")))
    assert line(world).code == "format"


def test_what_is_about_another_order_is_old_news(world):
    give(world)
    world.take(world.envelope("report", report("done", 0, since_at=NOW - 1)))
    assert line(world).verdict == "not_taken"
    give(world, NOW + 5)
    assert line(world).said_at is None


def test_a_report_without_an_order_is_taken_and_forgotten(world):
    world.take(world.envelope("report", report("done", 0)))
    assert line(world).verdict == "no_order"


@pytest.mark.parametrize("wrong", [{"event": "begun"}, {"behind": -1}, {"behind": "x"}, {"since_at": None}])
def test_a_malformed_report_is_refused_and_changes_nothing(world, wrong):
    give(world)
    world.take(world.envelope("report", report("done") | wrong))
    assert line(world).verdict == "not_taken"
    with world.database.read() as session:
        assert [row.code for row in session.query(Refusal)] == ["format"]


def test_reports_about_updates_are_heard_as_before(world):
    heard = []
    world.on_report = lambda *given: heard.append(given)
    world.take(world.report(), world.envelope("report", report("done")))
    assert len(heard) == 1


def test_who_needs_somebody_comes_first_and_the_oldest_of_these(fleet):
    with fleet.write() as session:
        for number, (said, age) in enumerate([("done", 900), ("", 5), ("reminder", 10), ("reminder", 30)]):
            ordered(session, number, said=said).telemetry = {"password_age_days": age}
        ordered(session, 4, said="refused")
    with fleet.read() as session:
        lines = passwords.standing(session)
    assert [one.serial for one in lines] == ["S3", "S2", "S4", "S1", "S5", "S6", "S7", "S8", "S9", "S0"]
    assert passwords.counts(lines) == {"old": 2, "refused": 1, "not_taken": 1, "no_order": 5, "done": 1}


def test_the_table_has_its_columns_and_no_formulas(fleet):
    with fleet.write() as session:
        session.get_one(Device, f"{0:026d}").group_name = "=HYPERLINK(1)"
        session.get_one(Device, f"{1:026d}").telemetry = {"password_policy": "\x1b]0;mine\x07\n\u202e"}
    with fleet.read() as session:
        text = passwords.as_csv(passwords.standing(session))
    rows = text.splitlines()
    assert rows[0].startswith("id,serial,group,site,age_days,policy,verdict")
    assert len(rows) == 11
    assert ",'=HYPERLINK(1)," in text
    assert ",\ufffd]0;mine\ufffd\ufffd\ufffd," in text, "what a camera says may steer the terminal it is printed on"


@pytest.mark.parametrize(
    ("reason", "remind_s", "restrict_s", "claim_only_s"),
    [
        ("because", 0, 1, 2), ("policy", 5, 4, None), ("policy", 0, 5, 4), ("policy", 6, None, 5),
        ("policy", -1, None, None), ("policy", 0, None, passwords.MOST_S + 1),
    ],
)  # fmt: skip
def test_stages_out_of_their_order_are_no_order(reason, remind_s, restrict_s, claim_only_s):
    with pytest.raises(BadInput):
        passwords.order(NOW, reason, remind_s, restrict_s, claim_only_s)


def test_whoever_is_meant_is_named(fleet):
    with fleet.write() as session:
        session.get_one(Device, f"{3:026d}").group_name = "north"
        session.get_one(Device, f"{4:026d}").site = "river"
    with fleet.read() as session:
        for group, site, found in (("all", None, 10), ("north", None, 1), (None, "river", 1), ("all", "river", 1)):
            assert len(passwords.members(session, group, site)) == found
        with pytest.raises(BadInput):
            passwords.members(session, "", None)
        with pytest.raises(NotFound):
            passwords.members(session, "north", "river")


def test_an_order_goes_with_its_camera(fleet):
    with fleet.write() as session:
        devices.remove(session, ordered(session))
    with fleet.read() as session:
        assert session.query(RequiredChange).count() == 0


def test_nothing_is_taken_back_that_was_not_ordered(fleet):
    with fleet.write() as session, pytest.raises(NotFound):
        passwords.put(session, session.get_one(Device, f"{0:026d}"), None)
