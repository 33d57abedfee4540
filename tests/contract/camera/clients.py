"""The camera's users as tests need them: curl, ffmpeg, a browser-like HTTP client, and a raw socket."""

import http.client
import json
import socket
import ssl
import subprocess
from dataclasses import dataclass, field
from urllib.parse import quote

from tests.contract.camera.camera_process import CameraProcess

TIMEOUT_S = 40.0
DEVICE = "http://www.onvif.org/ver10/device/wsdl"
SCHEMA = "http://www.onvif.org/ver10/schema"


@dataclass
class Reply:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> dict:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()


@dataclass
class Browser:
    """Keeps cookies, verifies the certificate, follows nothing."""

    camera: CameraProcess
    cookies: dict[str, str] = field(default_factory=dict)

    def send(self, method: str, path: str, body: bytes = b"", **headers: str) -> Reply:
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self.camera.ports["https"], timeout=TIMEOUT_S, context=self.camera.tls()
        )
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        try:
            connection.request(method, path, body=body, headers=sent)
            response = connection.getresponse()
            reply = Reply(response.status, response.headers, response.read())
        finally:
            connection.close()
        for cookie in reply.headers.get_all("Set-Cookie", []):
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
        return reply

    def get(self, path: str, **headers: str) -> Reply:
        return self.send("GET", path, **headers)

    def post(self, path: str, value: object, **headers: str) -> Reply:
        return self.send("POST", path, json.dumps(value).encode(), **{"Content_Type": "application/json", **headers})


def curl(camera: CameraProcess, path: str, *arguments: str) -> tuple[int, bytes]:
    """(status, body) of a request by Debian's curl, certificate verified."""
    command = ["curl", "--silent", "--show-error", "--max-time", "40", "--cacert", str(camera.certificate)]
    command += ["--noproxy", "*", "--write-out", "\n%{http_code}", *arguments, camera.url + path]
    result = subprocess.run(command, capture_output=True, check=True, timeout=60)
    body, _, status = result.stdout.rpartition(b"\n")
    return int(status), body


def stream_url(camera: CameraProcess, scheme: str, user: str, password: str, path: str = "/stream") -> str:
    return f"{scheme}://{quote(user)}:{quote(password)}@127.0.0.1:{camera.ports[scheme]}{path}"


def decode_frames(url: str, frames: int = 2) -> subprocess.CompletedProcess[bytes]:
    """Debian's ffmpeg plays a stream and writes the decoded frames as raw grey video."""
    command = ["ffmpeg", "-nostdin", "-v", "error", "-xerror", "-probesize", "32", "-analyzeduration", "1"]
    command += ["-i", url, "-frames:v", str(frames), "-vf", "extractplanes=y", "-f", "rawvideo", "-"]
    return subprocess.run(command, capture_output=True, check=False, timeout=60)


def soap(operation: str) -> bytes:
    return (
        f'<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body xmlns="{DEVICE}" xmlns:tt="{SCHEMA}">'
        f"{operation}</s:Body></s:Envelope>"
    ).encode()


def raw(camera: CameraProcess, service: str) -> socket.socket | ssl.SSLSocket:
    """A connected socket that verifies the certificate where there is one."""
    sock = socket.create_connection(("127.0.0.1", camera.ports[service]), TIMEOUT_S)
    if service == "rtsp":
        return sock
    return camera.tls().wrap_socket(sock, server_hostname="127.0.0.1")


def read_to_end(sock: socket.socket) -> bytes:
    """Everything until the camera closes; a reset counts as closed."""
    data = b""
    try:
        while piece := sock.recv(65_536):
            data += piece
    except (ConnectionResetError, ssl.SSLEOFError, BrokenPipeError):
        pass
    return data


def send_and_read(sock: socket.socket, data: bytes) -> bytes:
    """Send as much as is taken, then read to the end."""
    try:
        sock.sendall(data)
    except (ConnectionResetError, BrokenPipeError, ssl.SSLEOFError):
        pass
    return read_to_end(sock)
