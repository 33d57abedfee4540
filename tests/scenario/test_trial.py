"""What counts against a system, on trial or committed: recorded failures and silent ends, alone and mixed."""

import pytest

from agent.app.trial import QUIET_S
from agent.core.slots import RECORDED_FAILURES, SILENT_ENDS
from firmware_sim.world.firmware import HANGS
from tests.scenario.looks import events, phase, reports, running, settled


@pytest.fixture
def trial(stage):
    """A camera whose new system has just been started for the first time."""
    world = stage.world("1.1.0")
    world.power_on()
    world.run_until(lambda: world.boots[-1].on_trial)
    return world


@pytest.fixture
def committed(stage):
    """A camera that runs 1.1.0, committed, with 1.0.0 in the other slot."""
    world = stage.world("1.1.0")
    world.power_on()
    world.run_until(lambda: settled(world, "1.1.0"))
    world.run_for(60)
    return world


def cut(world):
    """A power cut: what was running ends in silence."""
    world.power_cut()
    world.power_on()


def panic(world):
    """The machine resets with its power on, and nobody announced it."""
    world.restart()


def check_fails(world):
    world.dead_services.add("web")
    boots = len(world.boots)
    world.run_until(lambda: len(world.boots) > boots)
    world.dead_services.clear()


def commits(world):
    world.run_until(lambda: settled(world, "1.1.0"))
    world.run_for(60)
    assert events(world) == ["started", "installed", "committed"]
    record = world.record()
    assert (record.left, record.fails, record.resets) == (0, 0, 0)


def rolled_back(world):
    """The old system runs and says why; the version is not tried again."""
    assert (running(world), world.boots[-1].on_trial) == ("1.0.0", False)
    world.run_until(lambda: "rolled_back" in events(world))
    boots = len(world.boots)
    world.run_for(3600)
    assert (len(world.boots), phase(world)) == (boots, "idle")
    assert (world.record().trial, world.record().fails) == ("-", 0)
    return reports(world)[-1].detail


def test_nine_power_cuts_in_a_trial_condemn_nothing(trial):
    for _ in range(SILENT_ENDS - 1):
        cut(trial)
        assert trial.boots[-1].on_trial
    assert trial.record().left == 0
    commits(trial)


def test_ten_silent_ends_roll_back(trial):
    for _ in range(SILENT_ENDS):
        assert trial.boots[-1].on_trial
        cut(trial)
    assert rolled_back(trial) == "ten boots without a recorded end"


def test_three_resets_without_a_word_roll_back(trial):
    for _ in range(RECORDED_FAILURES):
        assert trial.boots[-1].on_trial
        panic(trial)
    assert rolled_back(trial) == "3 resets without a word: watchdog or panic"


def test_neither_nine_silent_ends_nor_two_resets_nor_both_condemn(trial):
    """The two counts do not add up, in whatever order the ends come."""
    for index in range(SILENT_ENDS + RECORDED_FAILURES - 2):
        (panic if index in (4, 10) else cut)(trial)
        assert trial.boots[-1].on_trial, index
    assert (trial.record().left, trial.record().fails) == (0, 2)
    commits(trial)


def test_a_reset_in_the_last_boot_of_a_trial_is_recorded_and_gives_that_boot_back(trial):
    for _ in range(SILENT_ENDS - 1):
        cut(trial)
    panic(trial)
    assert (trial.boots[-1].on_trial, trial.record().left, trial.record().fails) == (True, 0, 1)
    cut(trial)
    assert rolled_back(trial) == "1 reset without a word: watchdog or panic; ten boots without a recorded end"


def test_failed_checks_and_resets_count_together_and_the_report_tells_them_apart(trial):
    check_fails(trial)
    assert trial.boots[-1].on_trial
    assert (trial.record().fails, trial.record().left) == (1, SILENT_ENDS - 1)
    for _ in range(2):
        panic(trial)
    said = rolled_back(trial)
    assert said == "1 health check failed, the last: no answer from web; 2 resets without a word: watchdog or panic"


def test_a_slow_start_is_forgiven(trial):
    """One failed check, and the next boot is well."""
    check_fails(trial)
    commits(trial)


def test_a_power_cut_between_the_failed_check_and_the_restart_counts_the_failure_once(trial):
    trial.dead_services.add("web")
    trial.run_until(lambda: trial.record().fails == 1)
    cut(trial)
    assert trial.record().fails == 1
    trial.dead_services.clear()
    commits(trial)


