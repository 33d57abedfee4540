"""The password policy as a camera's owner meets it: profiles, roles, what is known of the camera, age, a lost list."""

from json import loads

import pytest

from agent.app.credentials import BLOCKLIST_DAMAGED
from agent.core.blocklist import ShippedList
from agent.formats import evidence
from agent.formats.errors import FormatError, Unavailable
from firmware_sim.world import factory
from firmware_sim.world.people import PASSWORD, USER, claim, login, request

DAY_S = 86400
LONG = "Shiroi tori ga 3 wa tonda"
SHORT = "Wepo-Zu 7 qu"


@pytest.fixture
def unclaimed(stage):
    return stage.fresh()


@pytest.fixture
def claimed(stage):
    world = stage.world()
    world.power_on()
    world.run_for(1)
    return world


def codes(world, typed, user=USER, **more):
    told = world.ask("web", request("policy", user=user, password=typed, **more))
    return {violation["code"] for violation in told["violations"]}


def administrator(world, op, **members):
    return world.ask("web", request(op, grant=login(world)["grant"], **members))


def report(world):
    world.admin("evidence")
    return loads(world.scratch.content["evidence.json"])


@pytest.mark.parametrize(
    ("policy", "typed", "found"),
    [
        ({}, SHORT, {"too_short"}),
        ({"profile": "ipro-compatible"}, SHORT, set()),
        ({"profile": "ipro-compatible"}, "ao sora ga hiroi", {"classes"}),
        ({"profile": "ipro-compatible"}, "Admin-1234!", {"common"}),
        ({"profile": "custom", "min_chars": 10, "classes": 4}, SHORT, set()),
        ({"profile": "custom", "words": ["Ao-Sora"]}, "Ao-Sora 7 de utau 44 wa", {"context"}),
    ],
)
def test_the_profile_of_the_configuration_decides(unclaimed, policy, typed, found):
    unclaimed.password = policy
    unclaimed.power_on()
    assert codes(unclaimed, typed) == found
    reply = claim(unclaimed, password=typed)
    assert {one["code"] for one in reply.get("violations", ())} == found
    assert reply["ok"] is (not found)


def test_a_configuration_below_the_floors_is_no_configuration(unclaimed):
    unclaimed.password = {"min_chars": 8}
    with pytest.raises(FormatError, match="min_chars"):
        unclaimed.power_on()


def test_a_role_that_needs_more_gets_more_and_is_not_reached_without(unclaimed):
    unclaimed.password = {"profile": "custom", "min_chars": 10, "classes": 3, "role_min_chars": {"administrator": 20}}
    unclaimed.power_on()
    assert codes(unclaimed, SHORT) == {"too_short"}, "who claims becomes an administrator"
    assert not claim(unclaimed, password=SHORT)["ok"]
    assert claim(unclaimed, password=LONG)["ok"]
    world = unclaimed
    grant = login(world, LONG)["grant"]
    for role, found in (("viewer", set()), ("administrator", {"too_short"})):
        assert codes(world, SHORT, "hanako", role=role, grant=grant) == found
    assert world.ask("web", request("set_user", grant=grant, user="hanako", role="viewer", password=SHORT))["ok"]
    assert codes(world, SHORT, "hanako", grant=grant) == set(), "an account's own role counts where none is named"
    refused = world.ask("web", request("set_user", grant=grant, user="hanako", role="administrator"))
    assert (refused["code"], "longer password" in refused["detail"]) == ("bad_request", True)
    assert world.ask("web", request("set_user", grant=grant, user="hanako", role="operator"))["ok"]
    longer = request("set_user", grant=grant, user="hanako", role="administrator", password="Kumo no kage 9 to nami")
    assert world.ask("web", longer)["ok"]


@pytest.mark.parametrize(
    "known", ["KW1-000001", "000001", "52:54:00:00:00:01", "525400000001", "kawa-1", "camward", USER, "mado-yori-2"]
)
def test_what_everybody_can_know_of_this_camera_is_context(claimed, known):
    claimed.agent._credentials.host_name = "mado-yori-2"
    assert codes(claimed, f"{known} to Ooi-tori", grant=login(claimed)["grant"]) == {"context"}


def test_the_age_is_told_and_nobody_is_refused_for_it(stage):
    world = stage.world()
    world.password = {"remind_days": 30}
    world.power_on()
    world.run_for(1)
    assert world.admin("status")["password"] == {"profile": "nist", "remind_days": 30, "oldest_days": 0, "due": False}
    world.clock.advance(30 * DAY_S)
    world.run_for(900)
    told = {"profile": "nist", "remind_days": 30, "oldest_days": 30, "due": True}
    assert login(world)["ok"]
    assert administrator(world, "device")["password"] == told
    assert administrator(world, "users")["users"] == [
        {"name": USER, "role": "administrator", "password_days": 30, "token": False}
    ]
    assert report(world)["facts"]["password_age"] == told
    assert world.agent._facts()["password_age_days"] == 30
    assert PASSWORD not in str(told)


def test_without_a_reminder_the_age_is_never_due(claimed):
    claimed.clock.advance(3000 * DAY_S)
    claimed.run_for(900)
    assert administrator(claimed, "device")["password"] == {
        "profile": "nist", "remind_days": 0, "oldest_days": 3000, "due": False,
    }  # fmt: skip


def test_an_unclaimed_camera_has_no_age_to_tell(unclaimed):
    unclaimed.power_on()
    assert "oldest_days" not in unclaimed.admin("status")["password"]
    assert unclaimed.agent._facts()["password_age_days"] is None


@pytest.mark.parametrize("fault", ["missing", "damaged"])
def test_a_list_that_cannot_be_used_takes_no_password_and_is_one_problem(unclaimed, fault):
    def read(name):
        if name.endswith("100k.fuse"):
            if fault == "missing":
                raise Unavailable(name)
            return factory.product_data(name)[:-1]
        return factory.product_data(name)

    world = unclaimed
    world.power_on()
    world.agent._credentials._blocklist = ShippedList(read, "100k")
    for _ in range(2):
        assert codes(world, PASSWORD) == {"unchecked"}
        reply = claim(world)
        assert (reply["ok"], reply["code"]) == (False, "policy")
        assert world.ask("web", request("state"))["state"] == "unclaimed"
    assert sum(BLOCKLIST_DAMAGED in line for line in world.console) == 1
    assert world.admin("status")["problems"].count(BLOCKLIST_DAMAGED) == 1
    found = report(world)
    assert found["facts"]["default_password"]["blocklist"] is False
    (verdict,) = [one for one in found["findings"] if one["criterion"] == "S1.1-02"]
    assert verdict["verdict"] != evidence.PASS


def test_what_the_agent_ships_with_is_what_it_uses(unclaimed):
    """The world uses the short list alone, to be quick; the whole one takes the people's passwords as well."""
    unclaimed.power_on()
    unclaimed.agent._credentials._blocklist = ShippedList(factory.product_data, "100k")
    assert codes(unclaimed, "sunshinebutterfly") == {"common"}
    assert codes(unclaimed, PASSWORD) == codes(unclaimed, LONG) == set()
    assert claim(unclaimed)["ok"]
