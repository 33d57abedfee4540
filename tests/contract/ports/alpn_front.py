"""A front as an operator puts before broker and server at port 443: it sorts connections by what they say they speak.

It reads the ClientHello (RFC 8446, 4.1.2) and ends no TLS, as nginx with `ssl_preread` does (docs/operator.md).
"""

import contextlib
import socket
import threading

ALPN_EXTENSION = 16  # RFC 7301, 3.1


def protocols(hello):
    """The protocols that a ClientHello names; `hello` is the record that holds it."""
    at = 5 + 4 + 2 + 32  # record and handshake header, version, random
    at += 1 + hello[at]
    at += 2 + int.from_bytes(hello[at : at + 2], "big")
    at += 1 + hello[at]
    end = at + 2 + int.from_bytes(hello[at : at + 2], "big")
    at += 2
    while at < end:
        kind, size = int.from_bytes(hello[at : at + 2], "big"), int.from_bytes(hello[at + 2 : at + 4], "big")
        if kind == ALPN_EXTENSION:
            found, inside = [], at + 6
            while inside < at + 4 + size:
                found.append(hello[inside + 1 : inside + 1 + hello[inside]])
                inside += 1 + hello[inside]
            return found
        at += 4 + size
    return []


class Front:
    """Leads who names `mqtt` to one port, and everybody else to another.

    Attributes:
        met: the protocols that were named, of each connection.
    """

    def __init__(self, mqtt_port, else_port):
        self.met = []
        self._ports = mqtt_port, else_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._lead, args=(connection,), daemon=True).start()

    def _lead(self, connection):
        with contextlib.suppress(OSError, IndexError), connection:
            connection.settimeout(30)
            hello = b""
            while len(hello) < 5 or len(hello) < 5 + int.from_bytes(hello[3:5], "big"):
                piece = connection.recv(4096)
                if not piece:
                    return
                hello += piece
            named = protocols(hello)
            self.met.append(named)
            with socket.create_connection(("127.0.0.1", self._ports[b"mqtt" not in named])) as server:
                server.sendall(hello)
                back = threading.Thread(target=self._carry, args=(server, connection), daemon=True)
                back.start()
                self._carry(connection, server)
                back.join(30)

    @staticmethod
    def _carry(source, sink):
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                sink.sendall(piece)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)
