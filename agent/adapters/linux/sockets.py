"""The agent's local sockets: one JSON line in, one line out; authorised by file ownership and by the peer's user id."""

import os
import select
import selectors
import socket
import struct
from collections.abc import Callable
from pathlib import Path

from agent.formats.errors import Unavailable

MAX_LINE_BYTES = 4096  # agent.formats.login
MAX_CONNECTIONS = 32  # per socket; the camera keeps sixteen requests under way
MAX_ASKED = 1  # lines of a connection that wait for their answers, which say not whose they are: in order, or mixed up
BACKLOG = 32
_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid

Taken = Callable[[int, str, bytes], None]


class LineServer:
    """One listening Unix socket and its connections, driven by the main loop's selector."""

    most = MAX_CONNECTIONS
    most_asked = MAX_ASKED
    _numbers = 0

    def __init__(
        self,
        path: Path,
        name: str,
        mode: int,
        group: int,
        users: frozenset[int],
        max_line_bytes: int,
        selector: selectors.BaseSelector,
        taken: Taken,
    ) -> None:
        """Listen at `path`.

        Args:
            path: where; a socket left over from an earlier run is replaced.
            name: the service, handed to `taken`.
            mode: of the socket file.
            group: owner group of the socket file (set only when running as root).
            users: user ids whose processes may talk to us, whatever the file's mode says.
            max_line_bytes: longest line with its line feed; a longer one ends the connection.
            selector: of the main loop; each registered object's data is a function to call when it is ready.
            taken: called with connection number, service, and the line.

        Raises:
            Unavailable: the socket cannot be made.
        """
        self._name = name
        self._users = users
        self._max_line_bytes = max_line_bytes
        self._selector = selector
        self._taken = taken
        self._open: dict[int, Connection] = {}
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            before = os.umask(0o777 & ~mode)
            try:
                self._listener.bind(str(path))
            finally:
                os.umask(before)
            path.chmod(mode)
            if os.geteuid() == 0:
                os.chown(path, 0, group)
            self._listener.listen(BACKLOG)
        except OSError as error:
            raise Unavailable(f"socket {path}: {error.strerror or error}") from error
        selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def send(self, connection: int, line: bytes) -> None:
        """Answer a line if its connection is one of ours and still there; never blocks."""
        found = self._open.get(connection)
        if found is not None:
            found.answer(line)

    def close(self) -> None:
        """Stop listening and drop all connections."""
        self._selector.unregister(self._listener)
        self._listener.close()
        self._path.unlink(missing_ok=True)
        for connection in list(self._open.values()):
            connection.close()

    def _accept(self) -> None:
        try:
            client, _ = self._listener.accept()
        except OSError:
            return
        client.setblocking(False)
        credentials = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        _, user, _ = _CREDENTIALS.unpack(credentials)
        if user not in self._users or len(self._open) >= self.most:
            client.close()
            return
        LineServer._numbers += 1
        number = LineServer._numbers
        self._open[number] = Connection(
            client, self._selector, self._max_line_bytes, self.most_asked, self._line, self._gone, number
        )

    def _line(self, number: int, line: bytes) -> None:
        self._taken(number, self._name, line)

    def _gone(self, number: int) -> None:
        self._open.pop(number, None)


class Connection:
    """One client: lines in, lines out, both bounded. Of each client one line is handled in each turn of the main loop.

    While `most_asked` lines wait for their answers, or an answer cannot be sent, no more lines are taken; what a client
    sends in the meantime fills one line's room here, and then the kernel's.
    """

    def __init__(
        self,
        client: socket.socket,
        selector: selectors.BaseSelector,
        max_line_bytes: int,
        most_asked: int,
        line: Callable[[int, bytes], None],
        gone: Callable[[int], None],
        number: int,
    ) -> None:
        self._socket = client
        self._selector = selector
        self._max_line_bytes = max_line_bytes
        self._most_asked = most_asked
        self._line = line
        self._gone = gone
        self._number = number
        self._asked = 0
        self._read = b""
        self._unsent = b""
        self._wanted = 0
        self._hangup: select.epoll | None = None
        self._want(selectors.EVENT_READ)

    def answer(self, line: bytes) -> None:
        """Send the answer to a line."""
        self._asked -= 1
        self.put(line)

    def put(self, line: bytes) -> None:
        """Queue a line and send what goes at once."""
        if self._socket.fileno() >= 0:
            self._unsent += line
            self._ready()

    def unsent_bytes(self) -> int:
        """How much waits for the client to read."""
        return len(self._unsent)

    def close(self) -> None:
        """Forget the client; nothing happens the second time."""
        if self._socket.fileno() < 0:
            return
        self._watch(watched=False)
        self._want(0)
        self._socket.close()
        self._gone(self._number)

    def _ready(self) -> None:
        line = None
        try:
            if self._unsent:
                self._unsent = self._unsent[self._socket.send(self._unsent) :]
            else:
                line = self._take()
        except BlockingIOError:
            pass
        except OSError:
            self.close()
        if line is not None:
            self._asked += 1
            self._line(self._number, line)
        if self._socket.fileno() >= 0:
            wanted = self._next()
            self._want(wanted)
            self._watch(watched=wanted == 0)

    def _take(self) -> bytes | None:
        """The next line, if it may have its turn; reads no further than the first line that has to wait."""
        if b"\n" not in self._read:
            piece = self._socket.recv(self._max_line_bytes - len(self._read))
            if not piece:
                self.close()
                return None
            self._read += piece
        line, found, rest = self._read.partition(b"\n")
        if not found:
            if len(self._read) >= self._max_line_bytes:
                self.close()
            return None
        if self._asked >= self._most_asked:
            return None
        self._read = rest
        return line

    def _next(self) -> int:
        """What to wait for."""
        if self._unsent:
            return selectors.EVENT_WRITE
        if b"\n" not in self._read:
            return selectors.EVENT_READ  # also while answers are due: who goes away leaves its place to others
        # A line that is here already has its turn when the socket can be written to, which is at once.
        return selectors.EVENT_WRITE if self._asked < self._most_asked else 0

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

    def _watch(self, *, watched: bool) -> None:
        """Have the client's going away, and nothing else of it, close the connection."""
        if self._hangup is not None and not watched:
            self._selector.unregister(self._hangup)
            self._hangup.close()
            self._hangup = None
        elif self._hangup is None and watched:
            hangup = None
            try:
                hangup = select.epoll()  # `selectors` awaits no hang-up alone
                hangup.register(self._socket, 0)
                self._selector.register(hangup, selectors.EVENT_READ, self.close)
            except OSError:  # no descriptor is left: its own goes to others
                if hangup is not None:
                    hangup.close()
                self.close()
            else:
                self._hangup = hangup
