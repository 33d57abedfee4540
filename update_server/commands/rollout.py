"""`rollout create|list|show|pause|resume|abort`."""

from typing import Annotated, Any

import typer
from sqlalchemy.orm import Session

from update_server.commands import shared
from update_server.commands.shared import AsJson, Dir
from update_server.db.models import Rollout
from update_server.fleet import devices
from update_server.repository import releases
from update_server.rollouts import service, store

app = typer.Typer(help="Rollouts.", no_args_is_help=True)
Number = Annotated[int, typer.Argument(metavar="NUMBER", help="The rollout's number.")]


@app.command("create")
def create(
    version: Annotated[str, typer.Argument(help="The release's version.")],
    phases: Annotated[str, typer.Option(help="Numbers or percentages, cumulative.")] = service.DEFAULT_PHASES,
    group: Annotated[str, typer.Option(help="Only cameras of this group.")] = "all",
    model: Annotated[str | None, typer.Option(help="Needed when several models have that version.")] = None,
    failure_percent: Annotated[
        int, typer.Option(min=0, max=100, help="Failures allowed in the last phase.")
    ] = service.DEFAULT_FAILURE_PERCENT,
    silent_after: Annotated[str | None, typer.Option(help="When a camera that says nothing counts as silent.")] = None,
    folder: Dir = shared.HERE,
    as_json: AsJson = False,
) -> None:
    """Roll a release out, phase by phase; the first failure in any phase but the last pauses it."""
    with shared.opened(folder) as services, services.database.write() as session:
        now = shared.now()
        row = services.rollouts.create(
            session,
            releases.find(session, version, model),
            phases=phases,
            group=group,
            failure_percent=failure_percent,
            silent_after_s=shared.duration(silent_after) if silent_after else services.settings.rollouts.silent_after_s,
            now=now,
        )
        devices.audit(session, shared.operator_name(), "rollout create", f"{row.id} {version}", now)
        value = describe(session, row, now)
    if as_json:
        shared.print_json(value)
    else:
        typer.echo(f"Rollout {row.id} of {version} to {len(value['devices'])} cameras is {row.state}.")


@app.command("list")
def list_rollouts(folder: Dir = shared.HERE, as_json: AsJson = False) -> None:
    """List all rollouts, the newest first."""
    with shared.opened(folder) as services, services.database.read() as session:
        values = [describe(session, row, shared.now()) for row in store.everything(session)]
    if as_json:
        shared.print_json(values)
        return
    rows = [
        (v["id"], v["model"], v["version"], v["group"], ",".join(v["phases"]), v["state"], v["reason"]) for v in values
    ]
    shared.print_table("Rollouts", ("number", "model", "version", "group", "phases", "state", "reason"), rows)


@app.command("show")
def show(number: Number, folder: Dir = shared.HERE, as_json: AsJson = False) -> None:
    """Show one rollout, phase by phase and camera by camera."""
    with shared.opened(folder) as services, services.database.read() as session:
        value = describe(session, store.find(session, number), shared.now())
    if as_json:
        shared.print_json(value)
        return
    reason = f" ({value['reason']})" if value["reason"] else ""
    typer.echo(f"Rollout {number} of {value['model']} {value['version']}: {value['state']}{reason}.")
    names = ("waiting", "pending", "silent", "committed", "failed")
    rows = [
        (index + 1, phase, *(count[name] for name in names))
        for index, (phase, count) in enumerate(zip(value["phases"], value["counts"], strict=True))
    ]
    shared.print_table("Phases", ("phase", "size", *names), rows)
    rows = [(d["phase"] + 1, d["serial"], d["state"], d["version"], d["code"]) for d in value["devices"]]
    shared.print_table("Cameras", ("phase", "serial", "state", "version", "code"), rows)


@app.command("pause")
def pause(number: Number, folder: Dir = shared.HERE) -> None:
    """Pause: cameras that have not started are taken back."""
    with shared.opened(folder) as services, services.database.write() as session:
        services.rollouts.pause(session, store.find(session, number), shared.operator_name(), shared.now())
        _done(session, number, "pause")


@app.command("resume")
def resume(number: Number, folder: Dir = shared.HERE) -> None:
    """Go on after a pause, excusing the failures so far."""
    with shared.opened(folder) as services, services.database.write() as session:
        services.rollouts.resume(session, store.find(session, number), shared.now())
        _done(session, number, "resume")


@app.command("abort")
def abort(number: Number, folder: Dir = shared.HERE) -> None:
    """End a rollout for good; what is installed stays."""
    with shared.opened(folder) as services, services.database.write() as session:
        services.rollouts.abort(session, store.find(session, number), shared.operator_name(), shared.now())
        _done(session, number, "abort")


def describe(session: Session, row: Rollout, now: int) -> dict[str, Any]:
    """A rollout as JSON."""
    return {
        "id": row.id,
        "model": row.model,
        "version": row.version,
        "group": row.group_name,
        "phases": row.phases,
        "phase": row.phase,
        "state": row.state,
        "reason": row.reason,
        "created_at": row.created_at,
        "changed_at": row.changed_at,
        "counts": [vars(count) for count in store.counts(session, row, now)],
        "devices": [
            {
                "id": device.id, "serial": device.serial, "version": device.version, "phase": part.phase,
                "state": part.state, "code": part.code,
                "assigned_at": part.assigned_at, "finished_at": part.finished_at,
            }
            for part, device in store.members(session, row)
        ],
    }  # fmt: skip


def _done(session: Session, number: int, verb: str) -> None:
    devices.audit(session, shared.operator_name(), f"rollout {verb}", str(number), shared.now())
    row = store.find(session, number)
    typer.echo(f"Rollout {number} is {row.state}" + (f" ({row.reason})." if row.reason else "."))
