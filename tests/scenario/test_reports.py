"""The outcome of an update is reported after the reboot, signed; and no report that fails changes the outcome."""

import pytest

from agent.app.updating import MAX_REPORT_RETRIES
from agent.formats import envelope, messages
from agent.formats.errors import Unavailable
from firmware_sim.world.firmware import DEAD_SERVICES
from firmware_sim.world.power import OUTCOMES, PowerCut
from tests.scenario.looks import events, phase, running, settled

BAD = "1.1.8"
ENDINGS = pytest.mark.parametrize(("version", "ending"), [("1.1.0", "committed"), (BAD, "rolled_back")])
"""Both outcomes."""


@pytest.fixture
def ordered(stage):
    """A camera with this version on order, without power."""

    def make(version, seed=0):
        if BAD not in stage.operator.releases:
            stage.release(BAD, behaviour=DEAD_SERVICES)
        return stage.world(version, seed)

    return make


def after(version):
    """What runs when the update to this version has come to its end."""
    return "1.0.0" if version == BAD else version


def ended(world, version, ending):
    return settled(world, after(version)) and ending in events(world)


def until_the_end(world, version, ending):
    world.power_on()
    world.run_until(lambda: ended(world, version, ending))


def in_phase(world, version, ending):
    """Run until the outcome is saved, and its report is the next thing."""
    world.power_on()
    world.run_until(lambda: len(world.boots) > 1 and phase(world) == "trial")
    world.documents.broken_folder = "outbox/"
    world.run_until(lambda: phase(world) == ending)


@ENDINGS
def test_the_outcome_is_signed_by_the_evidence_key(ordered, version, ending):
    world = ordered(version)
    world.power_on()
    world.run_until(lambda: ended(world, version, ending))
    found = [envelope.parse(payload) for payload in world.broker.on("/up/report")]
    outcomes = [one for one in found if messages.parse_report(one.body).event == ending]
    assert outcomes
    for one in outcomes:
        assert one.signature == world.ports.keys.sign("evidence", envelope.message(one))
        assert one.signature != world.ports.keys.sign("tls", envelope.message(one))


@ENDINGS
def test_a_report_that_cannot_be_stored_is_made_when_it_can(ordered, version, ending):
    world = ordered(version)
    in_phase(world, version, ending)
    world.run_for(1800)
    assert (phase(world), running(world)) == (ending, after(version))
    boots = len(world.boots)
    world.documents.broken_folder = ""
    world.run_until(lambda: ended(world, version, ending))
    assert len(world.boots) == boots, "the outcome stands: nothing was started again"
    assert events(world).count(ending) == 1


@ENDINGS
def test_a_report_that_can_never_be_stored_stops_no_later_update(stage, ordered, version, ending):
    world = ordered(version)
    in_phase(world, version, ending)
    world.run_until(lambda: settled(world, after(version)))
    assert ending not in events(world)
    if "1.1.2" not in stage.operator.releases:
        stage.release("1.1.2")
    stage.assign(world, "1.1.2")
    world.run_until(lambda: settled(world, "1.1.2"))
    assert 0 < MAX_REPORT_RETRIES < 50


@ENDINGS
def test_an_evidence_key_that_fails_undoes_nothing(ordered, version, ending):
    world = ordered(version)
    world.power_on()
    world.run_until(lambda: len(world.boots) > 1 and phase(world) == "trial")

    def sign(_name, _message):
        raise Unavailable("the key is out of reach")

    keys = world.ports.keys
    keys.sign, works = sign, keys.sign
    world.run_for(1800)
    if ending == "committed":
        assert (phase(world), running(world)) == (ending, version)
        keys.sign = works
    world.run_until(lambda: ended(world, version, ending))
    assert running(world) == after(version)


@ENDINGS
def test_a_cut_between_the_outcome_and_its_report(ordered, version, ending):
    """The state is saved, the report is not; then the power fails, before or after the report is on the medium."""
    dry = ordered(version)
    dry.power_on()
    dry.run_until(lambda: ended(dry, version, ending))
    stored = [n for n, what in enumerate(dry.power.trace) if what.startswith("append outbox/paper")]
    last = stored[-1]
    assert "store update/state.json" in dry.power.trace[last - 8 : last], "the outcome is saved first"
    for outcome in OUTCOMES:
        world = ordered(version)
        world.power.cut_at(last, outcome)
        with pytest.raises(PowerCut):
            until_the_end(world, version, ending)
        assert phase(world) == ending
        until_the_end(world, version, ending)
        world.run_for(600)
        assert running(world) == after(version)
        assert set(events(world)) & {"committed", "rolled_back"} == {ending}
        assert 1 <= events(world).count(ending) <= 2


@ENDINGS
def test_a_link_that_is_down_for_a_day_over_restarts_loses_no_outcome(ordered, version, ending):
    world = ordered(version)
    world.broker.down = True
    world.power_on()
    world.run_until(lambda: settled(world, after(version)))
    for _ in range(3):
        world.run_for(8 * 3600)
        world.restart()
    assert settled(world, after(version))
    world.broker.down = False
    world.run_until(lambda: ended(world, version, ending))
    assert events(world).count(ending) == 1
