"""Who owns the camera: nobody before the claim, one administrator after it, whatever happens to the power."""

import json
from hashlib import sha256

import pytest

from agent.core.lockout import FORGET_S
from agent.formats.label import normal_code
from firmware_sim.world import factory, people
from firmware_sim.world.people import PASSWORD, SOURCE, USER, claim, login, request
from firmware_sim.world.power import OUTCOMES
from tests.scenario.sweep import sweep

NEW_PASSWORD = "Ame no oto ga 3 do kikoeru"
SERVICES = ("web", "rtsp", "onvif")
STORES = ("credentials/state.json", "credentials/web.json", "credentials/digest.json")


@pytest.fixture
def fresh(stage):
    """A camera out of its box, on."""
    return stage.fresh(on=True)


OUT = {"refused", "wait"}


def on(world):
    """Switch on and let the agent come to rest: before that it says `busy`."""
    world.power_on()
    world.run_for(1)


def state(world):
    return world.ask("web", request("state"))["state"]


def everywhere(world, user, password):
    """What becomes of one attempt on every path, once no wait is left: a wait says nothing about the password."""
    world.attempts = getattr(world, "attempts", 0) + 1
    source = f"198.51.100.{world.attempts}"
    found = set()
    for service in SERVICES:
        for way in ("login", "digest") if service == "web" else ("digest",):
            found.add(world.ports.services.enter({"name": service, "way": way}, source, user, password))
    if "wait" in found:
        world.run_for(FORGET_S)
        return everywhere(world, user, password)
    return found


def test_an_unclaimed_camera_lets_nobody_in_anywhere(fresh):
    for user, password in ((None, ""), ("admin", "admin"), ("root", "xc3511"), (USER, PASSWORD), (USER, "")):
        assert everywhere(fresh, user, password) <= OUT
    for op in ("login", "nonce", "users", "device", "evidence"):
        arguments = {"login": {"user": USER, "password": PASSWORD}, "nonce": {}}.get(op, {"grant": "x"})
        assert fresh.ask("web", request(op, **arguments))["code"] == "unclaimed"
    assert state(fresh) == "unclaimed"


def test_the_label_claims_once(fresh):
    reply = claim(fresh)
    assert (reply["ok"], reply["role"]) == (True, "administrator")
    assert state(fresh) == "claimed"
    assert everywhere(fresh, USER, PASSWORD) == {"in"}
    again = claim(fresh, password=NEW_PASSWORD)
    assert again == {"v": 1, "ok": False, "code": "denied"}
    assert everywhere(fresh, USER, PASSWORD) == {"in"}
    assert everywhere(fresh, USER, NEW_PASSWORD) <= OUT


def test_anonymous_and_factory_passwords_are_refused_after_the_claim(fresh):
    claim(fresh)
    for user, password in ((None, ""), ("admin", "admin"), ("root", "xc3511"), (USER, "admin"), ("admin", PASSWORD)):
        assert everywhere(fresh, user, password) <= OUT
    assert everywhere(fresh, USER, PASSWORD) == {"in"}


@pytest.mark.parametrize(
    "password", ["short", "aaaaaaaaaaaaaaaaaaaa", "camward camera 1234567", "adminadminadmin1", USER * 4]
)
def test_a_weak_password_claims_nothing(fresh, password):
    reply = claim(fresh, password=password)
    assert reply["code"] == "policy"
    assert all(violation["en"] and violation["ja"] for violation in reply["violations"])
    assert state(fresh) == "unclaimed"
    assert claim(fresh)["ok"]


DRAWN_CODE = "KQ7M-2XPA-94TD-WZ6H"
"""As a factory draws one: nothing but the label speaks against it as a password."""


@pytest.fixture
def labelled(stage):
    """A camera out of its box with that code on its label, on."""
    world = stage.fresh()
    about = json.loads(world.documents.content["factory/label.json"])
    about["claim_sha256"] = sha256(factory.CLAIM_SALT + normal_code(DRAWN_CODE)).hexdigest()
    world.documents.content["factory/label.json"] = json.dumps(about).encode()
    on(world)
    return world


