"""What the dashboard reads of RTSP in the clear in a camera's evidence: what is well-formed and open, nothing else."""

import pytest

from tests.unit.server.test_ingest import CAMERA, World
from update_server.db.models import Evidence
from update_server.fleet.history import InTheClear, all_in_the_clear, in_the_clear

SINCE, UNTIL = 1795165200, 1797757200
OPEN = {"open": True, "port": 554, "since": "2026-11-20T09:00:00Z", "until": "2026-12-20T09:00:00Z"}


def report(facts: object) -> Evidence:
    return Evidence(device_id="a" * 26, at=1, received_at=1, report={"facts": facts}, envelope=b"")


def test_an_open_exception_is_read_with_port_and_times() -> None:
    found = in_the_clear(report({"plain_rtsp": OPEN}), SINCE)
    assert found == InTheClear(554, SINCE, UNTIL)


def test_what_has_ended_since_is_not_shown_though_the_camera_has_said_nothing_more() -> None:
    row = report({"plain_rtsp": OPEN})
    assert in_the_clear(row, UNTIL - 1) is not None
    assert in_the_clear(row, UNTIL) is None


def test_a_list_of_cameras_says_which_of_them_it_is(database, tmp_path) -> None:
    World(database, tmp_path / "sealing")

    def named(fact: object, now: int = SINCE, wanted: str = CAMERA) -> set[str]:
        with database.write() as session:
            row = report({"plain_rtsp": fact} if fact is not None else {})
            row.device_id = CAMERA
            session.merge(row)
        with database.read() as session:
            return all_in_the_clear(session, [wanted], now)

    assert named(OPEN) == {CAMERA}
    assert named(OPEN, UNTIL) == named(OPEN, wanted="b" * 26) == set()
    for other in (None, [], "x", {"open": False, "port": 554}, OPEN | {"since": "<b>"}):
        assert named(other) == set()


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
    assert in_the_clear(report({"plain_rtsp": fact}), SINCE) is None
    assert in_the_clear(report({}), SINCE) is None
