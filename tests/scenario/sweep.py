"""Cuts the power during every single operation of a story, once for each outcome.

A dry run counts the operations. Then the story is told once per index on a fresh copy of the world, with the power
failing during that operation; afterwards the camera gets its power back and everything must end well.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from firmware_sim.world.power import OUTCOMES, PowerCut
from firmware_sim.world.world import Bricked, Stuck, World
from tests.scenario.looks import journalled

Make = Callable[[int], World]
Story = Callable[[World], None]
Check = Callable[[World, "Cut"], None]


class Cut(NamedTuple):
    """Where the power failed, and what was known then."""

    index: int
    outcome: str
    during: str
    journalled: set[int]
    exchanges: int


class Swept(NamedTuple):
    """What a sweep did: operations of the dry run, cuts made, and what went wrong."""

    operations: list[str]
    cuts: list[Cut]
    failures: list[str]


def sweep(
    make: Make, story: Story, check: Check, after: Story | None = None, outcomes: Sequence[str] = OUTCOMES
) -> Swept:
    """Tell the story with a cut at every index.

    Args:
        make: a fresh world, power off, for a seed.
        story: powers on and runs to the end.
        after: what happens after the cut; the same story again if it is not given.
        check: raises AssertionError when the world is not as it must be.
        outcomes: of the cuts; each index is visited once for each.
    """
    dry = make(0)
    story(dry)
    operations = dry.power.trace
    swept = Swept(operations, [], [])
    for outcome in outcomes:
        for index in range(len(operations)):
            world = make(index)
            world.power.cut_at(index, outcome)
            cut = _cut_short(world, story, index, outcome)
            if cut is None:
                swept.failures.append(f"{outcome} {index} {operations[index]}: the power was not cut")
                continue
            swept.cuts.append(cut)
            try:
                (after or story)(world)
                check(world, cut)
            except (AssertionError, Bricked, Stuck) as error:
                swept.failures.append(f"{outcome} {index} {cut.during}: {type(error).__name__}: {error}")
    return swept


def _cut_short(world: World, story: Story, index: int, outcome: str) -> Cut | None:
    try:
        story(world)
    except PowerCut:
        return Cut(index, outcome, world.power.trace[index], journalled(world), len(world.server.exchanges))
    return None
