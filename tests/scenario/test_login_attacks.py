"""What somebody tries who knows the protocols: replays, clocks, grants of yesterday, and stores beyond their bounds."""

from json import loads

import pytest

from agent.app import digest
from agent.app.accounts import MAX_USERS
from agent.app.events import Line
from agent.app.guard import MAX_HASHING
from agent.core.blocklist import WordList
from agent.formats.json import dump
from firmware_sim.world import people
from firmware_sim.world.people import PASSWORD, USER, claim, login, request
from tests.scenario.looks import events, reports
from tests.scenario.test_trust_state import DAY_S, assign, finish, ordered

OTHER_PASSWORD = "Ame no oto ga 3 do kikoeru"
ATTACKER = "203.0.113.5"


@pytest.fixture
def claimed(stage):
    """The idle camera, on, with an administrator's grant as `grant`."""
    world = stage.world()
    world.power_on()
    world.run_for(1)
    world.grant = login(world)["grant"]
    return world


def ask(world, service, op, source=ATTACKER, **arguments):
    asked = request(op, **arguments)
    asked["source"] = source
    return world.ask(service, asked)


def answer(world, password, nonce, count="00000001"):
    """The members of one digest request on the stream."""
    realm, method, uri, algorithm = "camward", "DESCRIBE", "rtsp://camera/stream", "SHA-256"
    counted = (count, "0a4f113b", "auth")
    response = digest.response(algorithm, digest.secret(algorithm, USER, password), method, uri, nonce, counted)
    return {
        "user": USER, "realm": realm, "nonce": nonce, "uri": uri, "method": method, "algorithm": algorithm,
        "nc": count, "cnonce": counted[1], "qop": counted[2], "response": response,
    }  # fmt: skip


def test_a_digest_that_was_overheard_lets_nobody_in_and_ends_no_wait(claimed):
    nonce = ask(claimed, "rtsp", "nonce")["nonce"]
    overheard = answer(claimed, PASSWORD, nonce)
    assert ask(claimed, "rtsp", "digest", people.SOURCE, **overheard)["ok"]
    codes = []
    for number in range(12):
        wrong = answer(claimed, f"wrong {number}", ask(claimed, "rtsp", "nonce")["nonce"])
        codes.append(ask(claimed, "rtsp", "digest", **wrong)["code"])
        replayed = ask(claimed, "rtsp", "digest", **overheard)
        assert not replayed["ok"]
    assert codes[-1] == "wait"


def test_strangers_who_keep_the_hasher_busy_keep_no_owner_out(claimed):
    for number in range(MAX_HASHING):  # addresses and names that have not failed yet: each password is to be judged
        asked = request("login", user=f"user{number}", password="wrong")
        asked["source"] = f"198.51.100.{number}"
        claimed.step(Line(9000 + number, "web", dump(asked) + b"\n"))
    assert login(claimed, PASSWORD, ATTACKER)["code"] == "busy"
    assert login(claimed)["ok"], "from where the owner has logged in before"


def test_a_step_of_the_wall_clock_ends_no_wait_and_lengthens_none(claimed):
    for number in range(10):
        login(claimed, f"wrong {number}", ATTACKER)
    wait = login(claimed, PASSWORD, ATTACKER)["retry_after_s"]
    for step_s in (DAY_S, -10 * DAY_S):
        claimed.clock.skew_s = step_s
        assert login(claimed, PASSWORD, ATTACKER)["retry_after_s"] == wait
    claimed.run_for(wait)
    assert login(claimed, PASSWORD, ATTACKER)["ok"]


def test_a_grant_of_a_change_that_was_taken_back_is_worth_nothing(claimed):
    """While a new account is proved it can log in; when the proof fails, what it was given goes with it."""
    given = []
    enter = claimed.ports.services.enter

    def entering(service, source, user, password):
        if user == "eve":
            given.append(ask(claimed, "web", "login", source, user=user, password=password))
        return enter(service, source, user, password)

    claimed.ports.services.enter = entering
    claimed.open_doors.add("onvif")
    made = {"user": "eve", "role": "administrator", "password": OTHER_PASSWORD}
    assert claimed.ask("web", request("set_user", grant=claimed.grant, **made))["code"] == "busy"
    grants = [reply["grant"] for reply in given if reply["ok"]]
    assert grants, "nobody logged in during the proof: nothing is shown"
    for grant in grants:
        assert claimed.ask("web", request("users", grant=grant)) == {"v": 1, "ok": False, "code": "denied"}
    assert claimed.ask("web", request("users", grant=claimed.grant))["ok"]


