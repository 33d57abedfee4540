"""The river gauge, an example of a program on the agent's link: what it sends, and what it does without an agent."""

import base64
import json
import socket
from pathlib import Path

import pytest

from firmware_sim.camera import gauge
from firmware_sim.camera.gauge import INTERVAL_S, Conversation, Gauge
from firmware_sim.camera.pattern import level

WITHIN_S = 20


class Agent:
    """Its end of the socket, one connection at a time."""

    def __init__(self, path: Path) -> None:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._listener.settimeout(WITHIN_S)
        self.accept()

    def accept(self) -> None:
        self.client, _ = self._listener.accept()
        self.client.settimeout(WITHIN_S)
        self.lines = self.client.makefile("rb")

    def heard(self) -> dict[str, object]:
        return dict(json.loads(self.lines.readline()))

    def say(self, **members: object) -> None:
        self.client.sendall(json.dumps({"v": 1, **members}).encode() + b"\n")

    def published(self, ok: bool = True) -> tuple[object, dict[str, int]]:
        request = self.heard()
        assert request["op"] == "publish"
        self.say(n=request["n"], ok=ok)
        return request["topic"], json.loads(base64.b64decode(str(request["data"])))

    def hang_up(self) -> None:
        self.lines.close()
        self.client.close()

    def close(self) -> None:
        self.hang_up()
        self._listener.close()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gauge, "LOOK_S", 0.02)
    monkeypatch.setattr(gauge, "AGAIN_S", 0.02)


def test_it_tells_the_level_and_changes_of_viewers_and_obeys_the_back_end(tmp_path: Path, quick: None) -> None:
    viewers = [2]
    teller = Gauge(tmp_path / "river.sock", lambda: 20, lambda: viewers[0])
    teller.start()  # before there is an agent
    agent = Agent(tmp_path / "river.sock")
    request = agent.heard()
    assert request == {"v": 1, "n": 1, "op": "receive"}
    agent.say(op="message", topic="interval", data=base64.b64encode(b"7").decode())  # in front of the answer
    agent.say(n=1, ok=True)
    topic, value = agent.published()
    assert (topic, value["cm"]) == ("level", 20)
    assert agent.published() == ("viewers", {"count": 2})
    viewers[0] = 3
    assert agent.published(ok=False) == ("viewers", {"count": 3})
    assert agent.published() == ("viewers", {"count": 3}), "what was refused is told again"
    assert teller.interval_s == 7
    for nonsense in (b"4", b"86401", b"x", b"-5", b"\xff", b"", b"9" * 30):
        agent.say(op="message", topic="interval", data=base64.b64encode(nonsense).decode())
    viewers[0] = 4
    agent.published()
    assert teller.interval_s == 7
    agent.hang_up()
    agent.accept()
    assert agent.heard()["op"] == "receive", "a restarted agent is found again"
    agent.client.sendall(b"nonsense\n")
    agent.hang_up()
    agent.accept()
    assert agent.heard()["op"] == "receive"
    agent.close()


def test_an_agent_that_floods_ends_the_conversation() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        conversation = Conversation(ours)
        theirs.setblocking(False)
        sent = 0
        while sent < gauge.MAX_LINE_BYTES * 3:
            try:
                sent += theirs.send(b"x" * 4096)
            except BlockingIOError:
                break
        with pytest.raises(ConnectionError):
            conversation.ask({"op": "state"})


def test_the_level_is_what_the_picture_shows() -> None:
    assert [level(number) for number in range(0, 20, 4)] == [0, 1, 2, 3, 0]
    assert INTERVAL_S == 3600
