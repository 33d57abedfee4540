"""Two people at once: what one of them has decided is not undone by what the other had asked for before."""

import pytest

from agent.app.events import Line
from agent.formats import json
from firmware_sim.world.people import USER, login, request
from tests.scenario.test_required_change import NEW, THIRD, change, everywhere, order, tell

LEAVER, LEAVERS = "hanako", "Kumo no kage 9 to nami"
CONNECTION = 900_000  # of the leaver, whose answer has to wait


@pytest.fixture
def camera(stage):
    """Two administrators, and an order to change passwords that one of them has followed."""
    world = stage.world()
    world.power_on()
    world.run_for(1)
    asked = request("set_user", grant=login(world)["grant"], user=LEAVER, role="administrator", password=LEAVERS)
    assert world.ask("web", asked)["ok"]
    world.run_for(60)
    tell(stage, world, order(world, 0, 0))
    assert change(world)["ok"]
    return world


def begin(world, **asked):
    """Ask for something, and come as far as the old passwords that the new one is compared with."""
    world.step(Line(CONNECTION, "web", json.dump(request(**asked)) + b"\n"))
    world.run_until(lambda: any(call.arguments[:1] == (THIRD,) for call in world._calls), 50)
    assert [call.method for call in world._calls if call.arguments[:1] == (THIRD,)] == ["verify"]


def answer(world):
    world.run_until(lambda: CONNECTION in world._replies, 200)
    return json.parse_object(world._replies.pop(CONNECTION), 4096)


def roles(world):
    return {name: one.role for name, one in world.agent._accounts.users.items()}


def test_who_is_removed_while_changing_the_password_does_not_come_back(camera):
    grant = login(camera, NEW)["grant"]
    begin(camera, op="change_password", user=LEAVER, old=LEAVERS, new=THIRD)
    assert camera.ask("web", request("remove_user", grant=grant, user=LEAVER))["ok"]
    assert answer(camera)["code"] == "busy"
    assert roles(camera) == {USER: "administrator"}
    assert everywhere(camera, THIRD, LEAVER) == {"refused"}


def test_who_loses_a_role_while_changing_the_password_does_not_get_it_back(camera):
    grant = login(camera, NEW)["grant"]
    begin(camera, op="change_password", user=LEAVER, old=LEAVERS, new=THIRD)
    assert camera.ask("web", request("set_user", grant=grant, user=LEAVER, role="viewer"))["ok"]
    assert answer(camera)["code"] == "busy"
    assert roles(camera) == {USER: "administrator", LEAVER: "viewer"}
    assert change(camera, THIRD, LEAVERS, LEAVER)["ok"], "the right of whoever stays"
    assert roles(camera) == {USER: "administrator", LEAVER: "viewer"}
