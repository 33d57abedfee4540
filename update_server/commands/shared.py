"""What the commands share: opening the services, printing tables or JSON, and errors as one line."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from update_server import terminal
from update_server.errors import BadInput, ServerError
from update_server.files import in_use, read_small

if TYPE_CHECKING:  # a command that uses none of these starts without them
    from update_server.db.session import Database
    from update_server.services import Services

PASSPHRASE_VARIABLE = "CAMWARD_OFFLINE_PASSPHRASE"  # noqa: S105  (a variable's name)
DURATIONS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}

Dir = Annotated[Path, typer.Option("--dir", "-d", envvar="CAMWARD_DIR", help="The server's folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
OfflineKeys = Annotated[
    Path | None, typer.Option("--offline-keys", help="The folder of the offline keys. Default: DIR.offline")
]
PassphraseFile = Annotated[
    Path | None,
    typer.Option("--passphrase-file", help=f"Holds the offline keys' passphrase. Default: ${PASSPHRASE_VARIABLE}"),
]
ByFactory = Annotated[
    bool, typer.Option("--by-factory", help="Without a secret: cameras show their factory certificates instead.")
]
HERE = Path()


@contextmanager
def opened(folder: Path) -> Iterator["Services"]:
    """The services of the server in `folder`, closed at the end.

    Raises:
        Misconfigured: it cannot be opened.
        Conflict: its database is being moved.
        ServerError: the database fails meanwhile.
    """
    from update_server import settings
    from update_server.services import Services

    with in_use(folder), database_trouble():
        services = Services(settings.load(folder))
        try:
            yield services
        finally:
            services.close()


@contextmanager
def database(folder: Path) -> Iterator["Database"]:
    """The database of the server in `folder`, for commands that need nothing else of it; closed at the end.

    Raises:
        Misconfigured: it cannot be opened.
        Conflict: it is being moved.
        ServerError: it fails meanwhile.
    """
    from update_server import settings
    from update_server.db.session import Database, check_schema

    with in_use(folder), database_trouble():
        found = Database(settings.load(folder).database_url)
        try:
            check_schema(found)
            yield found
        finally:
            found.close()


@contextmanager
def database_trouble() -> Iterator[None]:
    """Turn what only the operator can mend in the database, such as a full disk, into an error of one line.

    Raises:
        ServerError: instead of SQLAlchemy's OperationalError.
    """
    from sqlalchemy.exc import OperationalError

    try:
        yield
    except OperationalError as error:
        raise ServerError(f"The database cannot be used: {error.orig}.", "Mend that, and run it again.") from error


def now() -> int:
    """Unix seconds."""
    return int(time.time())


def operator_name() -> str:
    """Who is at the console, for the audit log."""
    return "console:" + os.environ.get("SUDO_USER", os.environ.get("USER", str(os.getuid())))


printable = terminal.printable
print_json = terminal.print_json
print_table = terminal.print_table


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show on a terminal's stderr how far long work has come: call what it gives with bytes done and bytes in all."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def local_time(at: int | None) -> str:
    """A time for people, in UTC and said so."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if at else "never"


def duration(text: str) -> int:
    """Read `90s`, `15m`, `1h`, `2d`.

    Raises:
        BadInput: it is none of these.
    """
    number, unit = text[:-1], text[-1:]
    if unit not in DURATIONS or not number.isascii() or not number.isdigit() or not 0 < int(number) < 10**6:
        raise BadInput(f"{text!r} is no duration.", "Write for example 90s, 15m, 1h or 2d.")
    return int(number) * DURATIONS[unit]


def passphrase(file: Path | None) -> bytes | None:
    """The offline keys' passphrase from a file or the environment; None if neither is given.

    Raises:
        BadInput: the file cannot be read or is empty.
    """
    if file is None:
        return os.environ[PASSPHRASE_VARIABLE].encode() if os.environ.get(PASSPHRASE_VARIABLE) else None
    try:
        value = read_small(file).strip()
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error.strerror}.", "Name another --passphrase-file.") from None
    if not value:
        raise BadInput(f"{file} is empty.", "Write the passphrase into it.")
    return value


def folder_passphrase(folder: Path, file: Path | None) -> bytes:
    """The passphrase of the offline keys in `folder`; one that init made up is found beside them.

    Raises:
        BadInput: it is not known.
    """
    found = passphrase(file)
    made_up = folder / "passphrase"
    if found is None and made_up.is_file():
        found = passphrase(made_up)
    if found is None:
        raise BadInput(
            "The offline keys need their passphrase.", f"Give --passphrase-file, or set {PASSPHRASE_VARIABLE}."
        )
    return found


def default_offline(folder: Path) -> Path:
    """Where the offline keys are when nobody says otherwise."""
    absolute = folder.absolute()
    return absolute.with_name(absolute.name + ".offline")
