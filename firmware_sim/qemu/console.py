"""The serial console of a machine: a bounded record of what came out, and a way to type."""

import re
import socket
import threading
from collections.abc import Sequence

from firmware_sim.qemu.deadline import Deadline
from firmware_sim.qemu.errors import MachineError

KEEP_BYTES = 4 << 20
"""A boot prints about 30 kB; what is older than the last 4 MiB is in the log file only."""
TAIL_BYTES = 16384
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
"""Colours and cursor movements, which would spill into the reader's terminal."""
TAIL_LINES = 12
"""Lines of console quoted in an error: a kernel panic's first lines fit."""
ROOM_BYTES = 8 << 20
_SO_SNDBUFFORCE = 32  # socket(7); Python has no name for it


def pair() -> tuple[socket.socket, socket.socket]:
    """Our end and QEMU's, which holds what is printed while nobody reads: virtconsole drops what the socket refuses.

    A terminal's output comes 16 bytes at a time, each of which takes hundreds of the socket's room.
    """
    ours, theirs = socket.socketpair()
    try:
        theirs.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, ROOM_BYTES)
    except PermissionError:  # only root may go beyond the system's limit
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, ROOM_BYTES)
    return ours, theirs


class Console:
    """What a machine printed, across power cycles. Reading is done by a thread of its own.

    Waiting works like `expect`: each match moves a cursor, and the next wait starts behind it, so that a marker of an
    earlier boot is not taken for this one's.
    """

    def __init__(self, keep_bytes: int = KEEP_BYTES) -> None:
        """Make an unattached console; `attach` connects it."""
        self._keep_bytes = keep_bytes
        self._text = bytearray()
        self._dropped_bytes = 0
        self._cursor = 0
        self._changed = threading.Condition()
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._open = False

    def attach(self, connection: socket.socket) -> None:
        """Read from `connection` (now owned by us) until it ends."""
        self.detach()
        with self._changed:
            self._socket = connection
            self._open = True
        self._thread = threading.Thread(target=self._read, args=(connection,), name="console", daemon=True)
        self._thread.start()

    def detach(self) -> None:
        """Close the connection, keeping what was read. The bytes still on their way are read first."""
        if self._thread is not None:
            # A QEMU that has ended closed its end, so the reader sees the end of the stream by itself.
            self._thread.join(timeout=1.0)
        with self._changed:
            connection, self._socket = self._socket, None
        if connection is not None:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if connection is not None:
            connection.close()

    def send(self, text: str) -> None:
        """Type `text` on the console; the caller adds the line end.

        Raises:
            MachineError: code `console` when nothing is attached.
        """
        connection = self._socket
        if connection is None:
            raise MachineError("console", "the console is not connected", "switch the machine on first")
        try:
            connection.sendall(text.encode())
        except OSError as error:
            raise MachineError("console", "the console closed while typing") from error

    def wait_for(self, marker: str, deadline: Deadline, *, unless: Sequence[str] = ()) -> str:
        """Wait until `marker` is printed, and return everything printed since the last wait, marker included.

        Args:
            marker: plain text.
            deadline: when to give up.
            unless: texts that mean it will never come, e.g. `Kernel panic`.

        Raises:
            MachineError: code `deadline`; code `console` if the machine ended or printed one of `unless`.
        """
        return self.wait_for_any((marker,), deadline, unless=unless)[1]

    def wait_for_any(
        self, markers: Sequence[str], deadline: Deadline, *, unless: Sequence[str] = ()
    ) -> tuple[str, str]:
        """Wait for the first of several markers.

        Returns:
            The marker that was printed first, and the text as in `wait_for`.

        Raises:
            MachineError: as `wait_for`.
        """
        wanted = " or ".join(repr(marker) for marker in markers)
        with self._changed:
            while True:
                end, found = self._first(markers)
                bad_end, bad = self._first(unless)
                if bad and (not found or bad_end < end):
                    raise MachineError("console", f"the console printed {bad!r} instead of {wanted}:\n{self._tail()}")
                if found:
                    start = max(self._cursor - self._dropped_bytes, 0)
                    text = self._text[start:end].decode(errors="replace")
                    self._cursor = self._dropped_bytes + end
                    return found, text
                if not self._open:
                    raise MachineError("console", f"the machine ended before it printed {wanted}:\n{self._tail()}")
                left_s = deadline.remaining_s()
                if left_s <= 0.0:
                    raise MachineError(
                        "deadline",
                        f"waited {deadline.after_s:.0f} s in vain for {wanted} on the console:\n{self._tail()}",
                    )
                self._changed.wait(left_s)

    def skip(self) -> None:
        """Move the cursor behind everything printed so far: the next wait sees only what is new."""
        with self._changed:
            self._cursor = self._dropped_bytes + len(self._text)

    def text(self) -> str:
        """Return what is kept, of all power cycles."""
        with self._changed:
            return self._text.decode(errors="replace")

    def tail(self, lines: int = TAIL_LINES) -> str:
        """Return the last lines printed."""
        with self._changed:
            return self._tail(lines)

    def _tail(self, lines: int = TAIL_LINES) -> str:
        kept = _ANSI.sub("", self._text[-TAIL_BYTES:].decode(errors="replace")).replace("\r", "").rstrip().split("\n")
        return "\n".join("    | " + line for line in kept[-lines:])

    def _first(self, markers: Sequence[str]) -> tuple[int, str]:
        """Find the earliest marker behind the cursor: its end in the kept text, and itself."""
        start = max(self._cursor - self._dropped_bytes, 0)
        best, which = len(self._text) + 1, ""
        for marker in markers:
            at = self._text.find(marker.encode(), start)
            if at >= 0 and at + len(marker.encode()) < best:
                best, which = at + len(marker.encode()), marker
        return best, which

    def _read(self, connection: socket.socket) -> None:
        while True:
            try:
                chunk = connection.recv(65536)
            except OSError:
                chunk = b""
            with self._changed:
                if not chunk:
                    self._open = False
                    self._changed.notify_all()
                    return
                self._text += chunk
                surplus = len(self._text) - self._keep_bytes
                if surplus > 0:
                    del self._text[:surplus]
                    self._dropped_bytes += surplus
                self._changed.notify_all()
