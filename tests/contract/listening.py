"""What the little servers of the contract tests share: they listen, converse with whoever comes, and can be ended."""

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Self

PIECE_BYTES = 65536
END_S = 30.0  # until the other half of a conversation has to be over as well


class Listening:
    """A listener; a subclass says in `converse` what it does with a connection, which is closed afterwards.

    What the other side does to a connection ends that one alone.

    Attributes:
        port: where it listens.
        silence_s: how long a conversation waits for the other side.
        at_once: each conversation has a thread of its own; otherwise one comes after the other, and after `close` all
            that was heard is there.
    """

    silence_s = 30.0
    at_once = True

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Begin; what `converse` needs has to be there before."""
        self._listener = socket.create_server((host, port))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def converse(self, connection: socket.socket) -> None:
        """Do what this server does."""
        raise NotImplementedError

    def close(self) -> None:
        """End it. Safe to repeat."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            if self.at_once:
                threading.Thread(target=self._one, args=(connection,), daemon=True).start()
            else:
                self._one(connection)

    def _one(self, connection: socket.socket) -> None:
        # A ValueError is TLS on a connection that is closed already.
        with contextlib.suppress(OSError, ValueError), connection:
            connection.settimeout(self.silence_s)
            self.converse(connection)


def between(client: socket.socket, server: socket.socket, heard: Callable[[bytes], None] | None = None) -> None:
    """Carry in both directions until both have ended; `heard` is told what goes to the server."""
    back = threading.Thread(target=_carry, args=(server, client), daemon=True)
    back.start()
    _carry(client, server, heard)
    back.join(END_S)


def _carry(source: socket.socket, sink: socket.socket, heard: Callable[[bytes], None] | None = None) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(PIECE_BYTES):
            if heard is not None:
                heard(piece)
            sink.sendall(piece)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
