"""Somebody with a browser, a video player and the label in their hand: the camera's ordinary clients.

Everything goes over TLS with the certificate that the camera showed first (trust on first use, as a browser's exception
does it); another certificate later is refused.
"""

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from firmware_sim.demo.step import StepFailed
from firmware_sim.qemu.deadline import Deadline, wait_until

REQUEST_S = 60.0
"""A login costs the emulated camera some seconds of password hashing."""
PLAY_S = 90.0
"""ffmpeg connects, logs in, probes the stream and decodes one frame."""
PIECE_BYTES = 60 * 1024
"""As the camera's page sends them."""
JPEG_START = b"\xff\xd8\xff"
JPEG_END = b"\xff\xd9"
_SOAP = (
    '<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" '
    'xmlns:tds="http://www.onvif.org/ver10/device/wsdl" xmlns:tt="http://www.onvif.org/ver10/schema">'
    "<s:Body>{}</s:Body></s:Envelope>"
)


@dataclass(frozen=True)
class Place:
    """Where a camera's services are reached from here."""

    address: str
    https_port: int
    rtsps_port: int


@dataclass(frozen=True)
class Answer:
    """What the camera said."""

    status: int
    body: dict[str, Any]
    text: str

    @property
    def ok(self) -> bool:
        """Whether the camera did what it was asked."""
        return 200 <= self.status < 300


@dataclass(frozen=True)
class Played:
    """What a video player got."""

    ok: bool
    picture: bytes
    said: str


class Person:
    """One client of one camera, at its own network address."""

    def __init__(self, place: Place, source_address: str | None, folder: Path) -> None:
        """Become somebody who has not yet met the camera.

        Args:
            place: where the camera is.
            source_address: the address this person comes from; the system chooses if None.
            folder: existing folder for the pinned certificate.
        """
        self._place = place
        self._source = source_address
        self._pin = folder / f"camera-{place.https_port}.pem"
        self._http: httpx.Client | None = None

    def meet(self, deadline: Deadline) -> str:
        """Wait until the camera answers, and keep its certificate.

        Returns:
            The certificate, PEM.

        Raises:
            MachineError: code `deadline`.
        """
        seen: list[str] = []

        def look() -> bool:
            try:
                where = (self._place.address, self._place.https_port)
                seen.append(ssl.get_server_certificate(where, timeout=min(10.0, deadline.remaining_s() + 1.0)))
            except OSError:
                return False
            return True

        wait_until(look, deadline, "the camera's web page", poll_s=0.3)
        self._pin.write_text(seen[-1])
        self.close()
        return seen[-1]

    def get(self, path: str, auth: httpx.Auth | None = None) -> httpx.Response:
        """GET a page.

        Raises:
            httpx.HTTPError: no answer, or another certificate than the pinned one.
        """
        return self._client().get(path, auth=auth)

    def ask(self, path: str, fields: dict[str, str] | None = None) -> Answer:
        """GET an API path, or POST `fields` to it as JSON.

        Raises:
            httpx.HTTPError: no answer, or another certificate.
        """
        client = self._client()
        reply = client.get(path) if fields is None else client.post(path, json=fields)
        try:
            body = reply.json()
        except ValueError:
            body = {}
        return Answer(reply.status_code, body if isinstance(body, dict) else {}, reply.text)

    def upload(self, bundle: bytes) -> Answer:
        """Do what the page does with a chosen update bundle: upload it in pieces, and have it installed.

        Returns:
            The answer to the last request, or to the first that was refused.

        Raises:
            httpx.HTTPError: no answer.
        """
        answer = self.ask("/api/bundle", {"length": str(len(bundle))})
        headers = {"Camward-Upload": str(answer.body.get("ticket")), "Content-Type": "application/octet-stream"}
        for at in range(0, len(bundle), PIECE_BYTES):
            if not answer.ok:
                return answer
            reply = self._client().post(
                f"/api/bundle/piece?at={at}", content=bundle[at : at + PIECE_BYTES], headers=headers
            )
            answer = Answer(reply.status_code, dict(reply.json()), reply.text)
        reply = self._client().post(
            "/api/bundle/install", json={}, headers={"Camward-Upload": headers["Camward-Upload"]}
        )
        return Answer(reply.status_code, dict(reply.json()), reply.text)

    def snapshot(self, user: str, password: str) -> bytes:
        """Fetch a picture with a digest login.

        Raises:
            StepFailed: the camera gave none.
            httpx.HTTPError: no answer.
        """
        reply = self.get("/snapshot.jpg", httpx.DigestAuth(user, password))
        if reply.status_code != 200 or not is_jpeg(reply.content):
            raise StepFailed(f"the snapshot was refused ({reply.status_code})")
        return reply.content

    def onvif(self, operation: str, user: str | None = None, password: str = "") -> Answer:
        """Call an ONVIF operation (the XML inside the body), with a digest login if a user is given.

        Raises:
            httpx.HTTPError: no answer.
        """
        auth = httpx.DigestAuth(user, password) if user else httpx.Auth()
        headers = {"Content-Type": "application/soap+xml; charset=utf-8"}
        reply = self._client().post(
            "/onvif/device_service", content=_SOAP.format(operation).encode(), headers=headers, auth=auth
        )
        return Answer(reply.status_code, {}, reply.text)

    def play(self, user: str | None, password: str = "") -> Played:
        """Play the stream with ffmpeg until one frame is decoded.

        Raises:
            StepFailed: ffmpeg is missing or hangs.
        """
        who = f"{quote(user, safe='')}:{quote(password, safe='')}@" if user else ""
        url = f"rtsps://{who}{self._place.address}:{self._place.rtsps_port}/stream"
        command = ["ffmpeg", "-v", "error", "-nostdin", "-rtsp_transport", "tcp", "-i", url]
        command += ["-frames:v", "1", "-f", "image2pipe", "-c:v", "mjpeg", "-"]
        try:
            done = subprocess.run(command, capture_output=True, timeout=PLAY_S, check=False)
        except FileNotFoundError as error:
            raise StepFailed("ffmpeg is not installed; run `make setup`") from error
        except subprocess.TimeoutExpired as error:
            raise StepFailed(f"ffmpeg got no frame within {PLAY_S:.0f} s") from error
        said = done.stderr.decode(errors="replace").strip()
        return Played(done.returncode == 0 and is_jpeg(done.stdout), done.stdout, said)

    def close(self) -> None:
        """Close the browser: its session cookie is gone."""
        if self._http is not None:
            self._http.close()
            self._http = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _client(self) -> httpx.Client:
        if self._http is None:
            trust = ssl.create_default_context(cafile=str(self._pin))
            trust.check_hostname = False  # the certificate itself is pinned; a camera's name is its serial number
            transport = httpx.HTTPTransport(verify=trust, local_address=self._source)
            url = f"https://{self._place.address}:{self._place.https_port}"
            self._http = httpx.Client(base_url=url, transport=transport, timeout=REQUEST_S, trust_env=False)
        return self._http


def is_jpeg(data: bytes) -> bool:
    """Say whether `data` is a whole JPEG file."""
    return data.startswith(JPEG_START) and data.rstrip(b"\0").endswith(JPEG_END)
