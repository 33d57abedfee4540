"""A server that sends cameras away: nobody comes back before it said, and not all of them at once."""

import pytest

from agent.formats.errors import Busy
from firmware_sim.world.network import Server
from tests.scenario.looks import settled
from tests.scenario.stage import Stage
from tests.scenario.test_installing import GEOMETRY

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
