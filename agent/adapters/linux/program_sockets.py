"""The sockets of the camera's other programs: as the agent's other ones, but no program gets more than its turn."""

import selectors
import socket
from collections.abc import Callable

from agent.adapters.linux.sockets import Connection, LineServer

MAX_PROGRAM_CONNECTIONS = 4  # of one program
MAX_ASKED = 8  # requests of one connection that wait for their answers; then nothing more is read
MAX_UNSENT_BYTES = 64 * 1024  # to a program that does not read; then its connection ends


class ProgramServer(LineServer):
    """The socket of one program, driven by the main loop's selector."""

    most = MAX_PROGRAM_CONNECTIONS

    def push(self, connection: int, line: bytes) -> None:
        """Send a line that is no answer, if the connection is one of ours and still there; never blocks."""
        found = self._open.get(connection)
        if isinstance(found, TurnConnection):
            found.push(line)

    def _made(self, client: socket.socket, number: int) -> Connection:
        return TurnConnection(client, self._selector, self._max_line_bytes, self._line, self._gone, number)


class TurnConnection(Connection):
    """One client, of whom one line is handled in each turn of the main loop, however many have come."""

    def __init__(
        self,
        client: socket.socket,
        selector: selectors.BaseSelector,
        max_line_bytes: int,
        line: Callable[[int, bytes], None],
        gone: Callable[[int], None],
        number: int,
    ) -> None:
        self._asked = 0
        self._wanted = selectors.EVENT_READ
        super().__init__(client, selector, max_line_bytes, line, gone, number)

    def send(self, line: bytes) -> None:
        """Answer a line."""
        self._asked -= 1
        self._put(line)

    def push(self, line: bytes) -> None:
        """Send what nobody has asked for; a client that does not read is left."""
        if len(self._unsent) + len(line) > MAX_UNSENT_BYTES:
            self.close()
        else:
            self._put(line)

    def close(self) -> None:
        """Forget the client; nothing happens the second time."""
        if self._socket.fileno() < 0:
            return
        self._want(0)
        self._socket.close()
        self._gone(self._number)

    def _put(self, line: bytes) -> None:
        if self._socket.fileno() >= 0:
            self._unsent += line
            self._ready()

    def _ready(self) -> None:
        try:
            if self._unsent:
                self._unsent = self._unsent[self._socket.send(self._unsent) :]
            elif self._asked < MAX_ASKED:
                self._take()
        except BlockingIOError:
            pass
        except OSError:
            self.close()
        if self._socket.fileno() >= 0:
            self._want(self._next())

    def _take(self) -> None:
        if b"\n" not in self._read:
            piece = self._socket.recv(self._max_line_bytes - len(self._read))
            if not piece:
                self.close()
                return
            self._read += piece
        line, found, rest = self._read.partition(b"\n")
        if found:
            self._read = rest
            self._asked += 1
            self._line(self._number, line)
        elif len(self._read) >= self._max_line_bytes:
            self.close()

    def _next(self) -> int:
        """What to wait for."""
        if self._unsent:
            return selectors.EVENT_WRITE
        if self._asked >= MAX_ASKED:
            return 0
        # A line that is here already has its turn when the socket can be written to, which is at once.
        return selectors.EVENT_WRITE if b"\n" in self._read else selectors.EVENT_READ

    def _want(self, events: int) -> None:
        if events == self._wanted:
            return
        if events == 0:
            self._selector.unregister(self._socket)
        elif self._wanted == 0:
            self._selector.register(self._socket, events, self._ready)
        else:
            self._selector.modify(self._socket, events, self._ready)
        self._wanted = events
