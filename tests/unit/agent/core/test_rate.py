"""The bucket that bounds what a program sends."""

from hypothesis import given
from hypothesis import strategies as st

from agent.core.rate import Bucket


def test_a_full_bucket_gives_all_of_it_and_then_fills_evenly() -> None:
    bucket = Bucket(60, 1)
    for _ in range(60):
        assert bucket.wait_s(5, 1) == 0
        bucket.spend(5, 1)
    assert bucket.wait_s(5, 1) == 1
    assert bucket.wait_s(5, 30) == 30
    assert bucket.wait_s(6, 1) == 0
    assert bucket.wait_s(5, 1) == 0, "a clock that went back takes nothing away"


def test_what_is_larger_than_the_bucket_needs_it_full() -> None:
    bucket = Bucket(10, 1)
    assert bucket.wait_s(0, 25) == 0
    bucket.spend(0, 25)
    assert bucket.wait_s(0, 25) == 10
    assert bucket.wait_s(10, 25) == 0


@given(st.lists(st.tuples(st.floats(0, 100), st.integers(1, 50)), max_size=50))
def test_no_more_is_spent_than_the_rate_allows(tries: list[tuple[float, int]]) -> None:
    bucket, now, spent = Bucket(50, 2.0), 0.0, 0
    for pause, amount in tries:
        now += pause
        if bucket.wait_s(now, amount) == 0:
            bucket.spend(now, amount)
            spent += amount
        assert spent <= 50 + 2.0 * now + 0.001
