"""A camera program's side of the link socket (docs/link-socket.md): send, and hear what the operator's back end says.

link = Link("/run/camward/link/river.sock")
link.publish("level", b"2.31")
topic, data = link.receive()
"""

import base64
import json
import socket
from typing import Any

TIMEOUT_S = 30  # what is kept is answered when it is on the flash, a refusal after a second


class Refused(Exception):
    """The agent has not taken it: `code`, and `retry_after_s` where that helps."""

    def __init__(self, answer: dict[str, Any]) -> None:
        super().__init__(answer["code"])
        self.code: str = answer["code"]
        self.retry_after_s: int | None = answer.get("retry_after_s")


class Link:
    """One connection. Each method raises OSError where the agent is gone: connect again after a while."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(TIMEOUT_S)
        try:
            self._socket.connect(path)
        except OSError:
            self._socket.close()
            raise
        self._read = b""
        self._number = 0
        self._hears = False
        self._came: list[tuple[str, bytes]] = []

    def publish(self, topic: str, data: bytes) -> None:
        """Send one message; the agent has it when this returns, and on the flash if the topic is durable."""
        self._ask("publish", topic=topic, data=base64.b64encode(data).decode())

    def state(self) -> dict[str, Any]:
        """What the agent says of the link: `link`, `waiting`, `lost`, `device`."""
        return self._ask("state")

    def receive(self, timeout_s: float | None = None) -> tuple[str, bytes]:
        """The next message for this program; from the first call on, this connection hears them.

        Raises:
            TimeoutError: none has come in time; ask again.
        """
        if not self._hears:
            self._ask("receive")
            self._hears = True
        self._socket.settimeout(timeout_s)
        try:
            while not self._came:
                self._line()
        finally:
            self._socket.settimeout(TIMEOUT_S)
        return self._came.pop(0)

    def close(self) -> None:
        """End the connection."""
        self._socket.close()

    def _ask(self, op: str, **members: str) -> dict[str, Any]:
        self._number += 1
        request = {"v": 1, "n": self._number, "op": op, **members}
        self._socket.sendall(json.dumps(request).encode() + b"\n")
        answer = None
        while answer is None or answer.get("n") not in {self._number, None}:
            answer = self._line()
        if not answer["ok"]:
            raise Refused(answer)
        return answer

    def _line(self) -> dict[str, Any] | None:
        """One line: an answer, or None where it was a message, which is kept for `receive`."""
        while b"\n" not in self._read:
            piece = self._socket.recv(65536)
            if not piece:
                raise ConnectionError("the agent has ended the connection")
            self._read += piece
        line, _, self._read = self._read.partition(b"\n")
        found: dict[str, Any] = json.loads(line)
        if found.get("op") != "message":
            return found
        self._came.append((found["topic"], base64.b64decode(found["data"])))
        return None
