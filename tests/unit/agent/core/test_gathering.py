"""Which samples of telemetry are sent together."""

import pytest

from agent.core.gathering import Gathering, most
from agent.formats.ownership import MOBILE, WIRED
from agent.formats.samples import MAX_SAMPLES


def sample(at, **more):
    return {"at": at, "version": "1.0.0", "slot": "a", "phase": "idle", **more}


def sent(gathering, *found):
    """The times of what is sent together, after each sample that has it sent."""
    return [[one["at"] for one in gathering.take()] for each in found if gathering.add(each)]


def test_the_first_goes_at_once_and_then_as_many_as_there_may_be():
    gathering = Gathering(3)
    assert sent(gathering, *[sample(at) for at in range(9)]) == [[0], [1, 2, 3], [4, 5, 6]]
    assert [one["at"] for one in gathering.take()] == [7, 8]
    assert gathering.take() == []


def test_news_waits_for_no_other():
    gathering = Gathering(4)
    found = [sample(0), sample(1), sample(2, phase="installing"), sample(3, phase="installing"), sample(4)]
    assert sent(gathering, *found) == [[0], [1, 2], [3, 4]]


def test_a_gauge_is_no_news():
    gathering = Gathering(4)
    assert sent(gathering, *[sample(at, rss_bytes=at, cpu_percent=at / 2) for at in range(4)]) == [[0]]


@pytest.mark.parametrize(
    ("line", "interval_s", "count"),
    [
        (WIRED, 5, 1),
        (WIRED, 300, 1),
        (MOBILE, 300, 12),
        (MOBILE, 3600, 1),
        (MOBILE, 86400, 1),
        (MOBILE, 5, MAX_SAMPLES),
    ],
)
def test_a_mobile_line_gets_an_hour_at_once(line, interval_s, count):
    assert most(line, interval_s) == count
