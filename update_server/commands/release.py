"""`release add|list|show|withdraw|export`."""

import dataclasses
from pathlib import Path
from typing import Annotated

import typer
from securesystemslib.signer import Signer
from sqlalchemy import select

from update_server.api.views import ReleaseView
from update_server.commands import keys, shared
from update_server.commands.shared import AsJson, Dir
from update_server.db.models import Release
from update_server.fleet import devices
from update_server.repository import releases, signers
from update_server.repository.export import export
from update_server.services import Services

Prepare = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Publish nothing: write a ceremony file, to be signed with keys kept elsewhere."),
]
Confidential = Annotated[
    bool,
    typer.Option(
        "--confidential", help="Keep the image private: cameras get it encrypted, the key for each of them alone."
    ),
]
Model = Annotated[str | None, typer.Option(help="Needed when several models have that version.")]


def add(
    slot: Annotated[Path, typer.Argument(metavar="FILE.slot", help="The slot image.")],
    tree: Annotated[Path, typer.Option(help="Its block tree, FILE.tree.")],
    manifest: Annotated[Path, typer.Option(help="Its manifest, release.json.")],
    offline_keys: shared.OfflineKeys = None,
    passphrase_file: shared.PassphraseFile = None,
    prepare: Prepare = None,
    confidential: Confidential = False,
    folder: Dir = shared.HERE,
) -> None:
    """Verify a build, sign it with two offline keys, and publish it. With --prepare, sign it elsewhere."""
    candidate = releases.inspect(slot, tree, manifest, confidential=confidential)
    with shared.opened(folder) as services:
        if prepare is not None:
            with services.database.read() as session:
                draft = services.releases.prepare_add(session, candidate, shared.now())
            keys.hand_out(services, services.custody.prepared(draft, shared.now()), prepare)
            return
        _add(services, candidate, _offline(services, folder, offline_keys, passphrase_file))


def _add(services: Services, candidate: releases.Candidate, signing: list[Signer]) -> None:
    with services.database.write() as session:
        now = shared.now()
        row = services.releases.add(session, candidate, signing, now)
        services.deltas.want_for(session, row, now)
        how = " --confidential" if row.confidential else ""
        devices.audit(session, shared.operator_name(), "release add", f"{row.model} {row.version}{how}", now)
        published = "published as confidential" if row.confidential else "published"
        typer.echo(f"{row.model} {row.version} is {published} ({row.target}, {row.length_bytes} bytes).")


def withdraw(
    version: Annotated[str, typer.Argument(help="The release's version.")],
    model: Model = None,
    offline_keys: shared.OfflineKeys = None,
    passphrase_file: shared.PassphraseFile = None,
    prepare: Prepare = None,
    folder: Dir = shared.HERE,
) -> None:
    """Take a release back: no camera will install it any more. With --prepare, sign that elsewhere."""
    with shared.opened(folder) as services:
        if prepare is not None:
            with services.database.read() as session:
                row = releases.find(session, version, model)
                draft = services.releases.prepare_withdraw(session, row, shared.now())
            keys.hand_out(services, services.custody.prepared(draft, shared.now()), prepare)
            return
        _withdraw(services, version, model, _offline(services, folder, offline_keys, passphrase_file))


def _withdraw(services: Services, version: str, model: str | None, signing: list[Signer]) -> None:
    with services.database.write() as session:
        now = shared.now()
        row = releases.find(session, version, model)
        services.releases.withdraw(session, row, signing, now)
        devices.audit(session, shared.operator_name(), "release withdraw", f"{row.model} {row.version}", now)
        typer.echo(f"{row.model} {row.version} is withdrawn.")


def list_releases(folder: Dir = shared.HERE, as_json: AsJson = False) -> None:
    """List all releases."""
    with shared.database(folder) as database, database.read() as session:
        rows = session.scalars(select(Release).order_by(Release.model, Release.added_at)).all()
    if as_json:
        shared.print_json([ReleaseView.of(row).plain() for row in rows])
        return
    columns = ("model", "version", "state", "confidential", "severity", "epoch", "support ends", "bytes", "added")
    table = []
    for row in rows:
        manifest = row.custom["camward"]
        table.append(
            (row.model, row.version, row.state, "yes" if row.confidential else "", manifest["severity"],
             manifest["security_epoch"], manifest["support_ends"], row.length_bytes, shared.local_time(row.added_at))
        )  # fmt: skip
    shared.print_table("Releases", columns, table)


def show(
    version: Annotated[str, typer.Argument(help="The release's version.")],
    model: Model = None,
    folder: Dir = shared.HERE,
) -> None:
    """Show one release with its manifest, as JSON."""
    with shared.database(folder) as database, database.read() as session:
        shared.print_json(ReleaseView.of(releases.find(session, version, model)).plain())


def export_public(
    target: Annotated[Path, typer.Argument(metavar="DIR", help="The folder that a web server hosts.")],
    folder: Dir = shared.HERE,
    as_json: AsJson = False,
) -> None:
    """Write the public image repository, for cameras without an operator. Repeat it daily: its timestamp expires."""
    with shared.opened(folder) as services, shared.progress("Copying") as show:
        with services.database.read() as session:
            releases.require_public(*session.scalars(select(Release).where(Release.state == releases.PUBLISHED)))
        found = export(services.image, services.blobs, target, show)
    if as_json:
        shared.print_json(dataclasses.asdict(found))
    else:
        typer.echo(f"{target}: {found.targets} files of releases, {found.copied} of them new.")


def _offline(services: Services, folder: Path, given: Path | None, passphrase_file: Path | None) -> list[Signer]:
    """As many of the offline targets keys as the root wants."""
    keys = given or shared.default_offline(folder)
    role = services.image.roots.newest().roles["targets"]
    return signers.load_matching(keys, role.keyids, shared.folder_passphrase(keys, passphrase_file), role.threshold)
