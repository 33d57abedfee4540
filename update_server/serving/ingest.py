"""`camward-server ingest`: a process beside the server that takes in its share of the telemetry."""

import logging
import signal
import time
from collections.abc import Callable
from typing import NoReturn

from update_server.db.session import Database
from update_server.errors import Misconfigured, ServerError
from update_server.fleet.ingest import Ingest, take_batch
from update_server.fleet.reading import Incoming
from update_server.fleet.sealed import SealingKeys
from update_server.serving.link import Link, link_files, process_part
from update_server.settings import Settings

READY = "camward-server ingest {}: ready"
LEFT = "camward-server ingest {}: left"
WATCH_S = 0.2
AGAIN_S = 1.0  # until files that do not fit each other are looked at again
LOG = logging.getLogger("camward.ingest")


def run(settings: Settings, database: Database, number: int, say: Callable[[str], None]) -> None:
    """Take messages in until SIGTERM or SIGINT; with new files when the CA or the certificate has changed.

    Raises:
        Misconfigured: the server has not made what this process needs.
        ServerError: the ingest has ended by a bug of ours.
    """
    told: list[int] = []  # no lock, which the loop might hold when the signal interrupts it
    ready = False
    for wanted in (signal.SIGTERM, signal.SIGINT):
        signal.signal(wanted, lambda number, _frame: told.append(number))
    stamp = _stamp(settings, number)
    link = _link(settings, database, number)
    link.start()
    try:
        while not told:
            time.sleep(WATCH_S)
            if link.died():
                raise ServerError("The ingest has ended; its traceback is above.", "Start it again.")
            if not ready and link.connected.is_set():
                ready = True
                say(READY.format(number))
            if (now := _stamp(settings, number)) != stamp:
                try:
                    fresh = _link(settings, database, number)
                except (Misconfigured, OSError) as error:  # half of them are written yet
                    LOG.warning("The new certificates cannot be read yet: %s", error)
                    time.sleep(AGAIN_S)
                    continue
                LOG.warning("The certificates have changed: connecting with the new ones.")
                link.stop()  # its session stays at the broker, with what it has not acknowledged
                stamp, link = now, fresh
                link.start()
    finally:
        link.stop()


def _stamp(settings: Settings, number: int) -> list[tuple[int, int]]:
    """By what a change of the files that a connection is made with is known: each is replaced as a whole."""
    found = []
    for path in link_files(settings.path("pki"), number):
        try:
            known = path.stat()
        except OSError:  # the server makes them anew
            found.append((0, 0))
        else:
            found.append((known.st_ino, known.st_mtime_ns))
    return found


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
    _, *own = link_files(settings.path("pki"), number)
    for path in own:
        path.unlink()
    say(LEFT.format(number))


def _link(settings: Settings, database: Database, number: int) -> Link:
    ingest = Ingest(_never, _never, SealingKeys(settings.path("keys") / "sealing"))

    def take(batch: list[Incoming]) -> None:
        take_batch(database, ingest, batch, int(time.time()))  # no camera awaits a receipt for telemetry

    pki = settings.path("pki")
    return Link(settings.ingest_host, settings.ports.mqtt, pki, process_part(pki, number), take)


def _never(*_arguments: object) -> NoReturn:
    raise RuntimeError("a report came as telemetry")
