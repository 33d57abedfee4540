"""A camera's life in three chapters, each told by `sweep`: an update and its commit, a rollback, and a second update.

Each chapter begins where the one before has ended, so the second update writes the slot that the camera came with.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from agent.core.slots import RECORDED_FAILURES
from firmware_sim.world.factory import CHECK_INTERVAL_S
from firmware_sim.world.firmware import DEAD_SERVICES, SOUND
from firmware_sim.world.world import World
from tests.scenario.looks import events, fetched_blocks, phase, running, settled
from tests.scenario.stage import Stage
from tests.scenario.sweep import Cut

FACTORY, FIRST, BAD, SECOND = "1.0.0", "1.1.0", "1.2.0", "1.2.1"


class Chapter(NamedTuple):
    """One story for `sweep`: a fresh world for a seed, what happens in it, and what must hold after every cut."""

    name: str
    make: Callable[[int], World]
    story: Callable[[World], None]
    check: Callable[[World, Cut], None]


def told(world: World, event: str) -> bool:
    """Whether a report of this event has arrived; parsing all of them in each turn would be slow."""
    return any(b'"event":"' + event.encode() + b'"' in payload for payload in world.broker.on("/up/report"))


def ends_with(version: str, event: str) -> Callable[[World], None]:
    """The story: the power is on, and it goes on until this version is settled and the operator knows of the event."""

    def story(world: World) -> None:
        if world.agent is None:
            world.power_on()
        world.run_until(lambda: settled(world, version) and told(world, event))

    return story


def always(world: World, slot: str, version: str) -> None:
    """What must hold after every cut, whatever the story: `slot` is the one that was active when it began."""
    assert all(boot.sound for boot in world.boots), "a slot was started that does not verify"
    assert world.firmware(slot) is not None, "the active slot was touched"
    assert world.firmware(slot).version == version, "the active slot was touched"
    known = world.admin("status")
    assert known["slot"] == world.boots[-1].slot, "the agent does not know which slot it runs from"
    assert known["version"] == running(world)


def chapters(stage: Stage) -> Iterator[Chapter]:
    """The chapters in order, on cameras of this stage."""
    begin, slot, version = stage.idle, "a", FACTORY
    for name, release, event in (
        ("update and commit", FIRST, "committed"),
        ("rollback", BAD, "rolled_back"),
        ("second update", SECOND, "committed"),
    ):
        if release not in stage.operator.releases:
            stage.release(release, behaviour=DEAD_SERVICES if release == BAD else SOUND)
        chapter = _chapter(stage, name, begin, release, event, slot, version)
        yield chapter
        begin = chapter.make(0)
        chapter.story(begin)
        if event == "committed":
            slot, version = begin.boots[-1].slot, release
        begin.run_for(60)  # what it still has to say is said
        begin.power_cut()


def _chapter(stage: Stage, name: str, begin: World, release: str, event: str, slot: str, version: str) -> Chapter:
    never = {"committed", "rolled_back", "refused", "failed"} - {event}

    def make(seed: int) -> World:
        world = begin.copy(seed)
        stage.assign(world, release)
        return world

    def check(world: World, cut: Cut) -> None:
        always(world, slot, version)
        # A cut between saving a phase and queueing its news may cost "started" or "installed", never the outcome.
        assert event in events(world)
        assert not never & set(events(world))
        if event == "rolled_back":
            _tried_enough(world, version)
        again = set(fetched_blocks(world, cut.exchanges)) & cut.journalled
        assert not again, f"journalled blocks were fetched again: {again}"

    return Chapter(name, make, ends_with(release if event == "committed" else version, event), check)


def _tried_enough(world: World, version: str) -> None:
    """The failed version was tried, and is left alone at the next look into the repositories."""
    world.run_for(1.5 * CHECK_INTERVAL_S)
    assert phase(world) == "idle"
    assert running(world) == version
    trials = [boot for boot in world.boots if boot.on_trial]
    assert 1 <= len(trials) <= RECORDED_FAILURES + 1, "the version that failed was tried again"
