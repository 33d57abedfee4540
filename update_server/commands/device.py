"""`device token|voucher|list|show|seen|assign|update-now|...-change|group|site|deny|allow|remove`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from update_server.api.views import DeviceDetailView, DeviceView, EvidenceView
from update_server.commands import shared
from update_server.commands.shared import AsJson, Dir
from update_server.errors import NotFound
from update_server.fleet import devices, sites

Which = Annotated[str, typer.Argument(metavar="ID", help="Id (or its beginning) or serial number.")]


def token(
    serial: Annotated[str | None, typer.Option(help="Only this serial number may use it.")] = None,
    valid: Annotated[str, typer.Option(help="How long, for example 30m, 1h, 2d.")] = "1h",
    by_factory: shared.ByFactory = False,
    est_user: Annotated[str, typer.Option(help="Of the EST server in server.toml, if cameras use another.")] = "",
    est_password_file: Annotated[Path | None, typer.Option(help="Holds the password of --est-user.")] = None,
    folder: Dir = shared.HERE,
    as_json: AsJson = False,
) -> None:
    """Make a one-time enrolment token, to be pasted on the camera's page."""
    login = None
    if est_password_file is not None:
        login = est_user, (shared.passphrase(est_password_file) or b"").decode("utf-8", "replace")
    with shared.opened(folder) as services, services.database.write() as session:
        now, valid_s = shared.now(), shared.duration(valid)
        made = services.enrolment.make_token(
            session, services.ownership.current, serial, valid_s, now, invitation=by_factory, login=login
        )
        devices.audit(session, shared.operator_name(), "device token", made.id, now)
    if as_json:
        shared.print_json({"id": made.id, "token": made.text, "expires_at": made.expires_at})
    else:
        typer.echo(made.text)
        once = "No secret: for cameras with a factory certificate, each once," if by_factory else "Valid once,"
        typer.echo(f"{once} until {shared.local_time(made.expires_at)}.", err=True)


def list_devices(folder: Dir = shared.HERE, as_json: AsJson = False) -> None:
    """List all cameras."""
    with shared.database(folder) as database, database.read() as session:
        rows = devices.everyone(session)
    if as_json:
        shared.print_json([DeviceView.model_validate(row).plain() for row in rows])
        return
    columns = ("serial", "id", "model", "version", "assigned", "site", "online", "last seen", "attention")
    table = [
        (r.serial, r.id, f"{r.model} {r.hardware}", r.version, r.assigned_version, r.site, "yes" if r.online else "no",
         shared.local_time(r.last_seen_at), r.attention)
        for r in rows
    ]  # fmt: skip
    shared.print_table("Cameras", columns, table)


def show(
    which: Which,
    evidence: Annotated[bool, typer.Option("--evidence", help="Also the newest evidence.")] = False,
    folder: Dir = shared.HERE,
    as_json: AsJson = False,
) -> None:
    """Show one camera with its update history."""
    with shared.database(folder) as database, database.read() as session:
        view = DeviceDetailView.of(session, devices.find(session, which))
    if as_json:
        shared.print_json(view.plain())
        return
    for name, content in view.model_dump(exclude={"updates", "alarms", "refusals", "evidence"}).items():
        text = json.dumps(content, ensure_ascii=False) if isinstance(content, dict) else str(content)
        typer.echo(f"{name:>18}  {shared.printable(text)}")
    columns = ("at", "event", "from", "to", "slot", "code", "detail")
    table = [
        (shared.local_time(e.at), e.event, e.from_version, e.to_version, e.slot, e.code, e.detail) for e in view.updates
    ]
    shared.print_table("Updates", columns, table)
    if view.alarms:
        seen = [(shared.local_time(a.at), a.event, a.wrong, a.sources, a.source, a.target) for a in view.alarms]
        shared.print_table("Alarms", ("at", "event", "wrong", "sources", "source", "target"), seen)
    if evidence:
        _print_evidence(view.evidence)


def seen(which: Which, folder: Dir = shared.HERE) -> None:
    """Say that somebody has looked after what needed attention; the camera's history keeps it."""
    with shared.database(folder) as database, database.write() as session:
        device = devices.find(session, which)
        detail = f"{device.id} {device.attention}"
        device.attention = ""
        devices.audit(session, shared.operator_name(), "device seen", detail, shared.now())
        typer.echo(f"{device.serial} ({device.id}) needs no attention any more.")


