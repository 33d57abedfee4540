"""`consumer add|list|renew|remove`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from cryptography.hazmat.primitives import serialization

from update_server import keyfiles
from update_server.commands import shared
from update_server.commands.shared import AsJson, Dir
from update_server.db.models import Consumer
from update_server.errors import BadInput
from update_server.files import write_atomic
from update_server.fleet import consumers, devices
from update_server.settings import Settings

if TYPE_CHECKING:
    from update_server.services import Services

Name = Annotated[str, typer.Argument(help="The consumer's name.")]
Out = Annotated[Path, typer.Option(help="A new folder for its certificate and key.")]


def add(
    name: Name,
    program: Annotated[str, typer.Option(help="The cameras' program whose messages it reads, as agent.json has it.")],
    out: Out,
    folder: Dir = shared.HERE,
    as_json: AsJson = False,
) -> None:
    """Let a back end read what a program of all cameras sends, and answer it; its key is written to --out alone."""
    with shared.opened(folder) as services:
        _new_folder(out)
        now = shared.now()
        with services.database.write() as session:
            made = consumers.add(session, services.authority, name, program, now)
            _write(services, out, made)
            devices.audit(session, shared.operator_name(), "consumer add", f"{made.row.client} {program}", now)
    _tell(services.settings, out, made.row, as_json=as_json)


def renew(name: Name, out: Out, folder: Dir = shared.HERE, as_json: AsJson = False) -> None:
    """Give a consumer another key and certificate, under the same client id; those of before are good until they end.

    Needed before its certificate ends, and before 'ca retire'. After a theft, remove it and add it anew instead.
    """
    with shared.opened(folder) as services:
        _new_folder(out)
        now = shared.now()
        with services.database.write() as session:
            made = consumers.renew(session, services.authority, name, now)
            _write(services, out, made)
            devices.audit(session, shared.operator_name(), "consumer renew", f"{made.row.client}", now)
    _tell(services.settings, out, made.row, as_json=as_json)


def _new_folder(out: Path) -> None:
    try:
        out.mkdir(mode=0o700)
    except FileExistsError:
        raise BadInput(f"{out} is there already.", "Name a new folder.") from None


def _write(services: "Services", out: Path, made: consumers.Made) -> None:
    keyfiles.write_key(out / "key.pem", made.key)
    write_atomic(out / "cert.pem", made.certificate.public_bytes(serialization.Encoding.PEM))
    write_atomic(out / "ca.pem", services.authority.bundle.encode())


def _tell(settings: Settings, out: Path, row: Consumer, *, as_json: bool) -> None:
    told = {
        "name": row.name, "program": row.program, "client": row.client, "host": settings.hosts[0],
        "port": settings.ports.mqtt, "expires_at": row.expires_at,
        "reads": f"camward/1/+/app/{row.program}/up/+", "writes": f"camward/1/+/app/{row.program}/down/+",
    }  # fmt: skip
    if as_json:
        shared.print_json(told)
        return
    ends = shared.local_time(row.expires_at)
    typer.echo(f"Consumer {row.name}: {out} has cert.pem, key.pem and ca.pem, good until {ends}.")
    typer.echo(f"Broker {told['host']}:{told['port']}, MQTT 5 over mutual TLS; the client id is {told['client']}.")
    typer.echo(f"It reads {told['reads']} and writes {told['writes']}, within ten seconds.")


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
    """Shut a consumer out within a minute, for example when its key was stolen."""
    with shared.database(folder) as database, database.write() as session:
        now = shared.now()
        row = consumers.remove(session, name, now)
        devices.audit(session, shared.operator_name(), "consumer remove", f"{row.client} {row.program}", now)
    typer.echo(f"Consumer {name} is removed.")
