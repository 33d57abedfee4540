"""A small QMP client: one socket, one command at a time, events kept in order.

Our own because the monitor is used from synchronous code, and all it needs is JSON lines over a socket pair
(QEMU Machine Protocol, docs/interop/qmp-spec).
"""

import json
import socket
import threading
import time
from collections import deque
from typing import Any

from firmware_sim.qemu.deadline import Deadline
from firmware_sim.qemu.errors import MachineError

MAX_LINE_BYTES = 4 << 20
"""One reply: the longest we ask for is the text of a human monitor command, some kilobytes."""
MAX_EVENTS = 1000
"""Events kept; a camera that reboots all day makes a few hundred."""
COMMAND_S = 30.0
"""A monitor that is silent this long on a loaded two-core machine has hung."""
JOB_POLL_S = 0.02
"""Snapshot jobs take about 0.2 s."""


class Qmp:
    """The monitor of one running QEMU. Thread safe."""

    def __init__(self, connection: socket.socket) -> None:
        """Take over a connected socket; `negotiate` comes next."""
        self._socket = connection
        self._buffer = b""
        self._lock = threading.Lock()
        self._events: deque[dict[str, Any]] = deque(maxlen=MAX_EVENTS)

    def negotiate(self, deadline: Deadline) -> str:
        """Read the greeting and leave negotiation mode.

        Returns:
            QEMU's version, e.g. `7.2.22`.

        Raises:
            MachineError: code `monitor` if QEMU ended or does not speak QMP; `deadline`.
        """
        with self._lock:
            greeting = self._read(deadline)
        if "QMP" not in greeting:
            raise MachineError("monitor", "QEMU's monitor sent no QMP greeting")
        number = greeting["QMP"]["version"]["qemu"]
        self.execute("qmp_capabilities", deadline=deadline)
        return f"{number['major']}.{number['minor']}.{number['micro']}"

    def execute(self, command: str, arguments: dict[str, Any] | None = None, deadline: Deadline | None = None) -> Any:
        """Run one command and return what it returned.

        Raises:
            MachineError: code `monitor` if QEMU refused it or has ended; `deadline`.
        """
        limit = deadline or Deadline(COMMAND_S)
        request: dict[str, Any] = {"execute": command}
        if arguments:
            request["arguments"] = arguments
        with self._lock:
            try:
                self._socket.sendall(json.dumps(request).encode() + b"\n")
            except OSError as error:
                raise MachineError("monitor", f"QEMU has ended, so {command} cannot be run") from error
            while True:
                reply = self._read(limit)
                if "event" in reply:
                    self._events.append(reply)
                elif "error" in reply:
                    raise MachineError("monitor", f"QEMU refused {command}: {reply['error'].get('desc', '')}")
                elif "return" in reply:
                    return reply["return"]

    def human(self, line: str) -> str:
        """Run a human monitor command and return its text.

        Raises:
            MachineError: as `execute`.
        """
        return str(self.execute("human-monitor-command", {"command-line": line}))

    def run_job(self, command: str, arguments: dict[str, Any], deadline: Deadline) -> None:
        """Run a command that makes a background job, and wait for its end.

        Raises:
            MachineError: code `monitor` with the job's own error; `deadline`.
        """
        job_id = str(arguments["job-id"])
        self.execute(command, arguments, deadline)
        while True:
            job = next((job for job in self.execute("query-jobs", None, deadline) if job["id"] == job_id), None)
            if job is None:
                raise MachineError("monitor", f"QEMU lost the job of {command}")
            if job["status"] == "concluded":
                self.execute("job-dismiss", {"id": job_id}, deadline)
                if job.get("error"):
                    raise MachineError("monitor", f"{command} failed: {job['error']}")
                return
            deadline.require(command)
            time.sleep(JOB_POLL_S)

    def events(self) -> list[dict[str, Any]]:
        """Return the events seen so far, oldest first (the last 1000)."""
        with self._lock:
            self._socket.setblocking(False)
            try:
                while True:
                    message = self._next_line()
                    if message is None:
                        chunk = self._socket.recv(65536)
                        if not chunk:
                            break
                        self._buffer += chunk
                    elif "event" in message:
                        self._events.append(message)
            except OSError:
                pass
            return list(self._events)

    def close(self) -> None:
        """Close the socket. QEMU goes on."""
        self._socket.close()

    def _next_line(self) -> dict[str, Any] | None:
        line, newline, rest = self._buffer.partition(b"\n")
        if not newline:
            return None
        self._buffer = rest
        message = json.loads(line)
        return message if isinstance(message, dict) else {}

    def _read(self, deadline: Deadline) -> dict[str, Any]:
        while True:
            message = self._next_line()
            if message is not None:
                return message
            self._socket.settimeout(deadline.require("an answer of QEMU's monitor"))
            try:
                chunk = self._socket.recv(65536)
            except TimeoutError:
                continue
            except OSError as error:
                raise MachineError("monitor", "QEMU's monitor closed") from error
            if not chunk:
                raise MachineError("monitor", "QEMU has ended")
            self._buffer += chunk
            if len(self._buffer) > MAX_LINE_BYTES:
                raise MachineError("monitor", "QEMU's monitor sent an endless line")
