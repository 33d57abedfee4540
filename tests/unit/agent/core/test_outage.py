"""What a camera tells its server afterwards of what kept it away."""

import pytest

from agent.core.outage import TOLD_FROM_S, Outage


def told(*codes, lasts_s=TOLD_FROM_S, at=10_000):
    outage = Outage()
    for code in codes:
        outage.down(code, 50.0)
    outage.up(50.0 + lasts_s, at)
    return outage.facts()


def test_an_outage_is_told_with_its_begin_and_end():
    assert told("name") == {"outage": "name", "outage_since_at": 9700, "outage_until_at": 10_000}


@pytest.mark.parametrize(
    ("codes", "said"),
    [
        (("closed", "portal"), "portal"), (("closed", "name", "closed"), "name"), (("silent",), "silent"),
        (("name", "unreachable"), "unreachable"), (("", "closed", ""), "closed"),
    ],
)  # fmt: skip
def test_what_is_told_is_why_no_session_began(codes, said):
    assert told(*codes)["outage"] == said


def test_a_short_one_is_no_news_and_a_camera_that_just_starts_has_had_none():
    assert told("name", lasts_s=TOLD_FROM_S - 1) == {}
    assert told("", lasts_s=TOLD_FROM_S) == {}


def test_the_last_one_stays_until_another_and_is_not_mixed_with_it():
    outage = Outage()
    outage.down("portal", 0.0)
    outage.up(600.0, 5000)
    outage.down("closed", 700.0)
    outage.up(710.0, 5110)
    assert outage.facts()["outage"] == "portal"
    outage.down("closed", 800.0)
    outage.up(1800.0, 7000)
    assert outage.facts() == {"outage": "closed", "outage_since_at": 6000, "outage_until_at": 7000}


def test_a_clock_that_says_1970_gives_no_time_before_it():
    assert told("name", lasts_s=5000, at=100)["outage_since_at"] == 0
