import pytest

from firmware_sim.attacks.login_paths import LOGIN_PATHS, Outcome
from firmware_sim.attacks.spray import mirai_pairs, spray
from tests.contract.camera.camera_process import CameraProcess
from tests.contract.camera.clients import decode_frames, stream_url
from tests.contract.camera.conftest import PASSWORD, USER, VIEWER, VIEWERS_PASSWORD, until_turned
from tests.contract.camera.fake_agent import FakeAgent

FACTORY = ("admin", "admin")
ACCEPTED, REFUSED, UNREACHABLE = {Outcome.ACCEPTED}, {Outcome.REFUSED}, {Outcome.UNREACHABLE}


def ways_in(camera: CameraProcess) -> dict[str, int]:
    https = camera.ports["https"]
    return {
        "web": https,
        "snapshot": https,
        "onvif": https,
        "rtsps": camera.ports["rtsps"],
        "rtsp": camera.ports["rtsp"],
    }


def test_mirais_list_is_complete_and_holds_the_factory_password() -> None:
    pairs = mirai_pairs()

    assert len(pairs) == len(set(pairs)) == 61
    assert FACTORY in pairs


def test_the_factory_password_gets_into_the_control_on_every_way(ungated: CameraProcess) -> None:
    assert set(ways_in(ungated)) == set(LOGIN_PATHS)

    result = spray("127.0.0.1", ways_in(ungated), [("root", "xc3511"), FACTORY], within_s=120)

    assert result.untried == 0
    assert {attempt.path for attempt in result.accepted()} == set(LOGIN_PATHS)
    assert {(attempt.user, attempt.password) for attempt in result.accepted()} == {FACTORY}
    assert decode_frames(stream_url(ungated, "rtsp", *FACTORY), frames=1).returncode == 0


@pytest.mark.parametrize("state", ["unclaimed", "claimed", "opened"])
def test_no_way_into_the_guarded_camera_but_the_owners_password(
    unclaimed: CameraProcess, agent: FakeAgent, state: str
) -> None:
    ways, viewer = ways_in(unclaimed), (VIEWER, VIEWERS_PASSWORD)
    if state != "unclaimed":
        agent.claim(USER, PASSWORD)
    if state == "opened":
        agent.users[VIEWER] = ("viewer", VIEWERS_PASSWORD)
        agent.plain_rtsp = {"open": True, "port": 554}
        until_turned(unclaimed, listens=True)
    else:
        closed = spray("127.0.0.1", {"rtsp": ways.pop("rtsp")}, [FACTORY, (USER, PASSWORD)], within_s=60)
        assert closed.outcomes("rtsp") == UNREACHABLE
    pairs = [*mirai_pairs()[:4], FACTORY, (USER, PASSWORD)]

    result = spray("127.0.0.1", ways, pairs, within_s=120)

    assert (len(result.attempts), result.untried) == (len(pairs) * len(ways), 0)
    accepted = {(attempt.path, attempt.user, attempt.password) for attempt in result.accepted()}
    open_to_owner = set(ways) - {"rtsp"} if state != "unclaimed" else set()
    assert accepted == {(path, USER, PASSWORD) for path in open_to_owner}
    assert all(UNREACHABLE.isdisjoint(result.outcomes(path)) for path in ways)
    if state == "opened":
        assert spray("127.0.0.1", {"rtsp": ways["rtsp"]}, [viewer], within_s=60).outcomes("rtsp") == ACCEPTED


def test_silence_is_not_taken_for_a_refusal(claimed: CameraProcess) -> None:
    closed = dict.fromkeys(LOGIN_PATHS, 1)

    result = spray("127.0.0.1", closed, [FACTORY], within_s=60)

    assert all(result.outcomes(path) == UNREACHABLE for path in LOGIN_PATHS)


def test_the_bounds_leave_a_count_of_what_was_not_tried() -> None:
    closed = {"rtsp": 1}
    ticks = iter(range(100))

    by_count = spray("127.0.0.1", closed, [FACTORY] * 10, within_s=60, max_tries=3)
    by_time = spray("127.0.0.1", closed, [FACTORY] * 10, within_s=4, clock=lambda: next(ticks))

    assert (len(by_count.attempts), by_count.untried) == (3, 7)
    assert (len(by_time.attempts), by_time.untried) == (3, 7)
    with pytest.raises(ValueError, match="unknown path telnet"):
        spray("127.0.0.1", {"telnet": 23}, [FACTORY], within_s=1)
