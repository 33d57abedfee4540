"""`keys list|forecast|prepare|import|sealing` on the server; `keys new|public|show|sign` anywhere (`offline`)."""

from pathlib import Path
from typing import Annotated, Any

import typer
from tuf.api.metadata import Root

from update_server.commands import shared
from update_server.commands.shared import AsJson, Dir
from update_server.errors import BadInput, ServerError
from update_server.fleet import devices, sealed
from update_server.repository import ceremony, ceremony_checks, signers, summary
from update_server.repository.ceremony import IMAGE, REPOSITORIES
from update_server.repository.ceremony_checks import MAX_ROOT_VALID_S
from update_server.repository.custody import ROLES, Changes
from update_server.repository.image import DAY_S, ROOT_VALID_S
from update_server.services import Services

Out = Annotated[Path, typer.Option("--out", "-o", help="The ceremony file to write.")]


def list_keys(folder: Dir = shared.HERE, as_json: AsJson = False) -> None:
    """List the keys of every role, and where their signers are."""
    with shared.opened(folder) as services:
        found = [_described(services, name) for name in REPOSITORIES]
    if as_json:
        shared.print_json(found)
        return
    rows = []
    for one in found:
        typer.echo(f"{one['repository']}: root {one['root']}, valid until {shared.local_time(one['expires_at'])}")
        typer.echo(f"  SHA-256 of {one['root']}.root.json: {one['sha256']}")
        for role in one["roles"]:
            quorum = f"{role['threshold']} of {len(role['keys'])}"
            rows += [(one["repository"], role["role"], quorum, k["name"], k["id"], k["where"]) for k in role["keys"]]
    shared.print_table("Keys", ("repository", "role", "must sign", "name", "key id", "where"), rows)


def _described(services: Services, name: str) -> dict[str, Any]:
    roots = (services.image if name == IMAGE else services.director).roots
    root = roots.newest()
    return {
        "repository": name,
        "root": root.version,
        "sha256": ceremony_checks.fingerprint(roots.body(root.version)),
        "expires_at": int(root.expires.timestamp()),
        "roles": [_role(services, root, role) for role in ROLES],
    }


def _role(services: Services, root: Root, name: str) -> dict[str, Any]:
    role = root.roles[name]
    keys = [
        {
            "id": keyid,
            "name": signers.name_of(root.keys[keyid]),
            "where": services.image.online.where(keyid) or "offline",
        }
        for keyid in role.keyids
    ]
    return {"role": name, "threshold": role.threshold, "keys": keys}


def forecast(
    within: Annotated[str, typer.Option(help="How long before its end something is due.")] = "90d",
    folder: Dir = shared.HERE,
    as_json: AsJson = False,
) -> None:
    """Show what expires when. Exit status 1 when something is due: for a cron job, or the monitoring."""
    within_s, now = shared.duration(within), shared.now()
    with shared.opened(folder) as services:
        found = services.expiries(now, within_s)
    if as_json:
        shared.print_json([vars(one) for one in found])
    else:
        rows = [(one.what, shared.local_time(one.expires_at), one.renewed, "DUE" if one.due else "") for one in found]
        shared.print_table("What expires", ("what", "expires", "renewed", ""), rows)
    if any(one.due for one in found):
        raise typer.Exit(1)


def sealing(
    new: Annotated[bool, typer.Option("--new", help="Make another key, for cameras that enrol from now on.")] = False,
    folder: Dir = shared.HERE,
    as_json: AsJson = False,
) -> None:
    """Show the keys to which cameras seal their reports, and how many cameras use each."""
    with shared.opened(folder) as services:
        services.custody.ready()
        if new:
            _audit(services, "keys sealing", f"made the sealing key {services.sealing.renew()}")
        services.offer_keys()
        current, here = services.sealing.current, services.sealing.ids()
        with services.database.read() as session:
            counts = sealed.cameras_by_key(session, services.ownership)
    clear = counts.pop("", 0)
    found = [
        {"key": key, "current": key == current, "here": key in here, "cameras": counts.get(key, 0)}
        for key in sorted({*here, *counts})
    ]
    if as_json:
        shared.print_json({"keys": found, "in_the_clear": clear})
        return
    rows = [(k["key"], "yes" if k["current"] else "", k["cameras"], "" if k["here"] else "MISSING") for k in found]
    shared.print_table("Sealing keys", ("key id", "for new cameras", "cameras", ""), rows)
    if clear:
        typer.echo(f"{clear} cameras have no sealing key in their ownership record: their reports come in the clear.")


