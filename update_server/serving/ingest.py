"""`camward-server ingest`: a process beside the server that takes in its share of the telemetry."""

import signal
import threading
import time
from collections.abc import Callable
from typing import NoReturn

from update_server.db.session import Database
from update_server.errors import ServerError
from update_server.fleet.ingest import Ingest, take_batch
from update_server.fleet.reading import Incoming
from update_server.fleet.sealed import SealingKeys
from update_server.pki.authority import ingest_files
from update_server.serving.link import Link, process_part
from update_server.settings import Settings

READY = "camward-server ingest {}: ready"
LEFT = "camward-server ingest {}: left"
WATCH_S = 0.2


def run(settings: Settings, database: Database, number: int, say: Callable[[str], None]) -> None:
    """Take messages in until SIGTERM or SIGINT.

    Raises:
        Misconfigured: the server has not made what this process needs.
        ServerError: the ingest has ended by a bug of ours.
    """
    stopping, ready = threading.Event(), False
    for wanted in (signal.SIGTERM, signal.SIGINT):
        signal.signal(wanted, lambda *_: stopping.set())
    link = _link(settings, database, number)
    link.start()
    try:
        while not stopping.wait(WATCH_S):
            if link.died():
                raise ServerError("The ingest has ended; its traceback is above.", "Start it again.")
            if not ready and link.connected.is_set():
                ready = True
                say(READY.format(number))
    finally:
        link.stop()


def leave(settings: Settings, database: Database, number: int, say: Callable[[str], None]) -> None:
    """Take in what the broker still holds for this process, end its session there, and drop its certificate.

    Raises:
        Misconfigured: the server has not made what this process needs.
        ServerError: the ingest has ended by a bug of ours.
    """
    link = _link(settings, database, number)
    link.leave()
    if link.died():
        raise ServerError("The ingest has ended; its traceback is above.", "Run it again.")
    for end in (".pem", ".key.pem"):
        (settings.path("pki") / (ingest_files(number) + end)).unlink()
    say(LEFT.format(number))


def _link(settings: Settings, database: Database, number: int) -> Link:
    ingest = Ingest(_never, _never, SealingKeys(settings.path("keys") / "sealing"))

    def take(batch: list[Incoming]) -> None:
        take_batch(database, ingest, batch, int(time.time()))  # no camera awaits a receipt for telemetry

    pki = settings.path("pki")
    return Link(settings.ingest_host, settings.ports.mqtt, pki, process_part(pki, number), take)


def _never(*_arguments: object) -> NoReturn:
    raise RuntimeError("a report came as telemetry")
