"""The update's table: complete, without dead ends, and the only way anything changes what boots."""

import pytest

from agent.core import update
from agent.formats.boot_record import FRESH

DONE = "idle"


def edges(phase):
    return [row for row in update.TABLE if row.phase == phase]


def test_no_edge_is_there_twice():
    assert len({(row.phase, row.event) for row in update.TABLE}) == len(update.TABLE)


def test_only_known_phases_occur():
    assert {row.phase for row in update.TABLE} == set(update.PHASES)
    assert {row.then for row in update.TABLE} <= set(update.PHASES)


def test_every_phase_is_reached_from_idle_and_leads_back_to_it():
    def reach(start):
        found, todo = {start}, [start]
        while todo:
            for row in edges(todo.pop()):
                if row.then not in found:
                    found.add(row.then)
                    todo.append(row.then)
        return found

    assert reach(DONE) == set(update.PHASES)
    for phase in update.PHASES:
        assert DONE in reach(phase)


def test_every_phase_knows_what_a_start_of_the_agent_means():
    for phase in update.PHASES:
        events = {row.event for row in edges(phase)}
        assert "resumed" in events
        if phase in update.SWITCH_PHASES:
            assert "switched" in events
        elif phase in update.BOOT_PHASES:
            assert {"booted_new", "booted_old"} <= events


def test_what_runs_is_never_written():
    """Whatever the boot loader has done in the meantime: no phase that writes goes on in the slot that has booted."""
    writing = {row.then for row in update.TABLE if {"fetch_tree", "write_blocks", "read_back"} & set(row.actions)}
    assert writing == {update.READING_TREE, update.INSTALLING, update.READING_BACK}
    for phase in writing:
        event = update.start_event(phase, "a", "a", record())
        assert (event, update.advance(phase, event).then) == ("booted_new", update.IDLE)


def test_every_phase_can_wait_for_storage_but_the_trial_that_touches_none():
    for phase in update.PHASES:
        if phase != update.TRIAL:
            assert "unavailable" in {row.event for row in edges(phase)}


def test_a_slot_is_armed_only_after_reading_back_and_committed_only_after_a_healthy_trial():
    arming = {(row.phase, row.event) for row in update.TABLE if "arm" in row.actions}
    assert arming == {("waiting", "complete"), ("arming", "resumed"), ("arming", "retry")}
    assert {row.phase for row in update.TABLE if row.then == update.WAITING} == {update.READING_BACK, update.WAITING}
    committing = {(row.phase, row.event) for row in update.TABLE if "commit" in row.actions}
    assert committing == {("trial", "healthy"), ("committing", "booted_new"), ("committing", "retry")}


def test_the_index_rises_before_the_first_block_is_written():
    into = [row for row in update.TABLE if row.then == update.READING_TREE and "fetch_tree" in row.actions]
    assert into
    for row in into:
        assert row.actions.index("raise_index") < row.actions.index("fetch_tree")


def test_an_edge_that_is_not_there_is_a_bug_of_ours():
    with pytest.raises(LookupError):
        update.advance("idle", "healthy")


def record(active="a", trial="-", left=0, fails=0):
    return FRESH.replace(generation=7, active=active, trial=trial, left=left, fails=fails)


@pytest.mark.parametrize(
    ("phase", "booted", "now", "event"),
    [
        ("installing", "a", record(), "resumed"),
        ("reading_tree", "b", record(), "booted_new"),
        ("installing", "b", record(), "booted_new"),
        ("reading_back", "b", record(active="b"), "booted_new"),
        ("switching", "b", record(active="b"), "resumed"),
        ("switching", "b", record(active="a"), "resumed"),
        ("switching", "a", record(active="a"), "switched"),
        ("switched", "a", record(active="a"), "switched"),
        ("switched", "b", record(active="a").replace(said=1), "resumed"),
        ("switched", "b", record(active="a"), "stayed"),
        ("switched", "b", record(active="b").replace(gave="r"), "stayed"),
        ("waiting", "a", record(), "resumed"),
        ("waiting", "b", record(), "booted_new"),
        ("arming", "a", record(), "resumed"),
        ("arming", "a", record(trial="b", left=3), "resumed"),
        ("arming", "b", record(trial="b", left=2), "booted_new"),
        ("arming", "a", record(trial="b", left=0), "booted_old"),
        ("armed", "a", record(trial="b", left=3), "resumed"),
        ("armed", "b", record(trial="b", left=0), "booted_new"),
        ("armed", "a", record(trial="b", left=0), "booted_old"),
        ("armed", "a", record(), "booted_old"),
        ("trial", "b", record(trial="b", left=1), "booted_new"),
        ("trial", "a", record(trial="b", left=0), "booted_old"),
        ("committing", "b", record(active="b"), "booted_new"),
        ("committing", "b", record(trial="b", left=2), "booted_new"),
        ("committing", "a", record(active="b"), "booted_old"),
        ("trial", "a", record(trial="b", left=9, fails=3), "booted_old"),
        ("failing", "b", record(trial="b", left=2, fails=1), "booted_new"),
        ("failing", "a", record(trial="b", left=2, fails=2), "resumed"),
        ("failing", "a", record(trial="b", left=2, fails=3), "booted_old"),
        ("failing", "a", record(), "booted_old"),
        ("rolled_back", "a", record(), "resumed"),
        ("committed", "b", record(active="b"), "resumed"),
    ],
)
def test_what_the_boot_loader_did_decides_how_to_go_on(phase, booted, now, event):
    assert update.start_event(phase, "b", booted, now) == event


def test_the_diagram_shows_every_edge():
    drawn = update.diagram()
    for row in update.TABLE:
        assert f"    {row.phase} --> {row.then}: {row.event} / " in drawn
