"""The hand-over file on disk while cameras are claimed: a password is in it, durably, before a camera hears of it.

Whenever the laptop dies, each password that a camera may have is in the file. What is in the file and unconfirmed may
never have been set; that is the price, and `handover check` pays it back.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agent.formats.errors import FormatError
from update_server.errors import BadInput, Conflict
from update_server.files import SECRET, Write, locked, read_small, write_atomic
from update_server.installer import handover
from update_server.installer.handover import CLAIMED, PLANNED, Account, Entry, Handover
from update_server.installer.sealing import Sealer
from update_server.installer.texts import Say


class Ledger:
    """One hand-over file, written by this process alone; threads may share it."""

    def __init__(self, path: Path, sealer: Sealer, entries: tuple[Entry, ...], write: Write) -> None:
        self._path = path
        self._write_file = write
        self._sealer = sealer
        self._entries = list(entries)
        self._lock = threading.Lock()

    def state_of(self, certificate: str) -> str:
        """What the file says of the camera with this certificate: CLAIMED, PLANNED, or empty."""
        with self._lock:
            states = {entry.state for entry in self._entries if entry.certificate == certificate}
        return CLAIMED if CLAIMED in states else PLANNED if PLANNED in states else ""

    def serial_of(self, certificate: str) -> str:
        """The serial number of the camera with this certificate, if the file has it: a claimed one does not tell it."""
        with self._lock:
            return next((entry.serial for entry in self._entries if entry.certificate == certificate), "")

    def plan(self, serial: str, certificate: str, account: Account) -> Entry:
        """Write down a password that is about to be set; durable when it returns.

        Raises:
            OSError: it is not in the file: do not set it.
            FormatError: the file is full: the same.
        """
        entry = handover.seal(self._sealer, serial, certificate, PLANNED, account)
        with self._lock:
            self._write([*self._entries, entry])
        return entry

    def drop(self, entry: Entry) -> None:
        """Forget a password that the camera has certainly not taken.

        Raises:
            OSError: it stays in the file, unconfirmed.
        """
        with self._lock:
            self._write([one for one in self._entries if one != entry])

    def confirm(self, entry: Entry, account: Account) -> None:
        """The camera has taken it: what else was planned for this camera has come to nothing.

        Raises:
            OSError: it stays in the file, unconfirmed.
        """
        done = handover.seal(self._sealer, entry.serial, entry.certificate, CLAIMED, account)
        with self._lock:
            planned = (one for one in self._entries if one.certificate == entry.certificate and one.state == PLANNED)
            gone = set(planned)
            self._write([*(one for one in self._entries if one not in gone), done])

    def _write(self, entries: list[Entry]) -> None:
        self._write_file(self._path, handover.encode(Handover(self._sealer.header, tuple(entries))))
        self._entries = entries


def read(path: Path, say: Say) -> Handover:
    """A hand-over file.

    Raises:
        BadInput: it cannot be read, or is none.
    """
    try:
        return handover.parse(read_small(path))
    except OSError as error:
        raise BadInput(say("file_unreadable", name=path, why=error.strerror), say("mend")) from None
    except FormatError as error:
        raise BadInput(say("handover_bad", name=path, why=error.detail)) from None


def _write_secret(path: Path, body: bytes) -> None:
    write_atomic(path, body, SECRET)


@contextmanager
def opened(path: Path, sealer: Sealer, say: Say, write: Write = _write_secret) -> Iterator[Ledger]:
    """The file, begun if it is not there; another process that has it is waited for.

    Raises:
        BadInput: it is no hand-over file.
        Conflict: it is sealed for somebody else.
        OSError: it cannot be written.
    """
    with locked(path.with_name(f".{path.name}.lock")):
        if path.exists():
            before = read(path, say)
            if before.recipient != sealer.header:
                raise Conflict(say("recipient_other", name=path))
            yield Ledger(path, sealer, before.entries, write)
        else:
            write(path, handover.encode(Handover(sealer.header, ())))
            yield Ledger(path, sealer, (), write)
