"""`device voucher` on the server, and `keys voucher`, which signs one on any machine."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from update_server.commands import offline, shared
from update_server.commands.shared import Dir
from update_server.errors import BadInput
from update_server.files import SECRET, read_small, write_atomic
from update_server.fleet import devices
from update_server.repository import signers, vouchers


def make(
    serial: Annotated[str, typer.Argument(metavar="SERIAL", help="The camera's serial number.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The voucher file to write.")],
    valid: Annotated[str, typer.Option(help="How long, for example 30d, 365d.")] = "365d",
    prepare: Annotated[
        bool, typer.Option("--prepare", help="Do not sign: 'camward-server keys voucher' does, elsewhere.")
    ] = False,
    by_factory: shared.ByFactory = False,
    offline_keys: shared.OfflineKeys = None,
    passphrase_file: shared.PassphraseFile = None,
    folder: Dir = shared.HERE,
) -> None:
    """Make a factory voucher: the camera with that serial number enrols by itself, once, before its first owner."""
    with shared.opened(folder) as services:
        role = services.image.roots.newest().roles["targets"]
        signing = []
        if not prepare:
            keys = offline_keys or shared.default_offline(folder)
            passphrase = shared.folder_passphrase(keys, passphrase_file)
            signing = signers.load_matching(keys, role.keyids, passphrase, role.threshold)
        with services.database.write() as session:
            now = shared.now()
            made = services.enrolment.make_token(
                session, services.ownership.current, serial, shared.duration(valid), now, invitation=by_factory
            )
            body = vouchers.sign(vouchers.draft(serial, made.text, made.expires_at), signing)
            if not prepare:
                vouchers.check(body, services.image.roots.body(services.image.roots.version()), now)
            _write(out, body)
            devices.audit(session, shared.operator_name(), "device voucher", f"{made.id} {serial}", now)
    more = f", to be signed by {role.threshold} of the targets keys" if prepare else ""
    typer.echo(f"{out} is the voucher of {serial}, valid until {shared.local_time(made.expires_at)}{more}.")


def sign(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The voucher.")],
    key: Annotated[list[str] | None, typer.Option(help="The key: a key file or a URI. Repeat it.")] = None,
    root: Annotated[
        Path | None, typer.Option(help="The newest image root.json: check that a camera takes the voucher.")
    ] = None,
    passphrase_file: shared.PassphraseFile = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Show a factory voucher, sign it with offline targets keys, and check it."""
    body = _read(file)
    found = vouchers.read(body)
    typer.echo(f"The camera {found.serial} may enrol by itself with the operator's server {found.token.url}")
    typer.echo(f"until {shared.local_time(found.expires_at)}. Signatures so far: {len(found.signatures)}.")
    typer.echo(f"It will then trust the ownership record {found.token.ownership_sha256}:")
    typer.echo("compare that with the file ownership/current in the server's folder.")
    if key:
        if not yes and not (sys.stdin.isatty() and typer.confirm("Sign this?")):
            raise BadInput("Nothing was signed.", "" if sys.stdin.isatty() else "Read the summary, and add --yes.")
        body = vouchers.sign(body, [offline.load_signer(one, passphrase_file) for one in key])
        _write(file, body)
        typer.echo(f"Signed. Signatures now: {len(vouchers.read(body).signatures)}.")
    if root is not None:
        vouchers.check(body, _read(root), shared.now())
        typer.echo("A camera that trusts this root takes the voucher.")


def _write(path: Path, body: bytes) -> None:
    try:
        write_atomic(path, body, SECRET)  # the token in it is worth an enrolment
    except OSError as error:
        raise BadInput(f"{path} cannot be written: {error.strerror}.", "Name another file.") from None


def _read(path: Path) -> bytes:
    try:
        return read_small(path)
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}.", "Name another file.") from None
