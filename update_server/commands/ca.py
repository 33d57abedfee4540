"""`ca list|new|issue|retire`: a second CA beside the first, and then in its place."""

from dataclasses import asdict
from typing import Annotated

import typer
from sqlalchemy import func, select

from update_server.commands import shared
from update_server.commands.shared import AsJson, Dir
from update_server.db.models import EnrolmentToken
from update_server.fleet import consumers, devices
from update_server.pki import rotation
from update_server.pki.authority import fingerprint, utc

RESTART = "Restart the server, and a broker of your own, with the new files; ingest processes read theirs again."


def list_cas(folder: Dir = shared.HERE, as_json: AsJson = False) -> None:
    """List the CAs of this fleet: which one issues, how many cameras trust each, and who shows certificates by it."""
    with shared.opened(folder) as services, services.database.read() as session:
        found = rotation.standing(session, services.authority, services.ownership, shared.now())
    if as_json:
        shared.print_json([asdict(one) for one in found])
        return
    table = [
        (one.name, one.sha256[:16], "yes" if one.issues else "no", one.cameras, one.shown,
         one.consumers, shared.local_time(one.ends_at), one.key)
        for one in found
    ]  # fmt: skip
    shared.print_table(
        "CAs", ("name", "SHA-256", "issues", "cameras", "certificates", "consumers", "until", "key"), table
    )


def new(
    key: Annotated[str, typer.Option(metavar="URI", help="Its key. Default: a new one in a file.")] = "",
    folder: Dir = shared.HERE,
) -> None:
    """Make a second CA, which issues nothing yet. Cameras that enrol from now on trust both."""
    with shared.opened(folder) as services:
        operator, now = services.settings.operator, shared.now()
        made = rotation.begin(services.authority, services.ownership, operator, utc(now), key)
        with services.database.write() as session:
            devices.audit(session, shared.operator_name(), "ca new", fingerprint(made), now)
            names = [one.name for one in consumers.everyone(session)]
    typer.echo(f"The next CA is {made.subject.rfc4514_string()}, SHA-256 {fingerprint(made)}.")
    typer.echo("Cameras that are enrolled already follow by 'command prepare change_keys'; then: 'ca issue'.")
    if names:
        typer.echo(f"Give the new pki/ca.pem to these consumers before 'ca issue', or they are cut off: {_all(names)}.")


def issue(folder: Dir = shared.HERE) -> None:
    """Have the second CA issue from now on, once every camera trusts it."""
    with shared.opened(folder) as services, services.database.write() as session:
        made, now = rotation.switch(session, services.authority, services.ownership), shared.now()
        devices.audit(session, shared.operator_name(), "ca issue", fingerprint(made), now)
        open_ = (EnrolmentToken.used_at.is_(None), EnrolmentToken.expires_at > now)
        tokens = session.scalar(select(func.count()).select_from(EnrolmentToken).where(*open_)) or 0
        left = rotation.holders(session, services.authority, services.authority.trusted[1], now)
        names = [one.name for one in left]
    typer.echo(f"{made.subject.rfc4514_string()} issues. {RESTART}")
    if tokens:
        typer.echo(f"{tokens} tokens and vouchers that are not used yet name the former CA: make them again.")
    if names:
        typer.echo(f"These consumers have certificates by the former CA ('consumer renew'): {_all(names)}.")


def retire(folder: Dir = shared.HERE) -> None:
    """Trust the CA that does not issue no more, once no camera or consumer needs a certificate by it."""
    with shared.opened(folder) as services, services.database.write() as session:
        gone, key = rotation.retire(session, services.authority, services.ownership, shared.now())
        devices.audit(session, shared.operator_name(), "ca retire", fingerprint(gone), shared.now())
    typer.echo(f"{gone.subject.rfc4514_string()} is trusted no more. {RESTART}")
    typer.echo(f"Have cameras forget it ('command prepare change_keys'), and destroy its key: {key or 'not listed'}.")


def _all(names: list[str]) -> str:
    return shared.printable(", ".join(names))