def test_a_trial_that_the_boot_loader_refuses_is_said_to_be_refused(stage):
    world = stage.world("1.1.0")
    world.power_on()
    world.run_until(lambda: phase(world) == "armed")
    offset = stage.geometry.slot_offset("b") + stage.geometry.fit_offset()
    world.medium.content[offset] ^= 1
    world.run_until(lambda: "rolled_back" in events(world))
    assert rolled_back(world) == "the boot loader refused the slot, or lost its record"


# --- committed


def test_power_cuts_of_a_healthy_camera_count_for_nothing(committed):
    for _ in range(3 * SILENT_ENDS):
        cut(committed)
        committed.run_for(120)
    assert running(committed) == "1.1.0"
    assert events(committed)[-1] == "committed"


def test_power_cuts_never_use_up_both_slots(committed):
    """Not even where no boot lives long enough to be healthy; both slots get their turns, for ever."""
    for _ in range(5 * SILENT_ENDS):
        cut(committed)
    versions = [boot.version for boot in committed.boots[-4 * SILENT_ENDS :]]
    assert versions.count("1.0.0") == versions.count("1.1.0") == 2 * SILENT_ENDS
    committed.run_until(lambda: settled(committed, "1.1.0"))


def test_restarts_that_the_agent_asks_for_count_for_nothing(committed):
    for _ in range(2 * RECORDED_FAILURES):
        committed.agent._desk.reboot("as asked")
        boots = len(committed.boots)
        committed._take(committed.agent._desk.take())
        committed.run_until(lambda count=boots: len(committed.boots) > count)
        assert running(committed) == "1.1.0"
    assert (committed.record().resets, committed.record().tries) == (0, 1)


def panics_every_hour(world):
    """Healthy each time, and an hour later no more."""
    for _ in range(RECORDED_FAILURES):
        assert running(world) == "1.1.0"
        world.run_for(3600)
        panic(world)
    assert running(world) == "1.0.0"


def test_a_committed_system_that_panics_every_hour_gives_way_and_gets_one_more_chance(stage, committed):
    panics_every_hour(committed)
    committed.run_until(lambda: "rolled_back" in events(committed))
    told = reports(committed)[-1]
    assert (told.source, told.to, told.code) == ("1.0.0", "1.1.0", "gave_way")
    assert told.detail == "three resets of the committed system without a word: watchdog or panic"
    # The slot might have been damaged: what is assigned is installed again, once.
    committed.run_until(lambda: settled(committed, "1.1.0"))
    panics_every_hour(committed)
    boots = len(committed.boots)
    committed.run_for(24 * 3600)
    assert len(committed.boots) == boots, "the version that failed twice was installed again"
    assert events(committed).count("rolled_back") == 2
    stage.release("1.1.1")
    stage.assign(committed, "1.1.1")
    committed.run_until(lambda: settled(committed, "1.1.1"))


def test_a_version_that_failed_its_trial_stays_refused_after_the_committed_one_gave_way(stage, committed):
    stage.release("1.3.0", behaviour=HANGS)
    stage.assign(committed, "1.3.0")
    committed.run_until(lambda: "rolled_back" in events(committed))
    assert running(committed) == "1.1.0"
    for _ in range(RECORDED_FAILURES):
        panic(committed)
    # The other slot holds what failed, and fails again: its turn is over after as many resets.
    assert [boot.version for boot in committed.boots[-4:]] == ["1.3.0"] * 3 + ["1.1.0"]
    boots = len(committed.boots)
    committed.run_for(24 * 3600)
    assert len(committed.boots) == boots, "the version that failed was tried again"


def test_resets_far_apart_do_not_add_up(committed):
    for _ in range(2 * RECORDED_FAILURES):
        committed.run_for(QUIET_S + 600)
        panic(committed)
    assert running(committed) == "1.1.0"


def test_a_damaged_block_of_the_committed_slot_gives_way_to_the_other_and_is_repaired(committed):
    committed.power_cut()
    committed.medium.content[committed.geometry.slot_offset("b")] ^= 1
    committed.power_on()
    assert [boot.sound for boot in committed.boots[-4:]] == [False] * RECORDED_FAILURES + [True]
    assert running(committed) == "1.0.0"
    committed.run_until(lambda: settled(committed, "1.1.0"))
    assert committed.boots[-1].sound
