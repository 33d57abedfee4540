"""An HTTP proxy that connects (RFC 9110, 9.3.6), or answers whatever it likes."""

import contextlib
import socket
import threading
import time

REFUSAL = b"HTTP/1.1 %d No\r\nProxy-Authenticate: Basic realm=x\r\nContent-Length: 4\r\n\r\nno.\n"


class HttpProxy:
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
            threading.Thread(target=self._converse, args=(connection,), daemon=True).start()

    def _converse(self, connection):
        with contextlib.suppress(OSError), connection:
            connection.settimeout(30)
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
                back = threading.Thread(target=self._carry, args=(server, connection, False), daemon=True)
                back.start()
                self._carry(connection, server, True)
                back.join(30)

    def _carry(self, source, sink, counts):
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                if counts:
                    self.carried += piece
                sink.sendall(piece)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


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
