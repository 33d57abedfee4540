"""Which order counts, whom it concerns, and how strict it is by now."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core import required_change as core
from agent.formats import required_change as formats
from agent.formats.required_change import NEVER, STAGES, ChangeReport, RequiredChange

DAY_S = 86_400
NOW = 1_800_000_000
MOMENTS = st.integers(1, 2 * NOW)


@st.composite
def orders(draw):
    moments = sorted(draw(st.tuples(MOMENTS, MOMENTS, MOMENTS)))
    restrict_at, claim_only_at = (draw(st.sampled_from([moment, NEVER])) for moment in moments[1:])
    return RequiredChange(draw(MOMENTS), moments[0], restrict_at, claim_only_at, draw(st.sampled_from(formats.REASONS)))


@given(orders())
def test_what_is_written_reads_the_same(order):
    assert formats.parse(formats.as_json(order)) == order


@given(orders(), MOMENTS, MOMENTS)
def test_no_stage_is_milder_later(order, one_at, other_at):
    earlier, later = sorted([one_at, other_at])
    assert STAGES.index(core.stage(order, earlier)) <= STAGES.index(core.stage(order, later))


@given(orders(), MOMENTS)
def test_the_next_moment_is_the_first_at_which_the_stage_changes(order, at):
    next_at = core.next_at(order, at)
    if next_at == NEVER:
        assert core.stage(order, at) == core.stage(order, 10 * NOW)
    else:
        assert core.stage(order, at) == core.stage(order, next_at - 1) != core.stage(order, next_at)


@pytest.mark.parametrize(
    ("since_at", "known_at", "taken_at", "proven_at", "verdict"),
    [
        (NOW, 0, 0, NOW, core.TAKE),
        (NOW, NOW, NOW, NOW, core.AMEND),
        (NOW - 1, NOW, NOW, NOW, core.OLDER),
        (NOW + 1, NOW, NOW, NOW + DAY_S - 1, core.TOO_SOON),
        (NOW + 1, NOW, NOW, NOW + DAY_S, core.TAKE),
        (NOW + DAY_S, 0, 0, NOW, core.TAKE),
        (NOW + DAY_S + 1, 0, 0, NOW, core.FUTURE),
        (NOW + DAY_S + 1, NOW + DAY_S + 1, NOW, NOW, core.FUTURE),
        (NOW, NOW + 900 * DAY_S, NOW + 900 * DAY_S, NOW, core.TAKE),
        (NOW + 1, NOW, NOW + 900 * DAY_S, NOW, core.TAKE),
    ],
)
def test_which_order_counts(since_at, known_at, taken_at, proven_at, verdict):
    assert core.judge(since_at, known_at, taken_at, proven_at, core.EVERY_S) == verdict


@pytest.mark.parametrize(("counted_s", "verdict"), [(0, core.TOO_SOON), (DAY_S - 1, core.TOO_SOON), (DAY_S, core.TAKE)])
def test_a_day_that_somebody_has_proven_too_early_is_no_day(counted_s, verdict):
    assert core.judge(NOW + 9 * DAY_S, NOW, NOW, NOW + 9 * DAY_S, counted_s) == verdict
    assert core.judge(NOW, 0, 0, NOW, counted_s) == core.TAKE, "the first one"
    assert core.judge(NOW, NOW, NOW, NOW, counted_s) == core.AMEND
    assert core.judge(NOW, NOW + 900 * DAY_S, NOW, NOW, counted_s) == core.TAKE, "a new root has taken that time back"


@given(MOMENTS, st.integers(0, 2 * NOW), st.integers(0, 2 * NOW), MOMENTS)
def test_no_taken_order_keeps_the_next_one_out_for_good(since_at, known_at, taken_at, proven_at):
    """Once the time has come that an honest operator signs now, its order counts after a day, whatever came before."""
    if core.judge(since_at, known_at, taken_at, proven_at, core.EVERY_S) == core.TAKE:
        later = max(proven_at, since_at) + core.EVERY_S + core.LEEWAY_S
        assert core.judge(later, since_at, proven_at, later, core.EVERY_S) == core.TAKE


@pytest.mark.parametrize(
    ("set_at", "old"),
    [(0, True), (NOW - 1, True), (NOW, False), (NOW + 2 * DAY_S, False), (NOW + 2 * DAY_S + 1, True)],
)
def test_whom_it_concerns(set_at, old):
    assert core.is_old(set_at, NOW, NOW + DAY_S) is old


@pytest.mark.parametrize("event", formats.EVENTS)
def test_a_report_says_how_many_and_nobodys_name(event):
    body = formats.report_body(ChangeReport(event, NOW, 1, 2, ""))
    assert formats.parse_report(body) == ChangeReport(event, NOW, 1, 2, "")
    assert set(body) == {"kind", "event", "since_at", "behind", "users", "code"}
