"""The operator's order to change passwords, as the people of one camera meet it, and as a thief of the server would."""

import pytest

from agent.app.change_state import DOCUMENT
from agent.core.lockout import FORGET_S
from agent.formats import envelope, required_change
from firmware_sim.world import factory
from firmware_sim.world.people import PASSWORD, USER, login, request
from tests.scenario.bundles import bring, make
from tests.scenario.sweep import sweep
from tests.scenario.test_system_logins import SETTINGS as SYSTEM_LOGINS

HOUR_S, DAY_S = 3600, 86_400
NEW = "Ame no oto ga 3 do kikoeru"
THIRD = "Yama no ue ni 5 tsu no hoshi"
VIEWER, VIEWERS = "hanako", "Kumo no kage 9 to nami"
LOOK_S = 120


@pytest.fixture
def camera(stage):
    world = stage.world()
    world.power_on()
    world.run_for(1)
    return world


def order(world, remind=0, restrict=None, claim_only=None, reason="staff_left", **more):
    """An order that was given just now; its stages in seconds from now."""
    now = int(world.clock.now_s)
    found = {"v": 1, "since_at": now, "remind_at": now + remind, "reason": reason}
    if restrict is not None:
        found["restrict_at"] = now + restrict
    if claim_only is not None:
        found["claim_only_at"] = now + claim_only
    found.update(more)
    return found


def tell(stage, world, change, look_s=LOOK_S):
    """Let the director sign it, and the camera look."""
    stage.operator.set_time(int(world.clock.now_s))
    stage.operator.assign(None, None, change)
    world.server.files.update(stage.operator.files)
    world.admin("check")
    world.run_for(look_s)


def reports(world):
    found = []
    for payload in world.broker.on("/up/report"):
        body = envelope.parse(payload).body
        if body["kind"] == "credentials":
            report = required_change.parse_report(body)
            found.append((report.event, report.code) if report.code else (report.event, report.behind))
    return found


def change(world, new=NEW, old=PASSWORD, user=USER):
    return world.ask("web", request("change_password", user=user, old=old, new=new))


def everywhere(world, password, user=USER):
    """What becomes of one try on every path, once no wait is left: a wait says nothing about the password."""
    world.attempts = getattr(world, "attempts", 0) + 1
    source = f"198.51.100.{world.attempts}"
    ways = [("web", "login"), ("web", "digest"), ("rtsp", "digest"), ("onvif", "digest")]
    found = {world.ports.services.enter({"name": name, "way": way}, source, user, password) for name, way in ways}
    if "wait" in found:
        world.run_for(FORGET_S)
        return everywhere(world, password, user)
    return found


def add_viewer(world):
    grant = login(world)["grant"]
    asked = request("set_user", grant=grant, user=VIEWER, role="viewer", password=VIEWERS)
    assert world.ask("web", asked)["ok"]
    world.run_for(60)


def stages(world):
    return world.admin("status")["password_change"].get("stage")


def test_reminder_restriction_and_claim_only_come_in_their_order_and_the_change_ends_them(stage, camera):
    tell(stage, camera, order(camera, HOUR_S, 2 * DAY_S, 4 * DAY_S))
    assert (stages(camera), everywhere(camera, PASSWORD)) == ("ordered", {"in"})
    assert "change" not in login(camera)
    camera.run_for(HOUR_S)
    assert stages(camera) == login(camera)["change"] == "reminder"
    tell(stage, camera, stage.operator.director.extra["targets"]["x-camward-credentials"], 2 * DAY_S)
    assert (stages(camera), everywhere(camera, PASSWORD)) == ("restricted", {"refused"})
    refused = login(camera)
    assert (refused["ok"], refused["code"], refused["stage"], refused["may_change"]) == (
        False, "change_required", "restricted", True,
    )  # fmt: skip
    camera.run_for(2 * DAY_S)
    assert (stages(camera), login(camera)["stage"]) == ("claim_only", "claim_only")
    assert change(camera)["ok"]
    assert everywhere(camera, NEW) == {"in"}
    assert everywhere(camera, PASSWORD) == {"refused"}
    assert stages(camera) == "done"
    assert reports(camera) == [("accepted", 1), ("reminder", 1), ("restricted", 1), ("claim_only", 1), ("done", 0)]


def test_nothing_is_said_before_the_old_password_was_right(stage, camera):
    tell(stage, camera, order(camera, 0, 0))
    assert login(camera, "something else 7")["code"] == "denied"
    assert change(camera, old="something else 7")["code"] == "denied"
    assert camera.ask("web", request("login", user="nobody", password=PASSWORD))["code"] == "denied"
    assert login(camera)["code"] == "change_required"