def assign(
    which: Which,
    version: Annotated[str, typer.Argument(help="A release's version, or 'none'.")],
    allow_older: Annotated[
        bool, typer.Option("--allow-older", help="The camera may go back to it, within its security epoch.")
    ] = False,
    install_now: Annotated[
        bool, typer.Option("--now", help="The camera does not wait for its maintenance window.")
    ] = False,
    folder: Dir = shared.HERE,
) -> None:
    """Tell the director which release one camera shall install."""
    from update_server.repository import releases

    with shared.opened(folder) as services, services.database.write() as session:
        device, now = devices.find(session, which), shared.now()
        release = None if version == "none" else releases.find(session, version, device.model)
        services.assign(session, device, release, now, allow_older=allow_older, install_now=install_now)
        devices.audit(session, shared.operator_name(), "device assign", devices.assignment(device), now)
        may = ", and may go back to it" if device.allow_older else ""
        at_once = ", to be installed now" if device.install_now else ""
        typer.echo(f"{device.serial} ({device.id}) is assigned {version}{may}{at_once}.")


def update_now(which: Which, folder: Dir = shared.HERE) -> None:
    """Have one camera install what is assigned to it now, whatever its maintenance windows say."""
    with shared.opened(folder) as services, services.database.write() as session:
        device, now = devices.find(session, which), shared.now()
        services.update_now(session, device, now)
        devices.audit(session, shared.operator_name(), "device update-now", devices.assignment(device), now)
        typer.echo(f"{device.serial} ({device.id}) is told to install {device.assigned_version} now.")


def deny(which: Which, folder: Dir = shared.HERE, as_json: AsJson = False) -> None:
    """Shut a camera out within a minute: nothing is given to it, taken from it or renewed, until 'device allow'."""
    _set_denied(which, folder, as_json, denied=True)


def allow(which: Which, folder: Dir = shared.HERE, as_json: AsJson = False) -> None:
    """Let a denied camera in again; its certificate is as good as it was."""
    _set_denied(which, folder, as_json, denied=False)


def _set_denied(which: str, folder: Path, as_json: bool, *, denied: bool) -> None:
    with shared.database(folder) as database, database.write() as session:
        device, now = devices.find(session, which), shared.now()
        if denied:
            devices.deny(device, now)
        else:
            devices.allow(device)
        what = "device deny" if denied else "device allow"
        devices.audit(session, shared.operator_name(), what, f"{device.id} {device.serial}", now)
        if as_json:
            shared.print_json(DeviceView.model_validate(device).plain())
        else:
            typer.echo(f"{device.serial} ({device.id}) is {'denied' if denied else 'allowed'}.")


def remove(which: Which, folder: Dir = shared.HERE) -> None:
    """Forget a camera: server and broker shut it out until it enrols again, its history is deleted."""
    with shared.database(folder) as database, database.write() as session:
        device = devices.find(session, which)
        devices.audit(session, shared.operator_name(), "device remove", f"{device.id} {device.serial}", shared.now())
        devices.remove(session, device)
        typer.echo(f"{device.serial} ({device.id}) is removed.")


def group(
    which: Which,
    name: Annotated[str, typer.Argument(help="The group's name; 'all' is everybody's.")],
    folder: Dir = shared.HERE,
) -> None:
    """Put a camera into a group, for rollouts to a part of the fleet."""
    with shared.database(folder) as database, database.write() as session:
        device = devices.find(session, which)
        devices.set_group(device, name)
        devices.audit(session, shared.operator_name(), "device group", f"{device.id} {name}", shared.now())
        typer.echo(f"{device.serial} ({device.id}) is in group {name}.")


def site(
    which: Which,
    name: Annotated[str, typer.Argument(help="The site's name; '' for none.")],
    folder: Dir = shared.HERE,
) -> None:
    """Say where a camera is: cameras of one site may fetch releases from each other."""
    with shared.database(folder) as database, database.write() as session:
        device = devices.find(session, which)
        sites.set_site(device, name)
        devices.audit(session, shared.operator_name(), "device site", f"{device.id} {name}", shared.now())
        typer.echo(f"{device.serial} ({device.id}) is {'at ' + name if name else 'at no site'}.")


def _print_evidence(proof: EvidenceView | None) -> None:
    if proof is None:
        raise NotFound("This camera has sent no evidence yet.", "Wait for its next report.")
    rows = [(f.criterion, f.title_en, f.verdict, f.basis, f.probes, f.reason) for f in proof.findings]
    columns = ("criterion", "title", "verdict", "basis", "probes", "reason")
    shared.print_table(f"Evidence of {shared.local_time(proof.at)} (evidence, not a label)", columns, rows)
