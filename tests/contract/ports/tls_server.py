"""A TLS server whose every answer is made by hand, byte by byte, and certificates for it."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

MAX_REQUEST_BYTES = 64 * 1024

Behaviour = Callable[[ssl.SSLSocket], object]
"""Answers one request on this connection; returning true closes it."""


def certificate(folder, name, address, names=()):
    """A self-signed certificate and its key, as files; the certificate's PEM. With `names` it is for these instead."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    sans = [x509.DNSName(one) for one in names] or [x509.IPAddress(ip_address(address))]
    made = (
        x509.CertificateBuilder()
        .subject_name(subject).issuer_name(subject).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(sans), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    pem = made.public_bytes(serialization.Encoding.PEM)
    (folder / f"{name}.pem").write_bytes(pem)
    (folder / f"{name}.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return pem.decode()


class Server:
    """Serves `files` honestly; a path in `hostile` is answered by its behaviour instead.

    Attributes:
        asked: every request's path, in order; `heads` what came with it.
        connections: how many there were.
        mute: connections that are accepted and not spoken to.
        over: set when everything ends.
    """

    def __init__(self, folder):
        self.ca = certificate(folder, "server", "127.0.0.1")
        self.files = {}
        self.hostile = {}
        self.asked = []
        self.heads = []
        self.over = threading.Event()
        self.connections = 0
        self.mute = 0
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(folder / "server.pem", folder / "server.key")
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._open = set()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def url(self):
        return f"https://127.0.0.1:{self.port}"

    def close(self):
        """End every connection and thread."""
        if self.over.is_set():
            return
        self.over.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._threads[0].join()
        for handle in list(self._open):
            _hang_up(handle)
        for thread in self._threads[1:]:
            thread.join()

    def _accept(self):
        while True:
            try:
                raw, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(raw,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, raw):
        # A descriptor of our own, to end the connection with: TLS takes the other one away.
        with raw.dup() as handle:
            self._open.add(handle)
            with contextlib.suppress(OSError, ValueError):
                self._converse(raw)
            self._open.discard(handle)
            raw.close()
            _hang_up(handle)

    def _converse(self, raw):
        if self.mute:
            self.mute -= 1
            until_closed(raw)
            return
        with self._context.wrap_socket(raw, server_side=True) as connection:
            while self._answer(connection):
                pass

    def _answer(self, connection):
        head = _request_head(connection)
        if head is None:
            return False
        path = head.split(b" ", 2)[1].decode()
        self.heads.append(head)
        self.asked.append(path)
        behaviour = self.hostile.get(path)
        if behaviour is not None:
            return not behaviour(connection)
        body = self.files.get(path)
        status = b"404 Not Found" if body is None else b"200 OK"
        body = b"no" if body is None else body
        connection.sendall(b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body))
        return True


def _request_head(connection):
    """The head of the next request, None at the end; a body stays unread."""
    head = b""
    while b"\r\n\r\n" not in head:
        piece = connection.recv(1)
        if not piece or len(head) > MAX_REQUEST_BYTES:
            return None
        head += piece
    return head


def _hang_up(handle):
    with contextlib.suppress(OSError):
        handle.shutdown(socket.SHUT_RDWR)


def until_closed(connection):
    """Wait, in silence, until the other side is gone."""
    while connection.recv(4096):
        pass
