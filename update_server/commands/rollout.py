"""`rollout create|list|show|pause|resume|abort`."""

from pathlib import Path
from typing import Annotated

import typer

from update_server.api.views import RolloutView
from update_server.commands import shared
from update_server.commands.shared import AsJson, Dir
from update_server.fleet import devices
from update_server.rollouts import service, store

Number = Annotated[int, typer.Argument(metavar="NUMBER", help="The rollout's number.")]


def create(
    version: Annotated[str, typer.Argument(help="The release's version.")],
    phases: Annotated[str, typer.Option(help="Numbers or percentages, cumulative.")] = service.DEFAULT_PHASES,
    group: Annotated[str, typer.Option(help="Only cameras of this group.")] = "all",
    model: Annotated[str | None, typer.Option(help="Needed when several models have that version.")] = None,
    failure_percent: Annotated[
        int, typer.Option(min=0, max=100, help="Failures allowed in the last phase.")
    ] = service.DEFAULT_FAILURE_PERCENT,
    silent_after: Annotated[str | None, typer.Option(help="When a camera that says nothing counts as silent.")] = None,
    install_now: Annotated[
        bool, typer.Option("--now", help="Cameras do not wait for their maintenance windows.")
    ] = False,
    folder: Dir = shared.HERE,
    as_json: AsJson = False,
) -> None:
    """Roll a release out, phase by phase; the first failure in any phase but the last pauses it."""
    from update_server.repository import releases

    with shared.opened(folder) as services, services.database.write() as session:
        now = shared.now()
        row = services.rollouts.create(
            session,
            releases.find(session, version, model),
            phases=phases,
            group=group,
            failure_percent=failure_percent,
            silent_after_s=shared.duration(silent_after) if silent_after else services.settings.rollouts.silent_after_s,
            install_now=install_now,
            now=now,
        )
        devices.audit(session, shared.operator_name(), "rollout create", service.described(row), now)
        view = RolloutView.of(session, row, now)
    if as_json:
        shared.print_json(view.plain())
    else:
        typer.echo(f"Rollout {row.id} of {version} to {len(view.devices)} cameras is {row.state}.")


def list_rollouts(folder: Dir = shared.HERE, as_json: AsJson = False) -> None:
    """List all rollouts, the newest first."""
    with shared.database(folder) as database, database.read() as session:
        views = [RolloutView.of(session, row, shared.now()) for row in store.everything(session)]
    if as_json:
        shared.print_json([view.plain() for view in views])
        return
    rows = [(v.id, v.model, v.version, v.group, ",".join(v.phases), v.state, v.reason) for v in views]
    shared.print_table("Rollouts", ("number", "model", "version", "group", "phases", "state", "reason"), rows)


def show(number: Number, folder: Dir = shared.HERE, as_json: AsJson = False) -> None:
    """Show one rollout, phase by phase and camera by camera."""
    with shared.database(folder) as database, database.read() as session:
        view = RolloutView.of(session, store.find(session, number), shared.now())
    if as_json:
        shared.print_json(view.plain())
        return
    reason = f" ({view.reason})" if view.reason else ""
    typer.echo(f"Rollout {number} of {view.model} {view.version}: {view.state}{reason}.")
    names = ("waiting", "pending", "silent", "committed", "failed")
    phases = [
        (number + 1, phase, *(getattr(count, name) for name in names))
        for number, (phase, count) in enumerate(zip(view.phases, view.counts, strict=True))
    ]
    shared.print_table("Phases", ("phase", "size", *names), phases)
    members = [(d.phase + 1, d.serial, d.state, d.version, d.code) for d in view.devices]
    shared.print_table("Cameras", ("phase", "serial", "state", "version", "code"), members)


def pause(number: Number, folder: Dir = shared.HERE) -> None:
    """Pause: what has been assigned and not yet installed is taken back."""
    _act(number, "pause", folder)


def resume(number: Number, folder: Dir = shared.HERE) -> None:
    """Go on after a pause, excusing the failures so far."""
    _act(number, "resume", folder)


def abort(number: Number, folder: Dir = shared.HERE) -> None:
    """End a rollout for good; what is installed stays."""
    _act(number, "abort", folder)


def _act(number: int, verb: str, folder: Path) -> None:
    with shared.opened(folder) as services, services.database.write() as session:
        row, now, who = store.find(session, number), shared.now(), shared.operator_name()
        services.rollouts.act(session, row, verb, who, now)
        devices.audit(session, who, f"rollout {verb}", str(number), now)
        typer.echo(f"Rollout {number} is {row.state}" + (f" ({row.reason})." if row.reason else "."))
