"""The rollout policy as a table: situations in, actions out."""

import pytest

from update_server.errors import BadInput
from update_server.rollouts.plan import (
    Complete,
    Counts,
    Pause,
    Phase,
    Situation,
    Start,
    Wait,
    next_action,
    parse_phases,
    split,
)

NONE = Counts()


@pytest.mark.parametrize(
    ("situation", "action"),
    [
        # before the first phase
        (Situation(-1, (Counts(waiting=1), Counts(waiting=9)), 5), Start(0)),
        # a canary phase
        (Situation(0, (Counts(waiting=1), Counts(waiting=9)), 5), Start(0)),
        (Situation(0, (Counts(pending=1), Counts(waiting=9)), 5), Wait()),
        (Situation(0, (Counts(committed=1), Counts(waiting=9)), 5), Start(1)),
        (Situation(0, (Counts(committed=1, pending=1), Counts(waiting=9)), 5), Wait()),
        (Situation(0, (Counts(failed=1), Counts(waiting=9)), 5), Pause("failures", (1, 1, 0))),
        (Situation(0, (Counts(failed=1, committed=99), Counts(waiting=9)), 50), Pause("failures", (1, 1, 0))),
        # silence: no success, no failure
        (Situation(0, (Counts(silent=2), Counts(waiting=9)), 5), Pause("silence", (1, 2))),
        (Situation(0, (Counts(silent=2, committed=1), Counts(waiting=9)), 5), Start(1)),
        # an empty phase of a small fleet is passed over
        (Situation(0, (NONE, Counts(waiting=1)), 5), Start(1)),
        # the last phase
        (Situation(1, (Counts(committed=1), Counts(failed=1, pending=99)), 5), Wait()),
        (Situation(1, (Counts(committed=1), Counts(failed=6, pending=94)), 5), Pause("failures", (6, 2, 5))),
        (Situation(0, (Counts(failed=1),), 5), Pause("failures", (1, 1, 0))),
        (Situation(0, (Counts(failed=1, committed=19),), 5), Complete()),
        (Situation(1, (Counts(committed=1), Counts(committed=9)), 5), Complete()),
        (Situation(1, (Counts(committed=1), Counts(committed=8, silent=1)), 5), Wait()),
        (Situation(1, (Counts(committed=1, silent=1), Counts(committed=8)), 5), Wait()),
        # failures a person has excused
        (Situation(0, (Counts(failed=1), Counts(waiting=9)), 5, 1), Start(1)),
        (Situation(0, (Counts(failed=2), Counts(waiting=9)), 5, 1), Pause("failures", (1, 1, 0))),
        (Situation(0, (Counts(failed=1),), 5, 1), Complete()),
    ],
)
def test_next_action(situation, action):
    assert next_action(situation) == action


@pytest.mark.parametrize(
    ("text", "total", "sizes"),
    [
        ("1,10%,100%", 100, (1, 9, 90)),
        ("1,10%,100%", 1, (1, 0, 0)),
        ("1,10%,100%", 5, (1, 0, 4)),
        ("100%", 7, (7,)),
        ("50%,100%", 3, (2, 1)),
        ("1000,100%", 3, (3, 0)),
        ("1,100%", 0, (0, 0)),
    ],
)
def test_phases_share_the_fleet_out(text, total, sizes):
    assert split(parse_phases(text), total) == sizes
    assert sum(sizes) == total


def test_every_fleet_is_covered_exactly_once():
    phases = parse_phases("1,3,10%,50%,100%")
    for total in range(300):
        sizes = split(phases, total)
        assert sum(sizes) == total
        assert min(sizes) >= 0


@pytest.mark.parametrize(
    "text",
    ["", "1", "10%", "0,100%", "-1,100%", "101%", "50%,10%,100%", "2,1,100%", "1,1,100%", "x,100%", "1;100%", ",100%"],
)
def test_malformed_phases_are_refused(text):
    with pytest.raises(BadInput):
        parse_phases(text)


def test_too_many_phases_are_refused():
    with pytest.raises(BadInput):
        parse_phases(",".join(str(n) for n in range(1, 30)) + ",100%")


def test_a_phase_prints_as_it_was_written():
    assert [str(phase) for phase in (Phase(1, False), Phase(10, True))] == ["1", "10%"]
