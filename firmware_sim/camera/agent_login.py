"""Asks the agent over its login sockets (one Unix socket per service, one JSON object per line)."""

import json
import socket
import threading
from pathlib import Path

from firmware_sim.camera.login import MAX_LINE_BYTES, PROTOCOL_VERSION, LoginUnavailable, Reply, Service, parse_reply

ANSWER_WITHIN_S = 20.0
"""The agent derives one password hash at a time; a short queue of them on a slow camera still fits."""

PROVED_WITHIN_S = 150.0
"""The agent proves a new password on every live service before it answers: some twenty logins on a slow camera."""

PROVED_OPERATIONS = frozenset(
    {"claim", "change_password", "set_user", "token_on", "token_off", "upload", "install_bundle", "open_ssh"}
)
"""And what waits for the disk (room for an upload, the signatures in it), or for a server that starts."""

SLOW_OPERATIONS = PROVED_OPERATIONS | {"login", "disown", "transfer", "erase", "erase_locked"}
"""What waits for a password's hash; in places of its own: strangers can keep those taken, and with them no stream."""

MAX_CONVERSATIONS = 8
"""Requests of each kind in flight: more would only wait inside the agent, which bounds its own clients."""


class AgentLogin:
    """`Login` by the agent. Each request is one connection, so that an agent that restarts is found again by itself."""

    def __init__(self, login_dir: Path) -> None:
        self._login_dir = login_dir
        self._quick, self._slow = (threading.BoundedSemaphore(MAX_CONVERSATIONS) for _ in range(2))

    def ask(self, service: Service, op: str, source: str, **fields: object) -> Reply:
        """See `Login.ask`.

        Raises:
            LoginUnavailable: the socket is missing, the agent does not answer in time, or it answers nonsense.
        """
        line = json.dumps({"v": PROTOCOL_VERSION, "op": op, "source": source, **fields}).encode() + b"\n"
        if len(line) > MAX_LINE_BYTES:
            return Reply(ok=False, code="bad_request")
        turns = self._slow if op in SLOW_OPERATIONS else self._quick
        if not turns.acquire(timeout=ANSWER_WITHIN_S):
            raise LoginUnavailable("too many requests wait for the agent")
        try:
            within_s = PROVED_WITHIN_S if op in PROVED_OPERATIONS else ANSWER_WITHIN_S
            answer = self._exchange(self._login_dir / f"{service}.sock", line, within_s)
        except OSError as error:
            raise LoginUnavailable(f"the agent does not answer on {service}.sock: {error}") from error
        finally:
            turns.release()
        try:
            value = json.loads(answer.decode("utf-8"))
        except (ValueError, RecursionError) as error:
            raise LoginUnavailable("the agent's reply is not JSON") from error
        return parse_reply(value)

    @staticmethod
    def _exchange(path: Path, line: bytes, within_s: float) -> bytes:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(within_s)
            client.connect(str(path))
            client.sendall(line)
            answer = b""
            while not answer.endswith(b"\n"):
                piece = client.recv(MAX_LINE_BYTES + 1 - len(answer))
                if not piece or len(answer) + len(piece) > MAX_LINE_BYTES:
                    raise OSError("the reply is cut off or too long")
                answer += piece
        return answer
