"""`factory-ca add|allow|list|remove`: by whose certificates cameras enrol without a token."""

from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import func, select

from update_server.commands import shared
from update_server.commands.shared import AsJson, Dir
from update_server.db.models import FactoryCa, FactoryDevice
from update_server.errors import BadInput
from update_server.files import read_small
from update_server.fleet import devices
from update_server.pki import factory

Name = Annotated[str, typer.Argument(metavar="NAME", help="What you call it.")]


def add(
    name: Name,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The certificate of the CA that certifies cameras, PEM.")
    ],
    anybody: Annotated[
        bool, typer.Option("--any", help="Every camera it has certified may enrol, not only those that you allow.")
    ] = False,
    model: Annotated[
        str, typer.Option(help="With --any: only with this in the certificate's subject, as organizational unit.")
    ] = "",
    folder: Dir = shared.HERE,
) -> None:
    """Trust a manufacturer's CA for enrolment; a running server does so within ten seconds."""
    if model and not anybody:
        raise BadInput("--model limits --any.", "Add --any, or allow serial numbers.")
    with shared.database(folder) as database, database.write() as session:
        now = shared.now()
        factory.add(session, name, _read(file), anybody=anybody, model=model, now=now)
        who = f"--any {model}".strip() if anybody else "listed"
        devices.audit(session, shared.operator_name(), "factory-ca add", f"{name} {who}", now)
    which = f"any camera{' of ' + model if model else ''}" if anybody else "cameras that you allow"
    typer.echo(f"By {name}, {which} may enrol.")


def allow(
    name: Name,
    serials: Annotated[list[str] | None, typer.Argument(metavar="SERIAL", help="The serial numbers.")] = None,
    file: Annotated[Path | None, typer.Option(help="Has more of them, one in a line.")] = None,
    folder: Dir = shared.HERE,
) -> None:
    """Let cameras enrol by their factory certificates, once; those that have done so may once more."""
    wanted = [*(serials or ()), *(_read(file).decode("utf-8", "replace").split() if file else ())]
    if not wanted:
        raise BadInput("No serial number is given.", "Name them, or a file of them with --file.")
    with shared.database(folder) as database, database.write() as session:
        count = factory.allow(session, factory.find(session, name), wanted)
        some = " ".join(wanted[:8]) + (" ..." if count > 8 else "")
        devices.audit(session, shared.operator_name(), "factory-ca allow", f"{name} {count}: {some}", shared.now())
    typer.echo(f"{count} may enrol by {name}.")


def list_cas(folder: Dir = shared.HERE, as_json: AsJson = False) -> None:
    """List the manufacturers' CAs, and how many cameras have enrolled by each."""
    with shared.database(folder) as database, database.read() as session:
        query = select(FactoryDevice.ca, func.count(FactoryDevice.device_id)).group_by(FactoryDevice.ca)
        counts = {name: count for name, count in session.execute(query)}  # noqa: C416
        found = [
            {"name": row.name, "anybody": row.anybody, "model": row.model, "enrolled": counts.get(row.name, 0)}
            for row in session.scalars(select(FactoryCa).order_by(FactoryCa.name))
        ]
    if as_json:
        shared.print_json(found)
        return
    table = [
        (one["name"], f"any {one['model']}".strip() if one["anybody"] else "allowed ones", one["enrolled"])
        for one in found
    ]
    shared.print_table("Factory CAs", ("name", "who may enrol", "enrolled"), table)


def remove(name: Name, folder: Dir = shared.HERE) -> None:
    """Trust a manufacturer's CA no more. Cameras that have enrolled by it stay."""
    with shared.database(folder) as database, database.write() as session:
        session.delete(factory.find(session, name))
        devices.audit(session, shared.operator_name(), "factory-ca remove", name, shared.now())
    typer.echo(f"Nobody enrols by {name} any more.")


def _read(file: Path) -> bytes:
    try:
        return read_small(file)
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error.strerror}.", "Name another file.") from None
