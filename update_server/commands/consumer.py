"""`consumer add|list|renew|remove`."""

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from update_server.commands import shared
from update_server.commands.shared import AsJson, Dir
from update_server.errors import BadInput
from update_server.files import SECRET, write_atomic
from update_server.fleet import back_ends, consumers
from update_server.fleet.back_ends import BackEnds, Handed

Name = Annotated[str, typer.Argument(help="The consumer's name.")]
Out = Annotated[Path, typer.Option(help="A new folder for its certificate and key.")]


def add(
    name: Name,
    program: Annotated[str, typer.Option(help="The cameras' program whose messages it reads, as agent.json has it.")],
    out: Out,
    folder: Dir = shared.HERE,
    as_json: AsJson = False,
) -> None:
    """Let a back end read what a program of all cameras sends, and answer it; its key is written to --out alone.

    Returns when the broker knows it: what cameras send from then on is kept, once it has subscribed.
    """
    with shared.opened(folder) as services:
        opened = BackEnds(services.database, services.authority, services.settings)
        handed = opened.add(name, program, shared.operator_name(), shared.now(), lambda made: _write(out, made))
    _tell(out, handed, as_json=as_json)


def renew(name: Name, out: Out, folder: Dir = shared.HERE, as_json: AsJson = False) -> None:
    """Give a consumer another key and certificate, under the same client id; those of before are good until they end.

    Needed before its certificate ends, and before 'ca retire'. After a theft, remove it and add it anew instead.
    """
    with shared.opened(folder) as services:
        opened = BackEnds(services.database, services.authority, services.settings)
        handed = opened.renew(name, shared.operator_name(), shared.now(), lambda made: _write(out, made))
    _tell(out, handed, as_json=as_json)


def _write(out: Path, handed: Handed) -> None:
    """Only once all else is right: a folder that an attempt left behind would be in the way of the next one."""
    try:
        out.mkdir(mode=0o700)
    except FileExistsError:
        raise BadInput(f"{out} is there already.", "Name a new folder.") from None
    try:
        write_atomic(out / "key.pem", handed.key.encode(), SECRET)
        write_atomic(out / "cert.pem", handed.certificate.encode())
        write_atomic(out / "ca.pem", handed.ca.encode())
    except OSError:
        shutil.rmtree(out, ignore_errors=True)
        raise


def _tell(out: Path, handed: Handed, *, as_json: bool) -> None:
    one = handed.about
    if as_json:
        shared.print_json(asdict(one) | {"known": handed.known})
        return
    ends = shared.local_time(one.expires_at)
    typer.echo(f"Consumer {one.name}: {out} has cert.pem, key.pem and ca.pem, good until {ends}.")
    typer.echo(f"Broker {one.host}:{one.port}, MQTT 5 over mutual TLS; the client id is {one.client}.")
    typer.echo(f"It reads {one.reads} and writes {one.writes}.")
    if not handed.known:
        typer.echo("The broker does not know it yet, or is away: what cameras send before that may be lost to it.")


def list_consumers(folder: Dir = shared.HERE, as_json: AsJson = False) -> None:
    """List the consumers that are let in."""
    with shared.database(folder) as database, database.read() as session:
        rows = consumers.everyone(session)
        found = [(r.name, r.program, r.client, r.created_at, r.expires_at) for r in rows]
    columns = ("name", "program", "client", "created_at", "expires_at")
    if as_json:
        shared.print_json([dict(zip(columns, row, strict=True)) for row in found])
        return
    table = [(*row[:3], shared.local_time(row[3]), shared.local_time(row[4])) for row in found]
    shared.print_table("Consumers", ("name", "program", "client id", "created", "certificate ends"), table)


def remove(name: Name, folder: Dir = shared.HERE) -> None:
    """Shut a consumer out within seconds, for example when its key was stolen."""
    with shared.database(folder) as database:
        back_ends.remove(database, name, shared.operator_name(), shared.now())
    typer.echo(f"Consumer {name} is removed.")