@pytest.mark.parametrize("typed", [DRAWN_CODE, DRAWN_CODE.lower(), DRAWN_CODE.replace("-", " ")])
def test_the_code_on_the_label_is_no_password(labelled, typed):
    """The factory has a list of them, and whoever stands in front of the camera reads it."""
    refused = claim(labelled, code=DRAWN_CODE, password=typed)
    assert [one["code"] for one in refused["violations"]] == ["context"]
    assert all(refused["violations"][0][language] for language in ("en", "ja"))
    assert state(labelled) == "unclaimed"
    grant = claim(labelled, code=DRAWN_CODE)["grant"]
    asked = request("set_user", grant=grant, user="hanako", role="viewer", password=typed)
    assert labelled.ask("web", asked)["code"] == "policy"
    changed = request("change_password", user=USER, old=PASSWORD, new=typed)
    assert labelled.ask("web", changed)["code"] == "policy"


def test_asking_for_the_policy_tells_nobody_whether_a_code_is_right(labelled):
    """It needs no login before the claim, and counts no tries."""
    asked = request("policy", user=USER, password=DRAWN_CODE)
    assert labelled.ask("web", asked) == {"v": 1, "ok": True, "violations": []}


def test_wrong_codes_slow_down_and_the_right_code_has_to_wait_as_well(fresh):
    waits = []
    for number in range(16):
        reply = claim(fresh, code=f"AAAA-AAAA-AAAA-{number:04d}")
        if reply["code"] == "wait":
            waits.append(reply["retry_after_s"])
            fresh.run_for(reply["retry_after_s"])
        else:
            assert reply["code"] == "denied"
    assert len(waits) >= 3
    assert waits == sorted(waits)
    assert waits[-1] >= 4
    assert state(fresh) == "unclaimed"
    last = claim(fresh)
    if last.get("code") == "wait":
        fresh.run_for(last["retry_after_s"])
        last = claim(fresh)
    assert last["ok"]


def test_a_service_that_lets_everybody_in_stops_the_claim(fresh):
    """The credential transaction proves itself on the live services: an open door means that nothing was achieved."""
    fresh.open_doors.add("rtsp")
    reply = claim(fresh)
    assert reply["ok"] is False
    assert state(fresh) == "unclaimed"
    assert not [name for name in STORES[1:] if name in fresh.documents.content]
    fresh.open_doors.clear()
    assert claim(fresh)["ok"]


def test_guessing_slows_down_and_stays_slow_over_a_power_cut(stage):
    world = stage.world()
    on(world)
    source = "203.0.113.5"
    replies = [login(world, f"wrong {number}", source) for number in range(10)]
    assert [reply["code"] for reply in replies[:4]] == ["denied"] * 4
    assert replies[-1]["code"] == "wait"
    before = login(world, PASSWORD, source)
    assert before["code"] == "wait", "the right password tells an attacker that waiting is not needed"
    for _ in range(6):
        world.run_for(login(world, "wrong", source).get("retry_after_s", 0))
        login(world, "wrong", source)
    world.run_for(10)
    wait = login(world, PASSWORD, source)["retry_after_s"]
    assert wait > 25, "less than a restart takes"
    world.power_cut()
    on(world)
    assert login(world, PASSWORD, source)["code"] == "wait"
    assert login(world, PASSWORD, SOURCE)["ok"], "the owner was locked out by somebody else"


def test_guessing_on_one_path_slows_down_all_paths(stage):
    world = stage.world()
    on(world)
    enter = world.ports.services.enter
    for number in range(8):
        enter({"name": "onvif", "way": "digest"}, "203.0.113.6", USER, f"wrong {number}")
    assert enter({"name": "web", "way": "login"}, "203.0.113.6", USER, PASSWORD) == "wait"
    assert enter({"name": "rtsp", "way": "digest"}, "203.0.113.6", USER, PASSWORD) == "wait"


@pytest.mark.parametrize("name", STORES)
@pytest.mark.parametrize("damage", ["gone", "empty", "rubbish", "a bit"])
def test_damaged_credentials_mean_locked_and_never_unclaimed(stage, name, damage):
    world = stage.world()
    body = world.documents.content[name]
    if damage == "gone":
        del world.documents.content[name]
    else:
        bit = body[:-3] + bytes([body[-3] ^ 1]) + body[-2:]
        world.documents.content[name] = {"empty": b"", "rubbish": b"\x00\xff{", "a bit": bit}[damage]
    world.power_on()
    assert state(world) == "locked"
    assert claim(world)["code"] in ("locked", "denied")
    assert everywhere(world, USER, PASSWORD) == {"refused"}
    assert everywhere(world, None, "") == {"refused"}


