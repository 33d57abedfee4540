"""What the commands share: options, the file's recipient, cameras that are met many at a time."""

import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Annotated, NamedTuple, TypeVar

import typer

from agent.formats.errors import FormatError
from update_server.errors import BadInput, Conflict
from update_server.files import read_small
from update_server.installer import ledger, sealing
from update_server.installer.looking import Place, discover, places
from update_server.installer.sealing import MIN_PASSPHRASE_CHARACTERS, Sealer, WithKey, WithPassphrase
from update_server.installer.texts import Say
from update_server.terminal import printable

MAX_PARALLEL = 16

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Addresses = Annotated[
    list[str] | None,
    typer.Option("--address", help="Instead of looking: 192.0.2.7, 192.0.2.7:8443, 192.0.2.0/28. May be repeated."),
]
Seconds = Annotated[float, typer.Option("--seconds", min=1.0, max=60.0, help="How long to listen for answers.")]
Parallel = Annotated[int, typer.Option("--parallel", min=1, max=MAX_PARALLEL, help="Cameras at the same time.")]
PassphraseFile = Annotated[
    Path | None, typer.Option("--passphrase-file", help="Holds the file's passphrase. Default: it is asked for.")
]
KeyFile = Annotated[Path | None, typer.Option("--key", help="The office's private key.")]

T = TypeVar("T")
R = TypeVar("R")


class Settings(NamedTuple):
    """What holds for every command."""

    say: Say


def say_of(context: typer.Context) -> Say:
    """The texts in the language of this run."""
    settings: Settings = context.obj
    return settings.say


def note(text: str) -> None:
    """Tell the person something that is no result."""
    sys.stderr.write(printable(text) + "\n")


def state_text(state: str, say: Say) -> str:
    """A camera's state in words; what nobody told is unknown."""
    return say(f"state_{state}" if state in ("unclaimed", "claimed", "locked", "planned") else "state_unknown")


def targets(addresses: Sequence[str] | None, seconds: float, say: Say) -> tuple[dict[Place, dict[str, str]], int]:
    """Where to look: the given addresses, or what answers; and how many other devices have answered.

    Raises:
        BadInput: an address is none.
    """
    if addresses:
        return {place: {} for place in places(addresses, say)}, 0
    note(say("looking"))
    found = discover(seconds)
    return found.cameras, found.others


def side_by_side(work: Callable[[T], R], items: Sequence[T], parallel: int) -> Iterator[tuple[T, R]]:
    """Do this for all of them, so many at a time; results as they come.

    Raises:
        Whatever the work raises.
    """
    with ThreadPoolExecutor(max_workers=parallel) as pool:
        running = {pool.submit(work, item): item for item in items}
        try:
            for done in as_completed(running):
                yield running[done], done.result()
        finally:
            for other in running:
                other.cancel()


def read_hand(path: Path, say: Say) -> bytes:
    """A small file that a person named.

    Raises:
        BadInput: it cannot be read.
    """
    try:
        return read_small(path)
    except OSError as error:
        raise BadInput(say("file_unreadable", name=path, why=error.strerror)) from None


def sealer_for(path: Path, to: Path | None, passphrase_file: Path | None, say: Say) -> Sealer:
    """For whom the hand-over file `path` is sealed, which may be there already.

    Raises:
        BadInput: nobody was named, or two were, or it is no key.
        Conflict: the file there is sealed for somebody else.
    """
    before = ledger.read(path, say).recipient if path.exists() else None
    if to is not None:
        if passphrase_file is not None:
            raise BadInput(say("recipient_both"))
        try:
            return sealing.read_public(read_hand(to, say))
        except FormatError as error:
            raise BadInput(say("recipient_key", name=to, why=error.detail)) from None
    if before is not None and "x25519" in before:
        raise Conflict(say("recipient_other", name=path))
    passphrase = _passphrase(passphrase_file, confirm=before is None, say=say)
    if before is None and len(passphrase) < MIN_PASSPHRASE_CHARACTERS:
        raise BadInput(say("passphrase_short", least=MIN_PASSPHRASE_CHARACTERS))
    try:
        return WithPassphrase(passphrase, before)
    except FormatError:
        raise Conflict(say("recipient_other", name=path)) from None


def opener_for(
    path: Path, recipient: dict[str, str], key: Path | None, passphrase_file: Path | None, say: Say
) -> WithKey | WithPassphrase:
    """What opens the hand-over file `path`.

    Raises:
        BadInput: it was not given, or is wrong.
    """
    try:
        if "x25519" not in recipient:
            return WithPassphrase(_passphrase(passphrase_file, confirm=False, say=say), recipient)
        if key is None:
            raise BadInput(say("opener_needed", name=path))
        found = sealing.read_private(read_hand(key, say))
        if found.sealer.header != recipient:
            raise FormatError("it is another key's")
    except FormatError as error:
        raise BadInput(say("opener_wrong", name=path, why=error.detail)) from None
    return found


def _passphrase(file: Path | None, confirm: bool, say: Say) -> str:
    if file is not None:
        try:
            return read_hand(file, say).decode().strip("\r\n")
        except UnicodeDecodeError:
            raise BadInput(say("codes_utf8", name=file)) from None
    if not sys.stdin.isatty():
        raise BadInput(say("recipient_needed"))
    asked: str = typer.prompt(say("passphrase_ask"), hide_input=True, confirmation_prompt=confirm, err=True)
    return asked
