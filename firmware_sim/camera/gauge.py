"""The river gauge: tells the operator's back end how high the water stands and how many watch, over the agent's link.

An example of a program that knows neither TLS nor MQTT (docs/link-socket.md). The agent keeps each level until it has
arrived, one an hour; the number of viewers is told when it changes, and not kept. The back end says on the topic
`interval` how many seconds shall lie between two levels.
"""

import base64
import json
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

INTERVAL_S = 3600.0
"""A level costs a mobile line some 400 bytes."""

INTERVALS_S = (5, 86_400)
"""What a back end may ask for: the rate that is declared for this program bears the shortest."""

LOOK_S = 5.0
"""How often is looked at how many watch, and how soon after that a change is told."""

AGAIN_S = 30.0
"""Until the agent, which may be restarting, is called again."""

ANSWER_WITHIN_S = 20.0
MAX_LINE_BYTES = 24 * 1024


class Gauge(threading.Thread):
    """Runs beside the camera, ends with it, and holds nothing up.

    Args:
        path: the agent's socket for this program.
        level_cm: how high the water stands now.
        viewers: how many watch now.
    """

    def __init__(self, path: Path, level_cm: Callable[[], int], viewers: Callable[[], int]) -> None:
        super().__init__(name="gauge", daemon=True)
        self._path = path
        self._level_cm = level_cm
        self._viewers = viewers
        self.interval_s = INTERVAL_S

    def run(self) -> None:
        """Tell, for ever.

        Raises:
            Nothing: an agent that is gone or refuses is called again after a while.
        """
        while True:
            try:
                with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
                    client.connect(str(self._path))
                    self._tell(Conversation(client))
            except (OSError, ValueError):
                pass
            time.sleep(AGAIN_S)

    def _tell(self, agent: "Conversation") -> None:
        """Tell over one connection until it ends.

        Raises:
            OSError: it has ended.
            ValueError: the agent speaks nonsense.
        """
        agent.ask({"op": "receive"})
        told_at, watched = float("-inf"), -1
        while True:
            now = time.monotonic()
            level = {"at": int(time.time()), "cm": self._level_cm()}
            if now >= told_at + self.interval_s and agent.publish("level", level):
                told_at = now
            viewers = self._viewers()
            if viewers != watched and agent.publish("viewers", {"count": viewers}):
                watched = viewers
            for topic, data in agent.came(LOOK_S):
                if topic == "interval":
                    self.interval_s = _interval(data, self.interval_s)


def _interval(data: bytes, before_s: float) -> float:
    """What a back end asks for, or what was before where it asks for nonsense."""
    text = data.decode("ascii", "replace")
    if not text.isdecimal() or len(text) > 6 or not INTERVALS_S[0] <= int(text) <= INTERVALS_S[1]:
        return before_s
    return float(text)


class Conversation:
    """One connection with the agent: a request and its answer at a time, and what comes meanwhile."""

    def __init__(self, client: socket.socket) -> None:
        self._client = client
        self._number = 0
        self._read = b""
        self._came: list[tuple[str, bytes]] = []

    def publish(self, topic: str, value: dict[str, int]) -> bool:
        """Send a JSON object; whether the agent has taken it.

        Raises:
            OSError, ValueError: as `ask`.
        """
        data = base64.b64encode(json.dumps(value).encode()).decode()
        return self.ask({"op": "publish", "topic": topic, "data": data})

    def ask(self, request: dict[str, str]) -> bool:
        """Make a request; whether the agent says yes.

        Raises:
            OSError: the connection has ended, or no answer comes.
            ValueError: what comes is no line of the protocol.
        """
        self._number += 1
        self._client.settimeout(ANSWER_WITHIN_S)
        self._client.sendall(json.dumps({"v": 1, "n": self._number, **request}).encode() + b"\n")
        while True:
            answer = self._line()
            if answer is not None:
                return answer.get("ok") is True

    def came(self, within_s: float) -> list[tuple[str, bytes]]:
        """The messages that have come, or that come now; none when the time is over.

        Raises:
            OSError, ValueError: as `ask`.
        """
        if not self._came:
            self._client.settimeout(within_s)
            try:
                self._line()
            except TimeoutError:
                pass
        found, self._came = self._came, []
        return found

    def _line(self) -> dict[str, object] | None:
        """The next line: an answer, or None where it was a message."""
        while b"\n" not in self._read:
            piece = self._client.recv(MAX_LINE_BYTES)
            if not piece or len(self._read) > MAX_LINE_BYTES:
                raise ConnectionError("the agent has ended the connection")
            self._read += piece
        line, _, self._read = self._read.partition(b"\n")
        value = json.loads(line)
        if not isinstance(value, dict):
            raise ValueError("no object")
        if value.get("op") != "message":
            return value
        self._came.append((str(value.get("topic")), base64.b64decode(str(value.get("data")))))
        return None
