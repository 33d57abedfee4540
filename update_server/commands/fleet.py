"""`fleet passwords|require-change|withdraw-change`, and the same for one camera below `device`."""

from typing import Annotated

import typer

from agent.formats.required_change import REASONS
from update_server.commands import shared
from update_server.commands.shared import AsJson, Dir
from update_server.db.models import Device
from update_server.errors import Conflict
from update_server.fleet import devices, passwords

NEVER = "never"
NOW = "now"
Ids = Annotated[
    list[str] | None, typer.Argument(metavar="[ID]...", help="Ids (or their beginnings) or serial numbers.")
]
Which = Annotated[str, typer.Argument(metavar="ID", help="Id (or its beginning) or serial number.")]
Group = Annotated[str | None, typer.Option(help="Cameras of this group; 'all' is everybody's.")]
Site = Annotated[str | None, typer.Option(help="Cameras of this site.")]
Reason = Annotated[str, typer.Option(help="Why: " + ", ".join(REASONS).replace("_", "-") + ".")]
Remind = Annotated[str, typer.Option(help="From when on people are told: 'now', or for example 2d.")]
Restrict = Annotated[
    str, typer.Option(help="From when on old passwords open nothing but their own change: 'now', 7d, or 'never'.")
]
Amend = Annotated[
    bool, typer.Option("--amend", help="Change the stages of the present order; who is done with it stays done.")
]
ClaimOnly = Annotated[
    str, typer.Option("--claim-only", help="From when on only administrators' do that: 'now', 14d, or 'never'.")
]


def show_passwords(
    old: Annotated[bool, typer.Option("--old", help="Only cameras that have yet to follow their order.")] = False,
    older_than: Annotated[
        int | None, typer.Option(min=0, metavar="DAYS", help="Only cameras with a password older than that.")
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    folder: Dir = shared.HERE,
    as_json: AsJson = False,
) -> None:
    """Show who still has an old password: its age, the policy, the order, the verdict; never a password."""
    with shared.database(folder) as database, database.read() as session:
        lines = passwords.standing(session)
    if old:
        lines = [one for one in lines if one.verdict not in (passwords.DONE, passwords.NO_ORDER)]
    if older_than is not None:
        lines = [one for one in lines if one.age_days is not None and one.age_days > older_than]
    if as_json:
        shared.print_json([passwords.as_row(one) for one in lines])
    elif as_csv:
        typer.echo(passwords.as_csv(lines), nl=False)
    else:
        columns = ("serial", "group", "site", "age (days)", "policy", "verdict", "stage", "old", "reason", "last seen")
        rows = [
            (one.serial, one.group, one.site, one.age_days, one.policy, one.verdict, one.stage, one.behind,
             one.reason, shared.local_time(one.last_seen_at))
            for one in lines
        ]  # fmt: skip
        shared.print_table("Passwords", columns, rows)


def require(
    reason: Reason,
    group: Group = None,
    site: Site = None,
    remind: Remind = NOW,
    restrict: Restrict = "7d",
    claim_only: ClaimOnly = "14d",
    amend: Amend = False,
    folder: Dir = shared.HERE,
) -> None:
    """Require that all passwords on the cameras of a group or site be changed."""
    with shared.opened(folder) as services:
        now = shared.now()
        wanted = passwords.order(now, _word(reason), _delay(remind) or 0, _delay(restrict), _delay(claim_only))
        with services.database.read() as session:
            ids = [device.id for device in passwords.members(session, group, site)]
        wish = passwords.wish(wanted, amend=amend)
        failed = services.require_changes(ids, wish, shared.operator_name(), now)
    _told(len(ids), failed, "have to change their passwords")


def require_and_look(
    reason: Reason,
    which: Ids = None,
    group: Group = None,
    site: Site = None,
    remind: Remind = NOW,
    restrict: Restrict = "7d",
    claim_only: ClaimOnly = "14d",
    amend: Amend = False,
    folder: Dir = shared.HERE,
    as_json: AsJson = False,
) -> None:
    """Require that passwords be changed, and have the cameras look for that order at once, by a signed check.

    Shows the check of each camera, to be followed with 'command list', and the verdict, as 'fleet passwords' does.
    """
    with shared.opened(folder) as services:
        now, who = shared.now(), shared.operator_name()
        wanted = passwords.order(now, _word(reason), _delay(remind) or 0, _delay(restrict), _delay(claim_only))
        with services.database.read() as session:
            ids = [device.id for device in passwords.meant(session, which, group, site)]
        failed = services.require_changes(ids, passwords.wish(wanted, amend=amend), who, now)
        rows = []
        with services.database.write() as session:
            for device_id in ids:
                device = session.get_one(Device, device_id)
                row = services.commands.look(session, device, who, now) if services.commands.known(device) else None
                standing = passwords.of_device(session, device)
                rows.append(
                    {
                        "serial": standing.serial, "device": device_id, "verdict": standing.verdict,
                        "check": row.seq if row else None, "state": row.state if row else "",
                    }
                )  # fmt: skip
    if as_json:
        shared.print_json(rows)
    else:
        shared.print_table("Orders", ("serial", "device", "verdict", "check", "state"), [(*r.values(),) for r in rows])
    _told(len(ids), failed, "have to change their passwords", quiet=as_json)


def withdraw(group: Group = None, site: Site = None, folder: Dir = shared.HERE) -> None:
    """Take such an order back; what cameras themselves demand of passwords stays."""
    with shared.opened(folder) as services:
        with services.database.read() as session:
            found = passwords.members(session, group, site)
            ids = [one.id for one in found if passwords.of_device(session, one).since_at is not None]
        failed = services.require_changes(ids, lambda _session, _device: None, shared.operator_name(), shared.now())
    _told(len(ids), failed, "need not change their passwords")


def require_of_device(
    which: Which,
    reason: Reason,
    remind: Remind = NOW,
    restrict: Restrict = "7d",
    claim_only: ClaimOnly = "14d",
    amend: Amend = False,
    folder: Dir = shared.HERE,
) -> None:
    """Require that all passwords on one camera be changed."""
    with shared.opened(folder) as services, services.database.write() as session:
        device, now = devices.find(session, which), shared.now()
        wanted = passwords.order(now, _word(reason), _delay(remind) or 0, _delay(restrict), _delay(claim_only))
        wanted = passwords.wish(wanted, amend=amend)(session, device)
        services.require_change(session, device, wanted, now)
        passwords.audit(session, shared.operator_name(), device, wanted, now)
        typer.echo(f"{device.serial} ({device.id}) has to change its passwords.")


def withdraw_of_device(which: Which, folder: Dir = shared.HERE) -> None:
    """Take such an order back from one camera."""
    with shared.opened(folder) as services, services.database.write() as session:
        device, now = devices.find(session, which), shared.now()
        services.require_change(session, device, None, now)
        passwords.audit(session, shared.operator_name(), device, None, now)
        typer.echo(f"{device.serial} ({device.id}) need not change its passwords.")


def _told(count: int, failed: list[str], what: str, *, quiet: bool = False) -> None:
    for line in failed:
        typer.echo(shared.printable(line), err=True)
    if failed:
        raise Conflict(
            f"{len(failed)} of {count} cameras keep the order they had.", "Mend what is said above, and run it again."
        )
    if not quiet:
        typer.echo(f"{count} cameras {what}.")


def _word(reason: str) -> str:
    return reason.replace("-", "_")


def _delay(text: str) -> int | None:
    """Seconds until a stage; None for one that does not come."""
    if text == NEVER:
        return None
    return 0 if text == NOW else shared.duration(text)
