"""`command send|list|prepare|import` on the server."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from agent.formats.command import COMMANDS, GRAVE, SETTINGS
from update_server.commands import shared
from update_server.commands.shared import AsJson, Dir
from update_server.db.models import Device
from update_server.errors import BadInput, Conflict, ServerError
from update_server.fleet import command_form, commands, devices, passwords
from update_server.fleet.commands import SentCommand
from update_server.repository import signed_commands

Ids = Annotated[
    list[str] | None, typer.Argument(metavar="[ID]...", help="Ids (or their beginnings) or serial numbers.")
]
Group = Annotated[str | None, typer.Option(help="Cameras of this group; 'all' is everybody's.")]
Site = Annotated[str | None, typer.Option(help="Cameras of this site.")]
Valid = Annotated[str, typer.Option(help="How long a camera may take it, for example 10m, 1d; 30d at most.")]
Reason = Annotated[str, typer.Option(help="Why: for the audit log; that of a quarantine is shown at the camera.")]
ALONE = ", ".join(one for one in COMMANDS if one not in GRAVE)


def send(
    name: Annotated[str, typer.Argument(metavar="COMMAND", help=f"One of: {ALONE}.")],
    which: Ids = None,
    group: Group = None,
    site: Site = None,
    valid: Valid = "1d",
    reason: Reason = "",
    check_interval: Annotated[str, typer.Option(help="With settings: how often to look for updates, as 1d.")] = "",
    telemetry_interval: Annotated[str, typer.Option(help="With settings: how often to measure, as 10m.")] = "",
    line: Annotated[str, typer.Option(help="With settings: mobile or wired.")] = "",
    proxy: Annotated[str, typer.Option(help="With settings, alone: HOST:PORT of the site's proxy, or none.")] = "",
    folder: Dir = shared.HERE,
    as_json: AsJson = False,
) -> None:
    """Give cameras a command, signed by this server's command key; each camera gets its own.

    `settings` brings enrolled cameras what this server's settings say now, but for what the options say; or a proxy.
    """
    valid_s, made, failed = shared.duration(valid), [], []
    arguments = command_form.with_reason(name, reason) | _settings(check_interval, telemetry_interval, line)
    if name != SETTINGS and (check_interval or telemetry_interval or line or proxy):
        raise BadInput(f"{name!r} takes no settings.")
    arguments |= command_form.proxy_said(proxy)
    with shared.opened(folder) as services, services.database.write() as session:
        now, who = shared.now(), shared.operator_name()
        for device in passwords.meant(session, which, group, site):
            try:
                row = services.commands.send(session, device, name, valid_s, who, now, arguments)
            except Conflict as error:
                failed.append(str(error))
                continue
            commands.audit(session, who, row, now, reason)
            made.append(commands.line(row, device))
    _show(made, as_json=as_json)
    _end(failed)


def list_commands(
    which: Annotated[str, typer.Argument(metavar="[ID]")] = "", folder: Dir = shared.HERE, as_json: AsJson = False
) -> None:
    """Show the newest commands and what has become of them; of one camera, or of all."""
    with shared.database(folder) as database, database.read() as session:
        found = commands.lines(session, devices.find(session, which) if which else None)
    _show(found, as_json=as_json)


def prepare(
    name: Annotated[str, typer.Argument(metavar="COMMAND", help=f"One of: {', '.join(GRAVE)}.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The file to write.")],
    which: Ids = None,
    group: Group = None,
    site: Site = None,
    valid: Valid = "7d",
    folder: Dir = shared.HERE,
) -> None:
    """Write a command that two authority keys have to sign, one for each camera, into a file."""
    valid_s, made, failed = shared.duration(valid), [], []
    with shared.opened(folder) as services, services.database.write() as session:
        now = shared.now()
        for device in passwords.meant(session, which, group, site):
            try:
                made.append(services.commands.prepare(session, device, name, valid_s, now))
            except Conflict as error:
                failed.append(str(error))
        if made:
            signed_commands.save(out, made)
            devices.audit(session, shared.operator_name(), "command prepare", f"{name} for {len(made)} cameras", now)
    if made:
        typer.echo(
            f"Nothing is sent yet. Have {out} signed by two keys (camward-server command-key sign), and import it."
        )
    _end(failed)


def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The signed file.")],
    folder: Dir = shared.HERE,
    as_json: AsJson = False,
) -> None:
    """Queue commands that were signed elsewhere, after the camera's own rules have accepted each."""
    made, failed = [], []
    with shared.opened(folder) as services, services.database.write() as session:
        now, who = shared.now(), shared.operator_name()
        for one in signed_commands.load(file):
            try:
                row = services.commands.adopt(session, json.dumps(one).encode(), who, now)
            except ServerError as error:
                failed.append(str(error))
                continue
            commands.audit(session, who, row, now)
            made.append(commands.line(row, session.get_one(Device, row.device_id)))
    _show(made, as_json=as_json)
    _end(failed)


def _settings(check_interval: str, telemetry_interval: str, line: str) -> dict[str, Any]:
    said: dict[str, Any] = {"line": line} if line else {}
    for name, text in (("check_interval_s", check_interval), ("telemetry_interval_s", telemetry_interval)):
        if text:
            said[name] = shared.duration(text)
    return said


def _show(found: list[SentCommand], *, as_json: bool) -> None:
    if as_json:
        shared.print_json([commands.as_row(one) for one in found])
        return
    columns = ("serial", "id", "command", "number", "state", "code", "until", "changed", "who")
    rows = [
        (one.serial, one.device, one.command, one.seq, one.state, one.code, shared.local_time(one.expires_at),
         shared.local_time(one.changed_at), one.who)
        for one in found
    ]  # fmt: skip
    shared.print_table("Commands", columns, rows)


def _end(failed: list[str]) -> None:
    for one in failed:
        typer.echo(shared.printable(one), err=True)
    if failed:
        raise Conflict(f"{len(failed)} cameras get no command.", "Mend what is said above, and run it again for these.")