def test_all_credentials_gone_mean_locked(stage):
    world = stage.world()
    for name in list(world.documents.content):
        if name.startswith("credentials/"):
            del world.documents.content[name]
    world.power_on()
    assert state(world) == "locked"
    assert claim(world)["ok"] is False


def passwords_in(world):
    """Which passwords let the owner in; on every path alike, or the test fails."""
    found = set()
    for password in (PASSWORD, NEW_PASSWORD):
        results = everywhere(world, USER, password)
        assert len(results) == 1, f"the paths differ: {results}"
        if results == {"in"}:
            found.add(password)
    return found


def test_a_cut_at_every_operation_of_a_change_leaves_old_or_new_everywhere(stage):
    outcomes = set()

    def story(world):
        on(world)
        reply = world.ask("web", request("change_password", user=USER, old=PASSWORD, new=NEW_PASSWORD))
        assert reply["ok"]

    def check(world, _cut):
        found = passwords_in(world)
        assert len(found) == 1, f"{len(found)} passwords let the owner in"
        outcomes.update(found)
        assert everywhere(world, None, "") <= OUT
        assert everywhere(world, "admin", "admin") <= OUT

    swept = sweep(stage.world_with_seed, story, check, after=on)
    assert swept.failures == []
    assert len(swept.cuts) == len(OUTCOMES) * len(swept.operations)
    assert outcomes == {PASSWORD, NEW_PASSWORD}
    assert {f"store {name}" for name in STORES} <= set(swept.operations)


def test_a_cut_at_every_operation_of_a_claim_leaves_it_unclaimed_or_claimed(stage):
    states = set()

    def story(world):
        on(world)
        assert claim(world)["ok"]

    def check(world, _cut):
        states.add(state(world))
        if state(world) == "unclaimed":
            assert everywhere(world, USER, PASSWORD) <= OUT
            assert claim(world)["ok"]
        assert state(world) == "claimed"
        assert everywhere(world, USER, PASSWORD) == {"in"}

    swept = sweep(lambda seed: stage.fresh(seed=seed), story, check, after=on)
    assert swept.failures == []
    assert states == {"unclaimed", "claimed"}
    assert len(swept.operations) > 10


def test_a_cut_at_every_operation_of_an_enrolment_is_survived_with_the_same_token(stage):
    def begin(world):
        if world.agent is None:
            on(world)
        if state(world) == "unclaimed":
            assert claim(world)["ok"]
        grant = login(world)["grant"]
        status = world.admin("status")
        if not status["operator"] and status["enrolment"]["phase"] in ("none", "", "idle", "unenrolled"):
            text = people.prepare_enrolment(world, stage.operator)
            assert world.ask("web", request("enrol", grant=grant, token=text))["ok"]
        world.run_until(lambda: len(world.broker.on("/state")) > 0)

    def check(world, _cut):
        assert world.admin("status")["operator"] == "The world's operator"
        assert len(world.server.enrolled) == 1

    swept = sweep(lambda seed: stage.fresh(seed=seed), begin, check)
    assert swept.failures == []


def test_a_wrong_token_enrols_nothing(stage):
    world = stage.fresh(on=True)
    grant = claim(world)["grant"]
    text = people.prepare_enrolment(world, stage.operator)
    world.server.secrets[people.TOKEN_ID] = "another"
    assert world.ask("web", request("enrol", grant=grant, token=text))["ok"]
    world.run_for(1800)
    assert "ownership/record.json" not in world.documents.content
    assert world.broker.messages == []
    assert world.ask("web", request("enrol", grant=grant, token=text[:-9]))["ok"] is False


def test_another_ownership_record_than_the_tokens_is_refused(stage):
    world = stage.fresh(on=True)
    grant = claim(world)["grant"]
    text = people.prepare_enrolment(world, stage.operator)
    record = world.server.files[people.OWNERSHIP_PATH]
    world.server.files[people.OWNERSHIP_PATH] = record.replace(b"operator.test", b"attacker.test")
    assert world.ask("web", request("enrol", grant=grant, token=text))["ok"]
    world.run_for(1800)
    assert "ownership/record.json" not in world.documents.content


def test_the_claim_code_is_typed_as_people_type(fresh):
    assert claim(fresh, code=factory.CLAIM_CODE.lower().replace("-", " "))["ok"]
