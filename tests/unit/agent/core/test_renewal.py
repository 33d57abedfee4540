"""When a certificate is renewed, and how long a camera waits after a failure."""

from hypothesis import given
from hypothesis import strategies as st

from agent.core import renewal
from agent.formats.certificate import Validity

DAY_S = 86400
NINETY = Validity(1_000_000, 1_000_000 + 90 * DAY_S)
moments = st.integers(0, 2**40)
lives = st.builds(lambda begin, life: Validity(begin, begin + life), moments, st.integers(1, 2**33))
fractions = st.floats(0, 1, exclude_max=True)


def test_of_ninety_days_it_is_the_sixtieth_at_the_earliest_and_the_cameras_spread_over_a_week():
    days = [(renewal.due_at(NINETY, fraction) - NINETY.not_before_at) / DAY_S for fraction in (0.0, 0.5, 0.999)]
    assert days[0] == 60
    assert 63.7 < days[1] < 63.8
    assert 67.4 < days[2] < 67.5


@given(lives, fractions)
def test_it_is_never_before_two_thirds_and_a_quarter_of_the_life_is_left(found, fraction):
    life = found.not_after_at - found.not_before_at
    at = renewal.due_at(found, fraction) - found.not_before_at
    assert life * 2 // 3 <= at <= life * 3 / 4


@given(lives, fractions, fractions)
def test_a_camera_with_a_greater_fraction_is_never_earlier(found, one, other):
    low, high = sorted((one, other))
    assert renewal.due_at(found, low) <= renewal.due_at(found, high)


def test_dates_the_wrong_way_round_are_due_at_once_and_do_no_harm():
    assert renewal.due_at(Validity(100, 50), 0.9) == 100
    assert renewal.retry_s(Validity(100, 50), 3, 0.9) == renewal.RETRY_LEAST_S


def test_failures_make_it_wait_longer_up_to_a_day_and_never_less_than_minutes():
    assert [renewal.retry_s(NINETY, attempt, 0.999) // 3600 for attempt in (1, 2, 3, 4, 5, 6, 60)] == [
        0, 1, 3, 7, 15, 23, 23,
    ]  # fmt: skip
    assert renewal.retry_s(NINETY, 60, 0.0) == renewal.RETRY_LEAST_S


def test_of_a_short_life_enough_is_left_to_try_again():
    day = Validity(0, DAY_S)
    assert renewal.retry_s(day, 60, 0.999) <= DAY_S / 12


def test_a_day_of_failures_stays_below_what_the_server_gives_in_a_day():
    """Twenty (update_server.pki.enrolment); with the smallest waits that chance gives on average."""
    waited, attempts = 0.0, 0
    while waited < DAY_S:
        attempts += 1
        waited += renewal.retry_s(NINETY, attempts, 0.5)
    assert attempts < 20


def test_only_a_later_certificate_is_any_use():
    assert renewal.is_later(NINETY.replace(not_after_at=NINETY.not_after_at + 1), NINETY)
    assert not renewal.is_later(NINETY, NINETY)
