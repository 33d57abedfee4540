"""By which port the broker is tried next."""

from agent.core.ways import DIRECT_AGAIN_S, Ways

DIRECT, FALLBACK = 8883, 443


def test_the_brokers_own_port_is_first_and_the_ways_take_turns_until_one_works():
    ways = Ways(DIRECT)
    found = []
    for now in range(4):
        found.append(ways.choose(now))
        ways.failed()
    assert found == [DIRECT, FALLBACK, DIRECT, FALLBACK]


def test_the_way_that_worked_is_kept_and_the_direct_one_looked_at_now_and_then():
    ways = Ways(DIRECT)
    ways.choose(0)
    ways.failed()
    assert ways.choose(1) == FALLBACK
    ways.worked()
    assert ways.choose(DIRECT_AGAIN_S - 1) == FALLBACK
    assert ways.choose(DIRECT_AGAIN_S) == DIRECT
    ways.failed()
    assert ways.choose(DIRECT_AGAIN_S + 1) == FALLBACK
    assert ways.choose(2 * DIRECT_AGAIN_S) == DIRECT
    ways.worked()
    assert ways.choose(2 * DIRECT_AGAIN_S + 1) == DIRECT


def test_a_broker_at_443_has_one_way():
    ways = Ways(FALLBACK)
    for now in range(3):
        assert ways.choose(now) == FALLBACK
        ways.failed()