def test_a_session_that_stands_gets_nothing_more(stage, camera):
    known = login(camera)
    grant = known["grant"]
    assert camera.ask("rtsp", request("state", user=USER))["generations"] == [known["generation"]]
    tell(stage, camera, order(camera, 0, 0))
    assert stages(camera) == "restricted"
    assert camera.ask("rtsp", request("state", user=USER))["generations"] == [], "sessions and streams end"
    for op, more in (("users", {}), ("device", {}), ("update_now", {}), ("erase", {"password": PASSWORD})):
        assert camera.ask("web", request(op, grant=grant, **more))["code"] == "change_required"


def test_the_old_password_is_no_new_one_whoever_sets_it(stage, camera):
    add_viewer(camera)
    tell(stage, camera, order(camera, 0, 0))
    refused = change(camera, new=PASSWORD)
    assert [one["code"] for one in refused["violations"]] == ["used"]
    assert all(one["en"] and one["ja"] for one in refused["violations"])
    assert change(camera)["ok"]
    back = change(camera, new=PASSWORD, old=NEW)
    assert [one["code"] for one in back["violations"]] == ["used"], "nor later, for as long as the order stands"
    grant = login(camera, NEW)["grant"]
    asked = request("set_user", grant=grant, user=VIEWER, role="viewer", password=VIEWERS)
    assert camera.ask("web", asked)["violations"][0]["code"] == "used"
    assert camera.ask("web", dict(asked, password=THIRD))["ok"]
    assert everywhere(camera, THIRD, VIEWER) == {"in"}
    assert reports(camera)[-2:] == [("changed", 1), ("done", 0)]


def test_in_claim_only_an_administrator_begins_and_the_others_wait_for_one(stage, camera):
    add_viewer(camera)
    tell(stage, camera, order(camera, 0, 0, 0))
    refused = change(camera, THIRD, VIEWERS, VIEWER)
    assert (refused["code"], refused["may_change"]) == ("change_required", False)
    assert change(camera)["ok"]
    grant = login(camera, NEW)["grant"]

    def behind():
        return [one["name"] for one in camera.ask("web", request("users", grant=grant))["users"] if "behind" in one]

    assert behind() == [VIEWER]
    asked = request("set_user", grant=grant, user=VIEWER, role="viewer", password=THIRD)
    assert camera.ask("web", asked)["ok"]
    assert everywhere(camera, THIRD, VIEWER) == {"in"}
    assert behind() == []


def test_who_has_changed_since_is_not_asked_again(stage, camera):
    camera.run_for(HOUR_S)
    assert change(camera)["ok"]
    now = int(camera.clock.now_s)
    tell(stage, camera, order(camera, 0, 0, since_at=now - 60))
    assert everywhere(camera, NEW) == {"in"}
    assert reports(camera) == [("accepted", 0), ("done", 0)]


def test_a_change_that_the_services_do_not_follow_changes_nothing(stage, camera):
    tell(stage, camera, order(camera, 0, 0))
    camera.open_doors.add("rtsp")
    assert change(camera)["code"] == "busy"
    camera.open_doors.clear()
    assert login(camera)["code"] == "change_required"
    assert change(camera)["ok"]


# Clocks


def test_offline_for_weeks_the_stages_come_by_the_monotonic_clock(stage, camera):
    tell(stage, camera, order(camera, 0, 7 * DAY_S))
    camera.server.files.clear()
    for _ in range(6):
        camera.run_for(DAY_S)
    assert stages(camera) == "reminder"
    camera.run_for(2 * DAY_S)
    assert stages(camera) == "restricted"
    camera.power_cut()
    camera.power_on()
    camera.run_for(60)
    assert stages(camera) == "restricted", "what has begun stays, though this boot cannot prove the time"
    assert change(camera)["ok"]


def test_a_wall_clock_that_somebody_sets_forward_makes_nothing_stricter(stage, camera):
    tell(stage, camera, order(camera, DAY_S, 7 * DAY_S))
    camera.server.files.clear()
    camera.clock.set_wall_s(int(camera.clock.now_s) + 900 * DAY_S)
    camera.run_for(HOUR_S)
    assert (stages(camera), everywhere(camera, PASSWORD)) == ("ordered", {"in"})


def test_a_wall_clock_that_somebody_sets_back_makes_nothing_milder(stage, camera):
    tell(stage, camera, order(camera, 0, DAY_S))
    camera.clock.set_wall_s(1)
    camera.run_for(DAY_S)
    assert stages(camera) == "restricted"
    assert change(camera)["ok"]
    assert everywhere(camera, NEW) == {"in"}