def test_a_grant_does_not_outlive_a_demotion(claimed):
    made = {"user": "ben", "role": "administrator", "password": OTHER_PASSWORD}
    assert claimed.ask("web", request("set_user", grant=claimed.grant, **made))["ok"]
    asked = request("login", user="ben", password=OTHER_PASSWORD)
    grant = claimed.ask("web", asked)["grant"]
    assert claimed.ask("web", request("users", grant=grant))["ok"]
    assert not claimed.ask("onvif", request("users", grant=grant))["ok"], "a grant is for the service it was given at"
    assert claimed.ask("web", request("set_user", grant=claimed.grant, user="ben", role="viewer"))["ok"]
    assert not claimed.ask("web", request("users", grant=grant))["ok"]


def test_neither_a_recorder_nor_another_user_ends_a_session(claimed):
    made = {"user": "ben", "role": "viewer", "password": OTHER_PASSWORD}
    assert claimed.ask("web", request("set_user", grant=claimed.grant, **made))["ok"]
    for _ in range(100):
        assert claimed.ports.services.enter({"name": "web", "way": "digest"}, "192.0.2.20", USER, PASSWORD) == "in"
        assert claimed.ask("web", request("login", user="ben", password=OTHER_PASSWORD))["ok"]
    assert claimed.ask("web", request("users", grant=claimed.grant))["ok"]
    assert len(claimed.agent._login._grants._out) < 200


def test_no_more_users_than_can_be_read_again(claimed):
    for number in range(MAX_USERS - 1):
        made = {"user": f"viewer{number}", "role": "viewer", "password": OTHER_PASSWORD}
        assert claimed.ask("web", request("set_user", grant=claimed.grant, **made))["ok"]
    one_more = {"user": "one-more", "role": "viewer", "password": OTHER_PASSWORD}
    assert claimed.ask("web", request("set_user", grant=claimed.grant, **one_more))["code"] == "bad_request"
    claimed.restart()
    claimed.run_for(1)
    assert claimed.ask("web", request("state"))["state"] == "claimed"
    assert login(claimed)["ok"]


def test_what_a_server_says_reaches_no_terminal_and_stops_no_agent(claimed):
    """Errors quote the server; the page and `camward-agent status` show them."""
    hostile = "\x1b]0;owned\x07\u202e" + "\U0001f4a9" * 9000 + "\ud800"
    claimed.agent._reporting.link_problem = hostile
    claimed.agent._updating._last_result = hostile
    claimed.agent._enrolling.problem = claimed.agent._enrolling.operator = hostile
    for reply in (claimed.ask("web", request("device", grant=claimed.grant)), claimed.admin("status")):
        assert reply["v"] == 1
        assert "\x1b" not in str(reply)
    assert claimed.admin("status")["link"].startswith("?]0;owned?")
    assert login(claimed)["ok"]


def tries_at(world, user, source, way):
    """A dozen wrong tries: what is answered, how much is hashed, and how long it takes on the camera's clock."""
    seen = []
    for number in range(12):
        hashed, began = world.hasher.count, world.clock._monotonic_s
        if way == "digest":
            wrong = answer(world, f"wrong {number}", ask(world, "rtsp", "nonce")["nonce"])
            reply = ask(world, "rtsp", "digest", source, **dict(wrong, user=user))
        elif way == "change_password":
            reply = ask(world, "web", way, source, user=user, old=f"wrong {number}", new=OTHER_PASSWORD)
        else:
            reply = ask(world, "web", way, source, user=user, password=f"wrong {number}")
        seen.append((reply, world.hasher.count - hashed, world.clock._monotonic_s - began))
    return seen


