"""`command-key list|authorise|renew` on the server; `command-key make|sign` on any machine."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from agent.formats import command as formats
from agent.formats import ownership
from agent.formats.errors import FormatError
from update_server.commands import offline, shared
from update_server.commands.shared import AsJson, Dir
from update_server.errors import BadInput
from update_server.fleet import devices
from update_server.fleet.ownership import COMMAND_KEY
from update_server.repository import signed_commands, signers
from update_server.services import Services


def list_keys(folder: Dir = shared.HERE, as_json: AsJson = False) -> None:
    """List the keys that cameras enrolled from now on take commands of."""
    with shared.opened(folder) as services:
        record = _current(services)
        found = [
            {
                "signs": what,
                "id": formats.key_id(key),
                "where": services.director.online.where(formats.key_id(key)) or "offline",
            }
            for what, keys in (("commands", record.command_keys), ("grave commands", record.authority_keys))
            for key in keys
        ]
    if as_json:
        shared.print_json(found)
        return
    shared.print_table("Command keys", ("signs", "key id", "where"), [tuple(one.values()) for one in found])


def authorise(
    files: Annotated[list[Path], typer.Argument(metavar="FILE.pub...", help="The public keys, at least two.")],
    folder: Dir = shared.HERE,
) -> None:
    """Let these keys sign grave commands, two of them each, and no others: for cameras enrolled from now on.

    Cameras that are enrolled already follow by 'command prepare change_keys', signed by two of the keys they know.
    """
    with shared.opened(folder) as services:
        keys = [signers.read_public_key(file) for file in files]
        for key in keys:
            if services.director.online.where(key.keyid):
                raise BadInput(f"{signers.name_of(key)} is a key of this server.", "People hold these, and no server.")
        if len({key.keyid for key in keys}) != len(keys):
            raise BadInput("Two of these keys are one.", "Each holder has a key of their own.")
        publics = tuple(str(key.keyval["public"]) for key in keys)
        _publish(services, _current(services).replace(authority_keys=publics), "command-key authorise")
    typer.echo(f"{len(keys)} keys may sign for cameras that are enrolled from now on.")


def renew(folder: Dir = shared.HERE) -> None:
    """Make this server a new command key, in place of the present one: for cameras enrolled from now on."""
    with shared.opened(folder) as services:
        public = str(services.director.online.new(COMMAND_KEY).keyval["public"])
        _publish(services, _current(services).replace(command_keys=(public,)), "command-key renew")
    typer.echo("Cameras that are enrolled already follow by 'command prepare change_keys'.")


def sign(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The commands.")],
    key: Annotated[list[str] | None, typer.Option(help="The key: a key file or a URI. Repeat it.")] = None,
    passphrase_file: shared.PassphraseFile = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Show in words what cameras are to be told, and sign it with authority keys."""
    found = signed_commands.load(file)
    for one in found:
        said = signed_commands.parsed(one)
        for text in signed_commands.describe(said):
            typer.echo(shared.printable(text))
        typer.echo(f"  may be taken until {shared.local_time(said.expires_at)}")
    if not key:
        return
    if not yes and not (sys.stdin.isatty() and typer.confirm("Sign this?")):
        raise BadInput("Nothing was signed.", "" if sys.stdin.isatty() else "Read the summary, and add --yes.")
    signed_commands.sign(found, [offline.load_signer(one, passphrase_file) for one in key])
    signed_commands.save(file, found)
    typer.echo(f"{len(found)} commands are signed.")


def _current(services: Services) -> ownership.Ownership:
    return ownership.parse(services.ownership.record(services.ownership.current))


def _publish(services: Services, record: ownership.Ownership, what: str) -> None:
    with services.database.write() as session:
        try:
            name = services.ownership.publish(record)
        except FormatError as error:
            raise BadInput(f"Cameras would refuse these keys: {error.detail}.", "Name at least two.") from None
        devices.audit(session, shared.operator_name(), what, name, shared.now())