def test_a_password_from_the_future_is_an_old_one(stage, camera):
    """Otherwise whoever sets the clock forward once is never asked again."""
    camera.clock.set_wall_s(int(camera.clock.now_s) + 900 * DAY_S)
    assert change(camera)["ok"]
    tell(stage, camera, order(camera, 0, 0))
    assert login(camera, NEW)["code"] == "change_required"
    assert change(camera, THIRD, NEW)["ok"]
    assert everywhere(camera, THIRD) == {"in"}, "a change after the order counts, whatever any clock says"


@pytest.mark.parametrize("skew_s", [0, -400 * DAY_S, 400 * DAY_S])
def test_the_proven_time_is_never_ahead_of_the_true_one_and_never_goes_back(camera, skew_s):
    def proven():
        return camera.agent._changing._time.at_least_s()

    camera.clock.skew_s = skew_s
    seen = [proven()]
    for seconds in (10, 600, 5 * HOUR_S, 7, 3 * DAY_S):
        camera.run_for(seconds)
        seen.append(proven())
        assert seen[-1] <= camera.clock.now_s
    assert seen == sorted(seen)
    assert seen[-1] >= camera.clock.now_s - 2 * HOUR_S
    camera.power_cut()
    camera.clock.advance(30 * DAY_S)
    camera.power_on()
    camera.run_for(1)
    assert proven() <= camera.clock.now_s


def test_time_that_a_camera_was_off_for_is_not_counted_before_the_server_says_so(stage, camera):
    tell(stage, camera, order(camera, 0, 7 * DAY_S))
    camera.power_cut()
    camera.clock.advance(30 * DAY_S)
    camera.server.files.clear()
    camera.power_on()
    camera.run_for(HOUR_S)
    assert stages(camera) == "reminder"


def test_a_report_that_cannot_be_kept_is_made_later(stage, camera):
    tell(stage, camera, order(camera, 0, HOUR_S))
    kept, camera.agent._reporting.queue = camera.agent._reporting.queue, lambda _kind, _body: False
    camera.run_for(2 * HOUR_S)
    assert stages(camera) == "restricted", "what is not reported counts all the same"
    camera.agent._reporting.queue = kept
    camera.run_for(2 * HOUR_S)
    assert reports(camera) == [("accepted", 1), ("reminder", 1), ("restricted", 1)]


def test_a_locked_camera_does_not_say_that_all_is_done(stage, camera):
    tell(stage, camera, order(camera, 0, 0))
    camera.power_cut()
    camera.documents.content["credentials/web.json"] = b"{}"
    camera.power_on()
    camera.run_for(HOUR_S)
    assert camera.ask("web", request("state"))["state"] == "locked"
    assert ("done", 0) not in reports(camera)
    assert camera.agent._facts()["password_stage"] == "restricted"


def test_a_camera_that_reaches_no_server_hears_of_it_in_a_bundle(stage, camera):
    stage.release("1.5.0")
    stage.operator.set_time(int(camera.clock.now_s))
    stage.operator.assign("1.5.0", None, order(camera, 0, 0))
    camera.server.down = True
    assert bring(camera, make(stage.operator, "1.5.0", (camera.device_id(),)))["ok"]
    camera.run_for(60)
    assert stages(camera) == "restricted"
    assert change(camera)["ok"]


# The thief of the server


@pytest.mark.parametrize(
    "wrong",
    [
        {"v": 2}, {"user": "mallory"}, {"password": THIRD}, {"reason": "because"}, {"since_at": -1},
        {"restrict_at": 1}, {"claim_only_at": 1}, {"state": "unclaimed"},
    ],
)  # fmt: skip
def test_an_order_that_says_anything_else_is_refused_and_stops_no_update(stage, camera, wrong):
    before = camera.documents.content.get(DOCUMENT)
    stage.operator.set_time(int(camera.clock.now_s))
    tell(stage, camera, order(camera, 0, 0, 0, **wrong))
    assert camera.documents.content.get(DOCUMENT) == before
    assert everywhere(camera, PASSWORD) == {"in"}
    assert reports(camera) == [("refused", "format")]
    if "1.1.0" not in stage.operator.releases:
        stage.release("1.1.0")
    stage.operator.set_time(int(camera.clock.now_s))
    stage.operator.assign("1.1.0", None, order(camera, 0, 0, 0, **wrong))
    camera.server.files.update(stage.operator.files)
    camera.run_for(HOUR_S)
    assert camera.boots[-1].version == "1.1.0"


