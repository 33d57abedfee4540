"""A man in the middle: shows a certificate of his own, reads everything, and passes it on to the real camera."""

import contextlib
import re
import socket
import ssl
from pathlib import Path

from tests.contract.camera.camera_process import make_certificate
from tests.contract.listening import Listening, between


class Middle(Listening):
    """Between a client and one camera.

    Attributes:
        honest: connections that are passed through untouched before he steps in.
        said, heard: what went to the camera and what came back, in the clear, as far as he could read it.
        answers: an answer of his own by the path that is asked for, in place of the camera's.
    """

    silence_s = 150.0  # a slow camera proves a new password on every service before it answers

    def __init__(self, folder: Path, camera_port: int, honest: int = 0) -> None:
        folder.mkdir()
        make_certificate(folder)
        self.honest = honest
        self.said, self.heard = b"", b""
        self.answers: dict[bytes, bytes] = {}
        self._camera_port = camera_port
        self._camera_certificate = ssl.get_server_certificate(("127.0.0.1", camera_port))
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
        self.certificate = ssl.PEM_cert_to_DER_cert((folder / "cert.pem").read_text())
        super().__init__()

    @property
    def where(self) -> str:
        return f"127.0.0.1:{self.port}"

    def converse(self, client: socket.socket) -> None:
        honest, self.honest = self.honest > 0, self.honest - 1
        with contextlib.ExitStack() as stack:
            camera = stack.enter_context(socket.create_connection(("127.0.0.1", self._camera_port), 30))
            if honest:
                between(client, camera)
                return
            read = stack.enter_context(self._context.wrap_socket(client, server_side=True))
            context = ssl.create_default_context(cadata=self._camera_certificate)
            context.check_hostname = False
            written = stack.enter_context(context.wrap_socket(camera))
            while request := _message(read):
                self.said += request
                own = next((answer for path, answer in self.answers.items() if request.startswith(path)), None)
                if own is None:
                    written.sendall(request)
                    own = _message(written)
                    self.heard += own
                read.sendall(own)


def _message(sock: ssl.SSLSocket) -> bytes:
    """One HTTP message; empty at the end of the connection."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = sock.recv(65_536)
        if not piece:
            return b""
        data += piece
    head, _, _ = data.partition(b"\r\n\r\n")
    found = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    length = len(head) + 4 + (int(found[1]) if found else 0)
    while len(data) < length:
        data += sock.recv(length - len(data))
    return data
