"""The door for RTSP in the clear: opened and closed as the agent says, for viewers; nonces bound to connections."""

from pathlib import Path

from firmware_sim.camera.application import PLAIN_OPENINGS
from tests.contract.camera.camera_process import CameraProcess
from tests.contract.camera.clients import decode_frames, stream_url
from tests.contract.camera.conftest import PASSWORD, USER, VIEWER, VIEWERS_PASSWORD, takes_connections, until_turned
from tests.contract.camera.fake_agent import FakeAgent, digest_response
from tests.contract.camera.test_rtsp import RtspSession


def open_again(agent: FakeAgent) -> None:
    agent.plain_rtsp = {"open": True, "port": 554}


def plays(camera: CameraProcess, user: str = VIEWER, password: str = VIEWERS_PASSWORD) -> bool:
    """Whether ffmpeg decodes a frame over the port in the clear."""
    return decode_frames(stream_url(camera, "rtsp", user, password), frames=1).returncode == 0


def test_it_refuses_connections_until_it_is_opened_and_when_it_is_closed(
    claimed: CameraProcess, agent: FakeAgent
) -> None:
    agent.users[VIEWER] = ("viewer", VIEWERS_PASSWORD)
    assert not takes_connections(claimed)
    for _ in range(3):
        open_again(agent)
        until_turned(claimed, listens=True)
        assert plays(claimed)
        agent.plain_rtsp = {"open": False, "port": 554}
        until_turned(claimed, listens=False)
    assert decode_frames(stream_url(claimed, "rtsps", USER, PASSWORD), frames=1).returncode == 0


def test_closing_it_ends_its_streams_and_no_others(plain: CameraProcess, agent: FakeAgent) -> None:
    clear = RtspSession(plain, "rtsp", VIEWER, VIEWERS_PASSWORD)
    encrypted = RtspSession(plain, "rtsps", VIEWER, VIEWERS_PASSWORD)
    clear.play()
    encrypted.play()
    assert clear.packet()
    agent.plain_rtsp = {"open": False, "port": 554}
    while clear.packet():
        pass
    until_turned(plain, listens=False)
    assert encrypted.packet()
    clear.close()
    encrypted.close()


def test_viewers_alone_are_let_in(plain: CameraProcess) -> None:
    assert plays(plain)
    assert not plays(plain, USER, PASSWORD)
    assert decode_frames(stream_url(plain, "rtsps", USER, PASSWORD), frames=1).returncode == 0, "the control, by TLS"


def test_a_viewer_who_becomes_more_is_shown_out(plain: CameraProcess, agent: FakeAgent) -> None:
    session = RtspSession(plain, "rtsp", VIEWER, VIEWERS_PASSWORD)
    session.play()
    assert session.packet()
    agent.users[VIEWER] = ("administrator", VIEWERS_PASSWORD)
    agent.changes[VIEWER] += 1
    while session.packet():
        pass
    session.close()
    assert not plays(plain)


def test_what_was_overheard_is_good_on_its_own_connection_alone(plain: CameraProcess) -> None:
    viewer, stranger = RtspSession(plain, "rtsp", VIEWER, VIEWERS_PASSWORD), RtspSession(plain, "rtsp")
    assert viewer.send("DESCRIBE", viewer.url) == 200
    request = {"user": VIEWER, "method": "DESCRIBE", "uri": viewer.url, "nonce": viewer.nonce, "algorithm": "MD5"}
    heard = (
        f'Authorization: Digest username="{VIEWER}", realm="camward", nonce="{viewer.nonce}", uri="{viewer.url}", '
        f'response="{digest_response(request, VIEWERS_PASSWORD)}"'
    )
    assert stranger._send("DESCRIBE", stranger.url, heard) == 401
    viewer.nonce = ""
    assert viewer._send("DESCRIBE", viewer.url, heard) == 200, "the control, where it was said"
    viewer.close()
    stranger.close()


def test_an_agent_that_stays_away_closes_it_and_one_that_restarts_does_not(
    plain: CameraProcess, agent: FakeAgent
) -> None:
    session = RtspSession(plain, "rtsp", VIEWER, VIEWERS_PASSWORD)
    session.play()
    agent.stop()
    agent.start()
    for _ in range(40):
        assert session.packet()
    agent.stop()
    until_turned(plain, listens=False)
    agent.start()
    until_turned(plain, listens=True)
    session.close()


def test_a_camera_that_nobody_opens_it_for_says_nothing_on_that_port(claimed: CameraProcess, agent: FakeAgent) -> None:
    """The port is bound and does not listen: who looks at the system sees no listener."""
    assert not takes_connections(claimed)
    listening = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    ports = {int(one[1].partition(":")[2], 16) for one in listening if one[3] == "0A"}
    assert claimed.ports["rtsps"] in ports
    assert claimed.ports["rtsp"] not in ports


def test_who_has_opened_it_too_often_for_one_run_gets_another_run(plain: CameraProcess, agent: FakeAgent) -> None:
    """init starts the program again, which binds its port anew."""
    for _ in range(PLAIN_OPENINGS - 1):
        agent.plain_rtsp = {"open": False, "port": 554}
        until_turned(plain, listens=False)
        open_again(agent)
        until_turned(plain, listens=True)
    agent.plain_rtsp = {"open": False, "port": 554}
    until_turned(plain, listens=False)
    assert plain.process.poll() is None
    open_again(agent)
    assert plain.process.wait(20) == 0