def test_the_thief_of_the_server_neither_gets_in_nor_names_anybody_into_existence(stage, camera):
    tell(stage, camera, order(camera, 0, 0, 0))
    assert camera.ask("web", request("state"))["state"] == "claimed"
    claimed = request("claim", code=factory.CLAIM_CODE, user="mallory", password=THIRD)
    assert camera.ask("web", claimed)["code"] == "denied"
    for password in ("", "admin", THIRD):
        assert everywhere(camera, password) <= {"refused", "wait"}
        assert everywhere(camera, password, "mallory") <= {"refused", "wait"}


def test_the_thief_makes_the_owner_change_once_a_day_at_most_and_never_locks_anybody_out(stage, camera):
    passwords = [PASSWORD, NEW, THIRD]
    tell(stage, camera, order(camera, 0, 0, 0))
    assert change(camera)["ok"]
    for _ in range(3):
        tell(stage, camera, order(camera, 0, 0, 0), HOUR_S)
        assert everywhere(camera, NEW) == {"in"}
    assert ("refused", "too_soon") in reports(camera)
    camera.run_for(DAY_S)
    tell(stage, camera, order(camera, 0, 0, 0))
    assert login(camera, NEW)["code"] == "change_required"
    assert change(camera, passwords[2], passwords[1])["ok"]
    assert everywhere(camera, passwords[2]) == {"in"}


def test_nor_does_a_thief_who_lies_about_the_time_as_well_make_the_owner_change_sooner(stage, camera):
    """The director's own keys sign what time it is: a day that they prove may have taken a minute."""
    tell(stage, camera, order(camera, 0, 0, 0))
    assert change(camera)["ok"]
    for days in (2, 4):
        lie = int(camera.clock.now_s) + days * DAY_S
        stage.operator.set_time(lie)
        stage.operator.assign(
            None, None, order(camera, 0, 0, 0, since_at=lie, remind_at=lie, restrict_at=lie, claim_only_at=lie)
        )
        camera.server.files.update(stage.operator.files)
        camera.admin("check")
        camera.run_for(LOOK_S)
        assert camera.agent._changing._time.at_least_s() >= lie, "the lie was believed"
        assert everywhere(camera, NEW) == {"in"}
    assert reports(camera).count(("refused", "too_soon")) == 2


@pytest.mark.parametrize("ahead_s", [2 * DAY_S, 4000 * DAY_S])
def test_an_order_from_the_future_which_no_password_could_satisfy_is_refused(stage, camera, ahead_s):
    far = int(camera.clock.now_s) + ahead_s
    tell(stage, camera, order(camera, 0, 0, 0, since_at=far))
    assert everywhere(camera, PASSWORD) == {"in"}
    assert reports(camera) == [("refused", "future")]
    tell(stage, camera, order(camera, 0, 0))
    assert login(camera)["code"] == "change_required"


def test_an_older_order_changes_nothing_and_the_same_one_may_be_amended(stage, camera):
    first = order(camera, 0, 0)
    tell(stage, camera, first)
    tell(stage, camera, order(camera, 0, None, since_at=first["since_at"] - 60))
    assert stages(camera) == "restricted"
    tell(stage, camera, dict(first, restrict_at=first["since_at"] + 30 * DAY_S))
    assert (stages(camera), everywhere(camera, PASSWORD)) == ("reminder", {"in"})
    assert [event for event, _ in reports(camera)] == ["accepted", "restricted", "refused", "accepted", "reminder"]


def test_a_withdrawal_gives_back_what_was_before_and_nothing_more(stage, camera):
    tell(stage, camera, order(camera, 0, 0, 0))
    assert everywhere(camera, PASSWORD) == {"refused"}
    tell(stage, camera, None)
    assert everywhere(camera, PASSWORD) == {"in"}
    assert everywhere(camera, "admin", "admin") <= {"refused", "wait"}
    assert change(camera, new="short")["code"] == "policy"
    assert camera.admin("status")["password_change"] == {}
    assert reports(camera)[-1] == ("withdrawn", 1)


def test_a_replay_of_what_the_director_signed_before_the_order_is_refused(stage, camera):
    before = dict(camera.server.files)
    tell(stage, camera, order(camera, 0, 0))
    camera.server.files.clear()
    camera.server.files.update(before)
    camera.admin("check")
    camera.run_for(LOOK_S)
    assert stages(camera) == "restricted"


# What survives


