"""A front as an operator puts before broker and server at port 443: it sorts connections by what they say they speak.

It reads the ClientHello (RFC 8446, 4.1.2) and ends no TLS, as nginx with `ssl_preread` does (docs/operator.md).
"""

import socket

from tests.contract.listening import Listening, between

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


class Front(Listening):
    """Leads who names `mqtt` to one port, and everybody else to another.

    Attributes:
        met: the protocols that were named, of each connection.
    """

    def __init__(self, mqtt_port, else_port):
        self.met = []
        self._ports = mqtt_port, else_port
        super().__init__()

    def converse(self, connection):
        hello = b""
        while len(hello) < 5 or len(hello) < 5 + int.from_bytes(hello[3:5], "big"):
            piece = connection.recv(4096)
            if not piece:
                return
            hello += piece
        try:
            named = protocols(hello)
        except IndexError:  # no ClientHello
            return
        self.met.append(named)
        with socket.create_connection(("127.0.0.1", self._ports[b"mqtt" not in named])) as server:
            server.sendall(hello)
            between(connection, server)
