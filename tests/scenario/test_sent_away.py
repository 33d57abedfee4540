"""A server that sends cameras away: nobody comes back before it said, and not all of them at once."""

import pytest

from agent.formats.errors import Busy
from firmware_sim.world import people
from firmware_sim.world.network import Server
from tests.scenario.looks import settled
from tests.scenario.stage import Stage
from tests.scenario.test_installing import GEOMETRY
from tests.scenario.test_renewal import DUE_DAYS, aged

ASKED_S = 3600.0
SEEDS = range(1, 7)
APART_S = 60.0
"""Of six cameras some are further apart than this; a fleet fills the whole share."""


@pytest.fixture(scope="module")
def wide():
    stage = Stage(GEOMETRY)
    stage.release("1.1.0")
    return stage


class BusyServer(Server):
    """Says when to come again, a few times, to whoever asks for `about`."""

    def __init__(self, before, about, patience):
        super().__init__(before.url)
        self.__dict__.update(before.__dict__)
        self.about, self.patience, self.asked_at = about, patience, []

    def answer(self, path, max_bytes, offset, length, clock):
        if self.about in path and self.patience:
            self.patience -= 1
            self.asked_at.append(clock.now_s)
            raise Busy("come again", ASKED_S)
        return super().answer(path, max_bytes, offset, length, clock)


def update(world):
    world.power_on()
    world.run_until(lambda: settled(world, "1.1.0"))
    assert world.boots[-1].sound


@pytest.mark.parametrize("about", ["/targets/", "/tuf/director/"])
def test_a_server_that_says_when_to_come_again_is_left_alone_until_then_and_longer_by_chance(wide, about):
    waits = []
    for seed in SEEDS:
        world = wide.world("1.1.0", seed)
        busy = world.server = BusyServer(world.server, about, 2)
        update(world)
        first, second = busy.asked_at
        waits.append(second - first)
    assert min(waits) >= ASKED_S
    assert max(waits) - min(waits) > APART_S


def busy_enroller(world, monkeypatch):
    """Who gives certificates sends this camera away from now on. Returns when it is asked, as that grows."""
    asked_at = []

    def busy(*_arguments):
        asked_at.append(world.clock.now_s)
        raise Busy("come again", ASKED_S)

    for name in ("certify", "renew"):
        monkeypatch.setattr(world.ports.enroller, name, busy)
    return asked_at


def waited(world, asked_at):
    world.run_until(lambda: len(asked_at) == 2)
    return asked_at[1] - asked_at[0]


def test_so_it_is_with_the_renewal_of_a_certificate(wide, monkeypatch):
    waits = []
    for seed in SEEDS:
        world = aged(wide, DUE_DAYS, seed)
        world.power_on()
        waits.append(waited(world, busy_enroller(world, monkeypatch)))
    assert min(waits) >= ASKED_S
    assert max(waits) - min(waits) > APART_S


def test_so_it_is_with_enrolling(wide, monkeypatch):
    waits = []
    for seed in SEEDS:
        world = wide.fresh(on=True, seed=seed)
        grant = people.claim(world)["grant"]
        asked_at = busy_enroller(world, monkeypatch)
        token = people.prepare_enrolment(world, wide.operator)
        assert world.ask("web", people.request("enrol", grant=grant, token=token))["ok"]
        waits.append(waited(world, asked_at))
    assert min(waits) >= ASKED_S
    assert max(waits) - min(waits) > APART_S
