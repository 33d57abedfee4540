"""`camward-installer handover`: what the office does with the file, and how it gets its key."""

import csv
import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from agent.formats.errors import FormatError
from update_server.errors import BadInput, Conflict
from update_server.files import SECRET, write_atomic
from update_server.installer import handover, ledger, sealing
from update_server.installer.camera import Impostor, Unreachable, meet
from update_server.installer.claiming import settled
from update_server.installer.handover import PLANNED, Account, Entry
from update_server.installer.looking import places
from update_server.installer.shared import (
    AsJson,
    KeyFile,
    PassphraseFile,
    note,
    opener_for,
    say_of,
    state_text,
)
from update_server.installer.texts import Say
from update_server.terminal import print_json, print_table

COLUMNS = ("serial", "state", "user", "password", "model", "address", "certificate", "at")

app = typer.Typer(no_args_is_help=True, help="The sealed file with the passwords.")

File = Annotated[Path, typer.Argument(help="The hand-over file.")]


@app.command("keygen")
def keygen(
    context: typer.Context,
    private: Annotated[Path, typer.Argument(help="The new private key's file; the public one is beside it, .pub.")],
) -> None:
    """Make the office's pair of keys: installers seal to the public one, the private one opens."""
    say = say_of(context)
    public = private.with_name(private.name + ".pub")
    for path in (private, public):
        if path.exists():
            raise Conflict(say("exists", name=path))
    key, shown = sealing.new_keys()
    write_atomic(private, key, SECRET)
    write_atomic(public, shown)
    note(say("keygen_done", private=private, public=public))


@app.command("show")
def show(context: typer.Context, file: File, as_json: AsJson = False) -> None:
    """List the cameras in a file; takes no key, and shows no password."""
    say = say_of(context)
    entries = ledger.read(file, say).entries
    if as_json:
        print_json([{"serial": one.serial, "state": one.state, "certificate": one.certificate} for one in entries])
        return
    rows = [[one.serial, _state(one, say), one.certificate] for one in entries]
    print_table(say("cameras"), [say("serial"), say("state"), "SHA-256"], rows)


@app.command("decrypt")
def decrypt(
    context: typer.Context,
    file: File,
    key: KeyFile = None,
    passphrase_file: PassphraseFile = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write a table (CSV) that its owner alone reads.")] = None,
    print_it: Annotated[bool, typer.Option("--print", help="Show the passwords on this screen.")] = False,
) -> None:
    """Open a file: passwords in the clear, to a file or, if that is asked for, to the screen."""
    say = say_of(context)
    if (out is None) != print_it:
        raise BadInput(say("handover_out"))
    if out is not None and out.exists():
        raise Conflict(say("exists", name=out))
    rows = [_row(entry, account) for entry, account in _opened(file, key, passphrase_file, say)]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(rows)
    if out is None:
        typer.echo(text.getvalue(), nl=False)
    else:
        write_atomic(out, text.getvalue().encode(), SECRET)
        note(say("handover_plain", name=out))


@app.command("check")
def check(context: typer.Context, file: File, key: KeyFile = None, passphrase_file: PassphraseFile = None) -> None:
    """Try the unconfirmed passwords on their cameras, and confirm in the file those that are right."""
    say = say_of(context)
    recipient = ledger.read(file, say).recipient
    opener = opener_for(file, recipient, key, passphrase_file, say)
    sealer = opener if isinstance(opener, sealing.WithPassphrase) else opener.sealer
    good = True
    with ledger.opened(file, sealer, say) as book:
        for entry in ledger.read(file, say).entries:
            if entry.state != PLANNED:
                continue
            account = _unseal(opener, entry, file, say)
            result, detail = _tried(entry, account, say)
            if result == "confirmed":
                book.confirm(entry, account)
            good = good and result == "confirmed"
            note(f"{entry.serial} {account.address}: {say(f'done_{result}', detail=detail)}")
    if not good:
        raise typer.Exit(1)


def _tried(entry: Entry, account: Account, say: Say) -> tuple[str, str]:
    """What comes of this password on the camera: `done_...` and its detail. Only the camera of the entry hears it."""
    try:
        camera = meet(places([account.address], say)[0])
        if camera.fingerprint.hex() != entry.certificate:
            return "label_differs", ""
        answer = camera.log_in(account.user, account.password)
    except Unreachable as error:
        return "unreachable", str(error)
    except Impostor:
        return "label_differs", ""
    if answer.code == "denied":
        return "wrong", ""
    if answer.code:
        return "refused", answer.code
    return ("confirmed" if settled(answer) else "unsettled"), ""


def _opened(file: Path, key: Path | None, passphrase_file: Path | None, say: Say) -> list[tuple[Entry, Account]]:
    whole = ledger.read(file, say)
    opener = opener_for(file, whole.recipient, key, passphrase_file, say)
    return [(entry, _unseal(opener, entry, file, say)) for entry in whole.entries]


def _unseal(opener: sealing.Opener, entry: Entry, file: Path, say: Say) -> Account:
    try:
        return handover.unseal(opener, entry)
    except FormatError as error:
        why = f"{entry.serial}: {error.detail}"
        raise BadInput(say("opener_wrong", name=file, why=why)) from None


def _row(entry: Entry, account: Account) -> tuple[str, ...]:
    at = datetime.fromtimestamp(account.at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    fields = {**entry._asdict(), **account._asdict(), "at": at}
    return tuple(_cell(str(fields[name])) for name in COLUMNS)


def _cell(text: str) -> str:
    """A cell that no spreadsheet takes for a formula; what a camera says about itself could be one."""
    return "'" + text if text[:1] in ("=", "+", "-", "@", "\t") else text


def _state(entry: Entry, say: Say) -> str:
    return state_text(entry.state, say)
