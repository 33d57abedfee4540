"""`release add|list|show|withdraw`."""

from pathlib import Path
from typing import Annotated

import typer
from securesystemslib.signer import Signer
from sqlalchemy import select

from update_server.api.views import ReleaseView
from update_server.commands import shared
from update_server.commands.shared import AsJson, Dir
from update_server.db.models import Release
from update_server.errors import BadInput
from update_server.fleet import devices
from update_server.repository import image, releases, signers

app = typer.Typer(help="Releases.", no_args_is_help=True)
Model = Annotated[str | None, typer.Option(help="Needed when several models have that version.")]


@app.command("add")
def add(
    slot: Annotated[Path, typer.Argument(metavar="FILE.slot", help="The slot image.")],
    tree: Annotated[Path, typer.Option(help="Its block tree, FILE.tree.")],
    manifest: Annotated[Path, typer.Option(help="Its manifest, release.json.")],
    offline_keys: shared.OfflineKeys = None,
    passphrase_file: shared.PassphraseFile = None,
    folder: Dir = shared.HERE,
) -> None:
    """Verify a build, sign it with two offline keys, and publish it."""
    candidate = releases.inspect(slot, tree, manifest)
    with shared.opened(folder) as services, services.database.write() as session:
        now = shared.now()
        keys = _offline(folder, offline_keys, passphrase_file)
        row = services.releases.add(session, candidate, keys, now)
        devices.audit(session, shared.operator_name(), "release add", f"{row.model} {row.version}", now)
        typer.echo(f"{row.model} {row.version} is published ({row.target}, {row.length_bytes} bytes).")


@app.command("withdraw")
def withdraw(
    version: Annotated[str, typer.Argument(help="The release's version.")],
    model: Model = None,
    offline_keys: shared.OfflineKeys = None,
    passphrase_file: shared.PassphraseFile = None,
    folder: Dir = shared.HERE,
) -> None:
    """Take a release back: no camera will install it any more."""
    with shared.opened(folder) as services, services.database.write() as session:
        now = shared.now()
        row = releases.find(session, version, model)
        services.releases.withdraw(session, row, _offline(folder, offline_keys, passphrase_file), now)
        devices.audit(session, shared.operator_name(), "release withdraw", f"{row.model} {row.version}", now)
        typer.echo(f"{row.model} {row.version} is withdrawn.")


@app.command("list")
def list_releases(folder: Dir = shared.HERE, as_json: AsJson = False) -> None:
    """List all releases."""
    with shared.opened(folder) as services, services.database.read() as session:
        rows = session.scalars(select(Release).order_by(Release.model, Release.added_at)).all()
    if as_json:
        shared.print_json([ReleaseView.of(row).plain() for row in rows])
        return
    columns = ("model", "version", "state", "severity", "epoch", "support ends", "bytes", "added")
    table = []
    for row in rows:
        manifest = row.custom["camward"]
        table.append(
            (row.model, row.version, row.state, manifest["severity"], manifest["security_epoch"],
             manifest["support_ends"], row.length_bytes, shared.local_time(row.added_at))
        )  # fmt: skip
    shared.print_table("Releases", columns, table)


@app.command("show")
def show(
    version: Annotated[str, typer.Argument(help="The release's version.")],
    model: Model = None,
    folder: Dir = shared.HERE,
) -> None:
    """Show one release with its manifest, as JSON."""
    with shared.opened(folder) as services, services.database.read() as session:
        shared.print_json(ReleaseView.of(releases.find(session, version, model)).plain())


def _offline(folder: Path, given: Path | None, passphrase_file: Path | None) -> list[Signer]:
    """Two of the offline targets keys; a passphrase that init made up is found beside them."""
    keys = given or shared.default_offline(folder)
    made_up = keys / "passphrase"
    passphrase = shared.passphrase(passphrase_file)
    if passphrase is None and made_up.is_file():
        passphrase = shared.passphrase(made_up)
    if passphrase is None:
        raise BadInput(
            "The offline keys need their passphrase.",
            f"Give --passphrase-file, or set {shared.PASSPHRASE_VARIABLE}.",
        )
    return signers.load_folder(keys, image.TARGETS_PREFIX, passphrase, image.TARGETS_THRESHOLD)
