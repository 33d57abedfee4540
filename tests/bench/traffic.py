"""What lies between camera and servers in a benchmark of installations: a relay that counts, and a file server.

The relay sees what a network would carry above TCP: TLS records, handshakes and HTTP heads included.
"""

import http.server
import socket
import ssl
import threading
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Self

PIECE_BYTES = 64 * 1024
BACKLOG = 64
_RANGE_UNIT = "bytes="


class Relay:
    """Passes connections on, byte by byte, and counts what goes to the camera and what comes from it."""

    def __init__(self, listen: tuple[str, int], target: tuple[str, int]) -> None:
        """Listen; `target` may begin to do so later.

        Raises:
            OSError: the address is taken.
        """
        self._target = target
        self._door = socket.create_server(listen, backlog=BACKLOG)
        self.address: tuple[str, int] = self._door.getsockname()[:2]
        self._lock = threading.Lock()
        self._ends: set[socket.socket] = set()
        self._is_cut = False
        self.connections = 0
        self.to_camera_bytes = 0
        self.from_camera_bytes = 0
        threading.Thread(target=self._accept, name="relay", daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _shut(self._door)
        self._door.close()

    def cut(self) -> None:
        """End every connection, and each new one at once."""
        with self._lock:
            self._is_cut = True
            ends = list(self._ends)
        for end in ends:
            _shut(end)

    def mend(self) -> None:
        """Pass connections on again."""
        with self._lock:
            self._is_cut = False

    def _accept(self) -> None:
        while True:
            try:
                camera, _ = self._door.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self._target)
            except OSError:
                camera.close()
                continue
            with self._lock:
                is_cut = self._is_cut
                self.connections += 1
                self._ends |= {camera, server}
            if is_cut:
                _shut(camera)
                _shut(server)
            threading.Thread(target=self._serve, args=(camera, server), name="relay", daemon=True).start()

    def _serve(self, camera: socket.socket, server: socket.socket) -> None:
        with camera, server:
            for end in (camera, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            back = threading.Thread(target=self._carry, args=(camera, server, False), name="relay", daemon=True)
            back.start()
            self._carry(server, camera, True)
            back.join()
        with self._lock:
            self._ends -= {camera, server}

    def _carry(self, source: socket.socket, sink: socket.socket, to_camera: bool) -> None:
        try:
            while piece := source.recv(PIECE_BYTES):
                with self._lock:
                    if to_camera:
                        self.to_camera_bytes += len(piece)
                    else:
                        self.from_camera_bytes += len(piece)
                sink.sendall(piece)
        except OSError:
            pass
        _shut(sink)
        _shut(source)


def _shut(end: socket.socket) -> None:
    try:
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


class _Files(http.server.SimpleHTTPRequestHandler):
    """Files with ranges and kept connections, as any web server gives them out."""

    protocol_version = "HTTP/1.1"
    folder = Path()

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def _answer(self, *, with_body: bool) -> None:
        path = self.folder / self.path.lstrip("/")
        if "/" in self.path.lstrip("/") or not path.is_file():
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        length = path.stat().st_size
        first, last = 0, length - 1
        wanted = self.headers.get("Range", "")
        if wanted.startswith(_RANGE_UNIT):
            begin, _, end = wanted.removeprefix(_RANGE_UNIT).partition("-")
            first, last = int(begin), min(int(end), last) if end else last
            self.send_response(HTTPStatus.PARTIAL_CONTENT)
            self.send_header("Content-Range", f"bytes {first}-{last}/{length}")
        else:
            self.send_response(HTTPStatus.OK)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(last - first + 1))
        self.end_headers()
        if not with_body:
            return
        with path.open("rb") as file:
            file.seek(first)
            left = last - first + 1
            while left:
                piece = file.read(min(left, PIECE_BYTES))
                self.wfile.write(piece)
                left -= len(piece)


class FileServer:
    """Gives out the files of a folder over TLS."""

    def __init__(self, listen: tuple[str, int], folder: Path, certificate: Path) -> None:
        """Serve from now on; `certificate` holds the key, too.

        Raises:
            OSError: the address is taken.
        """
        handler = type("_FilesOf", (_Files,), {"folder": folder})
        self._server = http.server.ThreadingHTTPServer(listen, handler, bind_and_activate=True)
        self._server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self._server.serve_forever, name="files", daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
