"""What the dashboard reads of RTSP in the clear in a camera's evidence: what is well-formed and open, nothing else."""

import pytest

from update_server.db.models import Evidence
from update_server.fleet.history import InTheClear, in_the_clear

OPEN = {"open": True, "port": 554, "since": "2026-11-20T09:00:00Z", "until": "2026-12-20T09:00:00Z"}


def report(facts: object) -> Evidence:
    return Evidence(device_id="a" * 26, at=1, received_at=1, report={"facts": facts}, envelope=b"")


def test_an_open_exception_is_read_with_port_and_times() -> None:
    found = in_the_clear(report({"plain_rtsp": OPEN}))
    assert found == InTheClear(554, 1795165200, 1797757200)


@pytest.mark.parametrize(
    "fact",
    [
        None,
        [],
        "x",
        {},
        {"open": False, "port": 554},
        OPEN | {"open": 1},
        OPEN | {"port": 0},
        OPEN | {"port": "554"},
        OPEN | {"since": "<b>"},
        OPEN | {"until": 5},
    ],
)
def test_whatever_else_a_camera_says_there_shows_nothing(fact: object) -> None:
    assert in_the_clear(report({"plain_rtsp": fact})) is None
    assert in_the_clear(report({})) is None