@pytest.mark.parametrize("way", ["login", "digest", "change_password"])
def test_users_who_are_not_there_get_the_same_answers_after_the_same_work(stage, way):
    """Also the same waits, and the hash that nobody's password is compared with costs what a real one does."""
    there, absent = stage.world(), stage.world()
    for world in (there, absent):
        world.power_on()
        world.run_for(1)
    known, unknown = tries_at(there, USER, ATTACKER, way), tries_at(absent, "nobody", ATTACKER, way)
    assert known == unknown
    assert {reply["code"] for reply, _, _ in known} == {"denied", "wait"}
    if way != "digest":
        assert [hashed for _, hashed, _ in known[:5]] == [1] * 5
        compared = (absent.agent._login._dummy_phc, absent.agent._accounts.users[USER].phc)
        assert len({phc.split("$")[1] for phc in compared}) == 1, "one kind of hash, of the same cost"


@pytest.mark.parametrize("lost", [("credentials/", "identity/"), ("credentials/", "identity/", "update/", "clock/")])
def test_a_used_camera_that_lost_half_its_data_is_locked(stage, lost):
    world = stage.world()
    for name in list(world.documents.content):
        if name.startswith(lost):
            del world.documents.content[name]
    world.power_on()
    assert world.ask("web", request("state"))["state"] == "locked"
    assert claim(world)["ok"] is False


def evidence(world):
    world.admin("evidence")
    return loads(world.scratch.content["evidence.json"])


def test_the_password_rules_are_measured(claimed):
    fact = evidence(claimed)["facts"]["default_password"]
    assert (fact["min_chars"], fact["blocklist"]) == (15, True)
    claimed.agent._evidence._credentials._blocklist = WordList([])
    assert evidence(claimed)["facts"]["default_password"]["blocklist"] is False


def test_one_way_in_without_a_wait_fails_the_lockout(claimed):
    assert {row["service"]: row["blocked"] for row in evidence(claimed)["facts"]["lockout_selftest"]["tried"]} == {
        "onvif": True, "rtsp": True, "web": True,
    }  # fmt: skip
    enter = claimed.ports.services.enter

    def entering(service, source, user, password):
        return (
            "refused"
            if (service["name"], service["way"]) == ("web", "login")
            else enter(service, source, user, password)
        )

    claimed.ports.services.enter = entering
    rows = {row["service"]: row["blocked"] for row in evidence(claimed)["facts"]["lockout_selftest"]["tried"]}
    assert rows == {"onvif": True, "rtsp": True, "web": False}


@pytest.mark.parametrize("which", ["image", "director"])
def test_a_stored_root_whose_signatures_rotted_gives_way_to_the_first_one(stage, which):
    world, operator = ordered(stage)
    name = f"trust/{which}/root.json"
    body = world.documents.content.get(name) or getattr(operator, which).files["1.root.json"]
    rotted = body.replace(b'"spec_version":"1.', b'"spec_version":"1.9')
    assert rotted != body
    world.documents.content[name] = rotted
    assign(world, operator)
    finish(world)


def test_a_release_for_another_layout_is_refused_before_it_is_fetched(stage):
    world, operator = ordered(stage)
    world.power_on()
    world.agent._updating._layout = world.agent._updating._layout.replace(name="ab-2")
    assign(world, operator)
    world.run_until(lambda: "refused" in events(world))
    assert reports(world)[-1].code == "wrong_hardware"
    assert not [one for one in world.server.exchanges if one.path.startswith("/targets/")]


def test_a_new_owner_inherits_no_trust_from_the_former_one(stage):
    world = stage.world()
    assert "trust/director/timestamp.json" in world.documents.content
    world.documents.content["trust/image/root.json"] = stage.operator.image.files["1.root.json"]
    world.documents.content["ownership/record.json"] = b"{"
    world.power_on()
    world.run_for(1)
    grant = login(world)["grant"]
    text = people.prepare_enrolment(world, stage.operator)
    world.server.files.pop("/tuf/director/" + world.device_id() + "/timestamp.json", None)
    assert world.ask("web", request("enrol", grant=grant, token=text))["ok"]
    world.run_until(lambda: world.admin("status")["operator"] == "The world's operator")
    assert not [name for name in world.documents.content if name.startswith("trust/director/")]
    assert "trust/image/root.json" in world.documents.content
