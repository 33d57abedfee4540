from hypothesis import given
from hypothesis import strategies as st

from firmware_sim.camera.discovery import (
    ANSWERS_AT_ONCE,
    ANSWERS_PER_S,
    MAX_SOURCES,
    SOURCE_ANSWERS_AT_ONCE,
    SOURCE_ANSWERS_PER_S,
    Limits,
)


def test_one_address_gets_a_few_and_then_one_in_a_while() -> None:
    limits = Limits()
    assert [limits.allow("192.0.2.1", 0.0) for _ in range(6)] == [True] * int(SOURCE_ANSWERS_AT_ONCE) + [False] * 2
    assert not limits.allow("192.0.2.1", 0.5 / SOURCE_ANSWERS_PER_S)
    assert limits.allow("192.0.2.1", 1.0 / SOURCE_ANSWERS_PER_S)


@given(st.lists(st.tuples(st.integers(0, 5000), st.floats(0.0, 0.5)), max_size=400))
def test_whoever_is_forged_there_are_few_answers_in_all_and_little_is_remembered(questions) -> None:
    limits, now, allowed = Limits(), 0.0, 0
    for number, pause_s in questions:
        now += pause_s
        allowed += limits.allow(f"10.0.{number // 256}.{number % 256}", now)
        assert len(limits._sources) <= MAX_SOURCES
    assert allowed <= ANSWERS_AT_ONCE + ANSWERS_PER_S * now + 1e-6