def test_with_the_operator_goes_the_order(stage, camera):
    tell(stage, camera, order(camera, 0, 7 * DAY_S))
    assert DOCUMENT in camera.documents.content
    asked = request("disown", grant=login(camera)["grant"], password=PASSWORD)
    assert camera.ask("web", asked)["ok"]
    camera.run_for(60)
    assert DOCUMENT not in camera.documents.content
    assert everywhere(camera, PASSWORD) == {"in"}


def test_storage_that_fails_for_a_while_forgets_no_order(stage, camera):
    tell(stage, camera, order(camera, 0, 0))
    camera.power_cut()
    camera.documents.broken_folder = "trust/director/"
    camera.power_on()
    camera.run_for(HOUR_S)
    assert camera.ask("web", request("state"))["state"] == "claimed"
    camera.documents.broken_folder = ""
    camera.run_for(LOOK_S)
    assert login(camera)["code"] == "change_required"
    assert change(camera, new=PASSWORD)["violations"][0]["code"] == "used"


@pytest.mark.parametrize("rot", [b"", b"{", b'{"v":1}'])
def test_an_order_that_rots_is_asked_for_again(stage, camera, rot):
    tell(stage, camera, order(camera, 0, 0))
    camera.power_cut()
    camera.documents.content[DOCUMENT] = rot
    camera.power_on()
    camera.run_for(LOOK_S)
    assert login(camera)["code"] == "change_required"
    assert change(camera)["ok"]
    assert stages(camera) == "done"


def test_what_the_server_hears_holds_no_name_and_nothing_of_a_password(stage, camera):
    tell(stage, camera, order(camera, 0, 0))
    assert change(camera)["ok"]
    camera.run_for(factory.TELEMETRY_INTERVAL_S + 60)
    stored = b"".join(value for name, value in camera.documents.content.items() if name.startswith("credentials/"))
    sent = b"".join(camera.broker.on("/up/report") + camera.broker.on("/up/telemetry"))
    facts = envelope.parse(camera.broker.on("/up/telemetry")[-1]).body["samples"][-1]
    assert (facts["password_stage"], facts["passwords_behind"]) == ("done", 0)
    assert facts["password_policy"].startswith("nist.")
    for word in (PASSWORD, NEW, USER):
        assert word.encode() not in sent
    hashes = [text for text in stored.decode("latin-1").split('"') if len(text) >= 32]
    assert hashes
    assert not [text for text in hashes if text.encode() in sent]


def test_a_cut_at_every_operation_of_order_and_change_leaves_the_old_or_the_new_password_and_a_way_in(stage):
    def make(seed):
        world = stage.world(seed=seed)
        tell_quietly(stage, world)
        return world

    def story(world):
        world.power_on()
        world.run_for(LOOK_S)
        change(world)
        world.run_for(60)

    def after(world):
        world.power_on()
        world.run_for(LOOK_S)

    def check(world, _cut):
        assert world.ask("web", request("state"))["state"] == "claimed"
        if everywhere(world, NEW) != {"in"}:
            assert login(world)["code"] == "change_required"
            assert change(world)["ok"]
        assert everywhere(world, NEW) == {"in"}
        assert everywhere(world, PASSWORD) == {"refused"}
        assert stages(world) == "done"

    swept = sweep(make, story, check, after)
    assert swept.failures == []
    assert any("required_change" in operation for operation in swept.operations)


def tell_quietly(stage, world):
    stage.operator.set_time(int(world.clock.now_s))
    stage.operator.assign(None, None, order(world, 0, 0))
    world.server.files.update(stage.operator.files)


def test_a_password_that_is_shut_out_opens_no_console_either_until_it_is_changed(stage):
    world = stage.world()
    world.system_logins = dict(SYSTEM_LOGINS)
    world.power_on()
    world.run_for(1)
    changed = change(world, THIRD)  # one that was set before there were system logins opens no console anyway
    assert changed["ok"], changed
    assert world.console_files.enter(USER, THIRD) == "in"
    world.run_for(LOOK_S)
    tell(stage, world, order(world, restrict=HOUR_S, claim_only=2 * HOUR_S))
    assert world.console_files.enter(USER, THIRD) == "in", "a reminder shuts nobody out"
    for _ in range(2):
        world.run_for(HOUR_S + LOOK_S)
        assert world.console_files.enter(USER, THIRD) == "refused"
    world.power_cut()
    world.power_on()
    assert world.console_files.enter(USER, THIRD) == "refused", "not even for a moment"
    world.run_for(LOOK_S)
    assert world.console_files.enter(USER, THIRD) == "refused"
    assert change(world, NEW, THIRD)["ok"]
    assert world.console_files.enter(USER, NEW) == "in"
    assert world.console_files.enter(USER, THIRD) == "refused"
