"""Composes the camera: configuration in, a running application out. The only module that knows every other one."""

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from firmware_sim.camera.config import CameraConfig
from firmware_sim.camera.http_server import HttpServer
from firmware_sim.camera.listener import Door, Doorkeeper, bind
from firmware_sim.camera.login import Login, Service
from firmware_sim.camera.onvif.service import DeviceService, Maker
from firmware_sim.camera.pattern import TestPattern, level
from firmware_sim.camera.plain_door import SERVICE as PLAIN
from firmware_sim.camera.plain_door import PlainDoor
from firmware_sim.camera.privileges import drop_privileges
from firmware_sim.camera.rtsp import RtspServer
from firmware_sim.camera.tls import Issued, tls_context
from firmware_sim.camera.web.app import WebApp
from firmware_sim.camera.web.sessions import Sessions

MANUFACTURER = "Camward example"

MAX_WEB_CONNECTIONS = 24
"""Two browsers open six each; the rest is for tools."""

MAX_STREAMS = 8
"""Viewers at once on each RTSP listener: recorder, operator, and a few more."""

PLAIN_OPENINGS = 8
"""How often RTSP in the clear can be opened in one run; afterwards the camera restarts its program to open it."""

LOOK_FOR_CERTIFICATE_EVERY_S = 0.5

CM_PER_MARK = 10
"""Of the level staff in the test pattern."""


class Bound:
    """The camera's sockets, bound while the process still may; they do not listen yet."""

    def __init__(self, config: CameraConfig) -> None:
        """Bind.

        Raises:
            OSError: a port is taken or not permitted.
        """
        self.https = bind(config.address, config.https_port)
        self.rtsps = bind(config.address, config.rtsps_port)
        self.rtsp: list[socket.socket] = []
        if config.rtsp_port is not None:
            self.rtsp.append(bind(config.address, config.rtsp_port))
            port = self.rtsp[0].getsockname()[1]
            self.rtsp += [bind(config.address, port) for _ in range(1, PLAIN_OPENINGS if _gated(config) else 1)]
        self.discovery: socket.socket | None = None
        if config.discovery_port is not None:
            # Reads the agent's formats, which the ungated control's image has not.
            from firmware_sim.camera.discovery import bind_discovery

            self.discovery = bind_discovery(config.address, config.discovery_port)

    def close(self) -> None:
        """Close whatever is still open.

        Raises:
            Nothing: closing twice is closing.
        """
        for sock in (self.https, self.rtsps, *self.rtsp, self.discovery):
            if sock is not None:
                sock.close()

    def ports(self) -> dict[str, int]:
        """The ports by listener name, as bound.

        Raises:
            OSError: a socket was closed.
        """
        ports = {"https": self.https.getsockname()[1], "rtsps": self.rtsps.getsockname()[1]}
        if self.rtsp:
            ports["rtsp"] = self.rtsp[0].getsockname()[1]
        if self.discovery is not None:
            ports["discovery"] = self.discovery.getsockname()[1]
        return ports


def run(config: CameraConfig, login: Login) -> None:
    """Serve until SIGTERM or SIGINT. Until the certificate is there, every port stays closed.

    Raises:
        OSError: a port cannot be bound, or the certificate's files do not belong together.
        PrivilegeError: root could not be given up.
    """
    with contextlib.closing(Bound(config)) as bound:
        if config.run_as is not None:
            drop_privileges(config.run_as)
        stop = threading.Event()
        _on_signal(stop.set)
        if not _certificate_appears((config.certificate, config.key), stop):
            return
        keeper = Doorkeeper(_doors(config, login, bound))
        keeper.listen()
        _on_signal(keeper.stop)
        if stop.is_set():
            keeper.stop()
        if config.link is not None and _gated(config):
            _gauge(config.link, config.frames_per_second, keeper)
        if bound.rtsp and _gated(config):
            PlainDoor(login, lambda wanted: keeper.turn("rtsp", wanted)).start()
        with _discoverable(config, login, bound):
            ports = " ".join(f"{name}={port}" for name, port in bound.ports().items())
            print(f"camward-camera: ready {ports}", flush=True)
            keeper.run()
    print("camward-camera: stopped", flush=True)


def _gated(config: CameraConfig) -> bool:
    return config.mode == "gated"


def _gauge(link: Path, frames_per_second: int, keeper: Doorkeeper) -> None:
    """Tell the operator's back end what the gauge in the picture shows, and how many watch."""
    from firmware_sim.camera.gauge import Gauge

    def level_cm() -> int:
        return CM_PER_MARK * level(int(time.monotonic() * frames_per_second))

    Gauge(link, level_cm, lambda: keeper.guests(("rtsps", "rtsp"))).start()


@contextlib.contextmanager
def _discoverable(config: CameraConfig, login: Login, bound: Bound) -> Iterator[None]:
    """Answer those who look for cameras, if the configuration says so."""
    if bound.discovery is None:
        yield
        return
    from firmware_sim.camera.discovery import Discovery

    discovery = Discovery(bound.discovery, login, config.certificate, bound.ports()["https"])
    discovery.start()
    try:
        yield
    finally:
        discovery.stop()


def _on_signal(act: Callable[[], None]) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: act())


def _certificate_appears(files: tuple[Path, ...], stop: threading.Event) -> bool:
    """Wait until the agent has made the certificate readable for this account; False when told to stop instead."""
    if _readable(files):
        return not stop.is_set()
    print("camward-camera: waits for its certificate; all ports are closed", flush=True)
    while not _readable(files):
        if stop.wait(LOOK_FOR_CERTIFICATE_EVERY_S):
            return False
    return not stop.is_set()


def _readable(files: tuple[Path, ...]) -> bool:
    return all(os.access(file, os.R_OK) for file in files)


def _doors(config: CameraConfig, login: Login, bound: Bound) -> list[Door]:
    pattern = TestPattern()
    maker = Maker(MANUFACTURER, config.model, config.hardware, config.version)
    web = WebApp(
        login=login,
        pattern=pattern,
        sessions=Sessions(time.monotonic, lambda length: os.urandom(length).hex()),
        onvif=DeviceService(login, maker, time.time).handle,
        version=config.version,
        hosts=config.hosts,
        evidence_dir=config.evidence_dir,
        upload_dir=config.upload_dir,
        frame_number=lambda: int(time.monotonic() * config.frames_per_second),
    )
    tls = tls_context(config.certificate, config.key)
    Issued(config.certificate, config.key).serve(tls)

    def streams(service: Service, encrypted: bool) -> RtspServer:
        return RtspServer(login, pattern, config.frames_per_second, service, encrypted)

    doors = [
        Door("https", bound.https, HttpServer(web.handle).serve, tls, MAX_WEB_CONNECTIONS),
        Door("rtsps", bound.rtsps, streams("rtsp", encrypted=True).serve, tls, MAX_STREAMS),
    ]
    # The control variant's is open to all; the product's only while its owner has opened it.
    gated = _gated(config)
    plain = streams(PLAIN if gated else "rtsp", encrypted=False)
    doors += [Door("rtsp", sock, plain.serve, None, MAX_STREAMS, opens=not gated) for sock in bound.rtsp]
    return doors
