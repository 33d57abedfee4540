"""What services compare to end sessions and streams: it holds whatever becomes of the answer to a change."""

import pytest

from firmware_sim.world.people import PASSWORD, USER, claim, login, request
from tests.scenario.test_claims import NEW_PASSWORD, on

OTHER, OTHERS_PASSWORD = "sora", "Yama no ue ni 5 tsu no hoshi"


@pytest.fixture
def world(stage):
    """The idle camera, on, with another administrator, and the owner's grant as `grant`."""
    world = stage.world()
    on(world)
    world.grant = login(world)["grant"]
    assert set_user(world, user=OTHER, role="administrator", password=OTHERS_PASSWORD)["ok"]
    return world


def set_user(world, **arguments):
    return world.ask("web", request("set_user", grant=world.grant, **arguments))


def standing(world, user):
    return world.ask("rtsp", request("state", user=user))["generations"]


def change(world, old=PASSWORD, new=NEW_PASSWORD):
    return world.ask("web", request("change_password", user=USER, old=old, new=new))


def other(world, password=OTHERS_PASSWORD):
    return world.ask("web", request("login", user=OTHER, password=password))


def test_a_login_stands_over_a_restart_and_beside_other_peoples_changes(world):
    known = login(world)["generation"]
    assert standing(world, USER) == [known]
    assert login(world)["generation"] == known
    assert set_user(world, user=OTHER, role="viewer")["ok"]
    world.power_cut()
    on(world)
    assert standing(world, USER) == [known]


def test_a_change_of_the_password_ends_what_stood_also_for_who_restarts_before_the_answer(world):
    known = login(world)["generation"]
    assert change(world)["ok"]
    after = login(world, NEW_PASSWORD)["generation"]
    assert (standing(world, USER), known != after) == ([after], True)
    world.power_cut()
    on(world)
    assert standing(world, USER) == [after]
    assert change(world, NEW_PASSWORD, PASSWORD)["ok"]
    assert known not in standing(world, USER), "the same password again is another login"


@pytest.mark.parametrize("works", [True, False])
def test_while_a_change_is_proved_both_stand_and_afterwards_one(world, works):
    known, seen = login(world)["generation"], []
    enter = world.ports.services.enter

    def entering(service, source, user, password):
        seen.append(standing(world, USER))
        assert other(world)["settled"] is False
        return enter(service, source, user, password)

    world.ports.services.enter = entering
    if not works:
        world.open_doors.add("onvif")
    assert change(world)["ok"] is works
    during = {tuple(one) for one in seen}
    assert len(during) == 1
    fresh, before = during.pop()
    assert (before, fresh != known) == (known, True)
    assert standing(world, USER) == [fresh if works else known]
    assert other(world)["settled"] is True


def test_role_removal_and_a_namesake_end_what_stood(world):
    seen = [other(world)["generation"]]
    assert standing(world, OTHER) == seen
    assert set_user(world, user=OTHER, role="viewer")["ok"]
    seen.append(other(world)["generation"])
    assert standing(world, OTHER) == seen[1:]
    assert world.ask("web", request("remove_user", grant=world.grant, user=OTHER))["ok"]
    assert set(standing(world, OTHER)).isdisjoint(seen)
    assert set_user(world, user=OTHER, role="viewer", password=OTHERS_PASSWORD)["ok"]
    assert set(standing(world, OTHER)).isdisjoint(seen)


def test_it_does_not_say_whether_there_is_such_a_user(world):
    (known,), (unknown,) = standing(world, USER), standing(world, "nobody")
    assert (len(known), standing(world, "nobody")) == (len(unknown), [unknown])
    assert standing(world, "nobody else") != [unknown]


def test_every_way_to_log_in_tells_it(stage):
    world = stage.fresh(on=True)
    reply = claim(world)
    assert standing(world, USER) == [reply["generation"]] == [login(world)["generation"]]
