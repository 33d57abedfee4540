"""`bundle make`: one file that brings a release to cameras that reach no server."""

from pathlib import Path
from typing import Annotated

import typer

from update_server.commands import shared
from update_server.commands.shared import AsJson, Dir
from update_server.fleet import devices
from update_server.repository.blobs import sha256_of
from update_server.services import Services


def make(
    version: Annotated[str, typer.Argument(help="The release's version.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write; one that is there is replaced.")],
    model: Annotated[str | None, typer.Option(help="Needed when several models have that version.")] = None,
    device: Annotated[
        list[str] | None,
        typer.Option(help="A camera of this operator that it is for (id or serial number); may be repeated."),
    ] = None,
    folder: Dir = shared.HERE,
    as_json: AsJson = False,
) -> None:
    """Write a bundle. Cameras with an operator take it only if it was made for them, with --device."""
    with shared.opened(folder) as services:
        found = _write(services, version, model, device or [], output)
    if as_json:
        shared.print_json(found)
        return
    whom = f"{found['devices']} cameras of this operator" if device else "cameras without an operator"
    typer.echo(f"{output}: {found['model']} {found['version']} for {whom}, {found['length_bytes']} bytes.")


def _write(
    services: Services, version: str, model: str | None, wanted: list[str], output: Path
) -> dict[str, str | int]:
    now = shared.now()
    parts, row, orders = services.bundle(version, model, wanted, now)
    total, done = parts.length(), 0
    scratch = output.with_name(f".{output.name}.part")
    try:
        with scratch.open("wb") as file, shared.progress("Writing the bundle") as show:
            for piece in parts.content():
                file.write(piece)
                done += len(piece)
                show(done, total)
        scratch.replace(output)
    finally:
        scratch.unlink(missing_ok=True)
    with services.database.write() as session:
        whom = f" for {len(orders)} cameras" if orders else ""
        devices.audit(session, shared.operator_name(), "bundle make", f"{row.model} {row.version}{whom}", now)
    return {
        "file": str(output), "model": row.model, "version": row.version, "devices": len(orders),
        "length_bytes": total, "sha256": sha256_of(output),
    }  # fmt: skip