def prepare(
    what: Annotated[str, typer.Argument(metavar="root|targets", help="The next root, or the list of releases.")],
    out: Out,
    repository: Annotated[str, typer.Option(help="image or director.")] = IMAGE,
    add: Annotated[list[str] | None, typer.Option(metavar="ROLE=FILE.pub", help="Give a role a key.")] = None,
    remove: Annotated[
        list[str] | None, typer.Option(metavar="ROLE=KEY", help="Take a key from a role; KEY is its name or id.")
    ] = None,
    threshold: Annotated[list[str] | None, typer.Option(metavar="ROLE=N", help="How many must sign.")] = None,
    online: Annotated[
        list[str] | None,
        typer.Option(metavar="ROLE=URI", help="Replace an online role's keys by this one, or by a 'new' key file."),
    ] = None,
    new_online: Annotated[bool, typer.Option("--new-online", help="Replace every online role's keys.")] = False,
    valid_days: Annotated[
        int, typer.Option(min=1, max=MAX_ROOT_VALID_S // DAY_S, help="How long the root will be valid.")
    ] = ROOT_VALID_S // DAY_S,
    folder: Dir = shared.HERE,
) -> None:
    """Write what is to be signed into a ceremony file. Without changes, this renews the root (or the list)."""
    if repository not in REPOSITORIES:
        raise BadInput(f"{repository!r} is no repository.", "Use image or director.")
    if not out.absolute().parent.is_dir():  # said before keys are made for it
        raise BadInput(f"{out} cannot be written: there is no such folder.", "Name another file.")
    changes = Changes(
        add=tuple((role, signers.read_public_key(Path(file))) for role, file in _pairs(add)),
        remove=tuple(_pairs(remove)),
        online=(*(Changes.all_online(repository) if new_online else ()), *_pairs(online)),
        thresholds={role: _number(number) for role, number in _pairs(threshold)},
        valid_s=valid_days * DAY_S,
    )
    with shared.opened(folder) as services:
        now = shared.now()
        if what == "root":
            made = services.custody.prepare_root(repository, changes, now)
        elif what == "targets" and repository == IMAGE and changes == Changes():
            made = services.custody.prepare_targets(None, now)
        else:
            raise BadInput(
                f"{what!r} of the {repository} repository cannot be prepared so.",
                "Say 'root' with any options, or 'targets' of the image repository with none.",
            )
        hand_out(services, made, out)


def hand_out(services: Services, made: ceremony.Ceremony, out: Path) -> None:
    """Write a ceremony file, say what is in it, and record that it was made."""
    with services.database.write() as session:
        devices.audit(session, shared.operator_name(), "keys prepare", summary.published(made), shared.now())
        ceremony.save(out, made)
    typer.echo("\n".join(summary.lines(made)))
    typer.echo(f"\nNothing is published yet. Have {out} signed (camward-server keys sign), then import it.")


def import_(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Signed copies of one ceremony file.")],
    folder: Dir = shared.HERE,
) -> None:
    """Publish what was signed, after the device's own verifier has accepted it from every earlier root."""
    signed = ceremony.merge([ceremony.load(file) for file in files], lambda number: str(files[number]))
    with shared.opened(folder) as services:
        now, what = shared.now(), summary.published(signed)
        _audit(services, "keys import", what)
        try:
            with services.database.write() as session:
                fresh = services.custody.publish(session, signed, now)
        except ServerError as error:
            _audit(services, "keys import refused", f"{what}: {error}")
            raise
        _follow(services, signed, now)
        typer.echo(f"{what[:1].upper()}{what[1:]}: " + ("published." if fresh else "was published already."))


def _follow(services: Services, signed: ceremony.Ceremony, now: int) -> None:
    """Everything that a publication brings with it; safe to repeat."""
    if signed.repository == IMAGE:
        services.image.resign(now)
        with services.database.write() as session:
            services.releases.reconcile(session, now)
            services.deltas.want_confidential(session, now)
        return
    services.offer_director_root()
    count = services.refresh_all(now)
    typer.echo(f"The orders of {count} cameras are signed by the present keys.")


def _audit(services: Services, what: str, detail: str) -> None:
    with services.database.write() as session:
        devices.audit(session, shared.operator_name(), what, detail, shared.now())


def _pairs(texts: list[str] | None) -> list[tuple[str, str]]:
    found = []
    for text in texts or ():
        role, equals, value = text.partition("=")
        if role not in ROLES or not equals or not value:
            raise BadInput(f"{text!r} is no ROLE=VALUE.", "ROLE is root, targets, snapshot or timestamp.")
        found.append((role, value))
    return found


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text[:4]) < 100:
        raise BadInput(f"{text!r} is no number of keys.")
    return int(text)
