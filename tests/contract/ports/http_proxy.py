"""An HTTP proxy that connects (RFC 9110, 9.3.6), or answers whatever it likes."""

import socket
import time

from tests.contract.listening import Listening, between

REFUSAL = b"HTTP/1.1 %d No\r\nProxy-Authenticate: Basic realm=x\r\nContent-Length: 4\r\n\r\nno.\n"


class HttpProxy(Listening):
    """Leads a tunnel to 127.0.0.1, at the port that `leads` has for the one that was asked for.

    Attributes:
        asked: the requests' heads.
        carried: what went through tunnels towards servers.
        leads: port asked for -> port to lead to; `None`: 403.
    """

    def __init__(self, leads, answer=None, login=b""):
        """`answer(connection)` replaces the tunnel; `login` is what Proxy-Authorization has to be."""
        self.asked, self.carried, self.leads = [], b"", leads
        self._answer, self._login = answer, login
        super().__init__()

    def converse(self, connection):
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            piece = connection.recv(1)
            if not piece:
                return
            head += piece
        self.asked.append(head)
        if self._answer is not None:
            self._answer(connection)
            return
        if self._login and b"\r\nProxy-Authorization: Basic " + self._login + b"\r\n" not in head:
            connection.sendall(REFUSAL % 407)
            return
        port = self.leads.get(int(head.split(b" ")[1].rpartition(b":")[2]))
        if port is None:
            connection.sendall(REFUSAL % 403)
            return
        try:
            server = socket.create_connection(("127.0.0.1", port), 5)
        except OSError:
            connection.sendall(REFUSAL % 502)
            return
        with server:
            connection.sendall(b"HTTP/1.1 200 Connection established\r\nVia: 1.1 here\r\n\r\n")
            between(connection, server, self._carry)

    def _carry(self, piece):
        self.carried += piece


def endless(connection):
    for _ in range(10_000):
        connection.sendall(b"X-Header: " + b"x" * 4000 + b"\r\n")


def trickle(connection):
    for _ in range(300):
        connection.sendall(b"H")
        time.sleep(0.1)


ANSWERS = {
    "407": (lambda c: c.sendall(REFUSAL % 407), "the proxy wants a login, and none is set (407)"),
    "403": (lambda c: c.sendall(REFUSAL % 403), "the proxy forbids a connection with server.example:8443 (403)"),
    "502": (lambda c: c.sendall(REFUSAL % 502), "the proxy cannot reach server.example:8443 (502)"),
    "503": (lambda c: c.sendall(REFUSAL % 503), "the proxy cannot reach server.example:8443 (503)"),
    "504": (lambda c: c.sendall(REFUSAL % 504), "the proxy cannot reach server.example:8443 (504)"),
    "302": (lambda c: c.sendall(REFUSAL % 302), "the proxy refuses (302)"),
    "100": (lambda c: c.sendall(b"HTTP/1.1 100 Continue\r\n\r\n"), "the proxy's answer has no final status"),
    "nothing": (lambda c: None, "the proxy ended the connection"),
    "half a head": (lambda c: c.sendall(b"HTTP/1.1 200 OK\r\n"), "the proxy ended the connection"),
    "no HTTP": (lambda c: c.sendall(b"SSH-2.0-x\r\n\r\n"), "the proxy does not speak HTTP"),
    "more": (lambda c: c.sendall(b"HTTP/1.1 200 OK\r\n\r\n\x16\x03"), "the proxy says more than it was asked"),
    "endless": (endless, "the proxy's answer does not end"),
    "silence": (lambda c: c.recv(1), "the proxy is silent"),
    "trickle": (trickle, "the proxy is silent"),
}
