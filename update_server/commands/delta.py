"""`delta make|list`."""

import sys
from collections.abc import Callable
from typing import Annotated

import typer

from update_server.api.views import DeltaView
from update_server.commands import shared
from update_server.commands.shared import AsJson, Dir
from update_server.db.models import Delta
from update_server.deltas import service
from update_server.errors import BadInput
from update_server.fleet import devices
from update_server.repository import releases
from update_server.services import Services

Model = Annotated[str | None, typer.Option(help="Needed when several models have that version.")]
PERCENT = 100


def make(
    version: Annotated[str, typer.Argument(help="The release to install.")],
    from_version: Annotated[
        list[str] | None, typer.Option("--from", help="What cameras run; repeat it. Default: what they do run.")
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="The one that builds on no older release.")] = False,
    model: Model = None,
    folder: Dir = shared.HERE,
    as_json: AsJson = False,
) -> None:
    """Prepare now what cameras will fetch; what is there already is not made again."""
    with shared.opened(folder) as services:
        pairs = _wanted(services, version, from_version or [], model, full=full)
        failed = []
        for pair in pairs:
            progress = _quiet if as_json else _progress(pair)
            made = services.deltas.make(pair.from_root, pair.to_root, progress, shared.now())
            failed += [made.detail] if made.state == service.FAILED else []
        services.redeliver(shared.now())
        with services.database.read() as session:
            row = releases.find(session, version, model)
            views = [DeltaView.of(session, one) for one in services.deltas.listed(session, row)]
    if failed:
        raise BadInput(failed[0])
    _show(views, as_json=as_json)


def _wanted(
    services: Services, version: str, from_versions: list[str], model: str | None, *, full: bool
) -> list[Delta]:
    """The rows of the pairs meant, wanted from now on.

    Raises:
        NotFound: one of the releases is not on this server.
        BadInput: a release is named as its own origin.
    """
    if version in from_versions:
        raise BadInput(f"{version} is the release itself.", "Name with --from what cameras run before.")
    with services.database.write() as session:
        row, now = releases.find(session, version, model), shared.now()
        named = [releases.find(session, one, row.model) for one in from_versions]
        if named or full:
            pairs = [services.deltas.want(session, old, row, now) for old in named]
            pairs += [services.deltas.want(session, None, row, now)] if full else []
        else:
            services.deltas.want_for(session, row, now)
            pairs = services.deltas.listed(session, row)
        devices.audit(session, shared.operator_name(), "delta make", f"{row.model} {version}", now)
        return pairs


def list_deltas(
    version: Annotated[str | None, typer.Argument(help="Only those to this release.")] = None,
    model: Model = None,
    folder: Dir = shared.HERE,
    as_json: AsJson = False,
) -> None:
    """List what was prepared, and what it costs to fetch."""
    with shared.opened(folder) as services, services.database.read() as session:
        row = releases.find(session, version, model) if version else None
        views = [DeltaView.of(session, one) for one in services.deltas.listed(session, row)]
    _show(views, as_json=as_json)


def _show(views: list[DeltaView], *, as_json: bool) -> None:
    if as_json:
        shared.print_json([view.plain() for view in views])
        return
    rows = [
        (v.model, v.from_version or "(none)", v.to_version, v.state, v.full_bytes, v.delta_bytes, _share(v), v.detail)
        for v in views
    ]
    columns = ("model", "from", "to", "state", "bytes in full", "bytes", "share", "detail")
    shared.print_table("Deltas", columns, rows)


def _share(view: DeltaView) -> str:
    return "" if view.delta_bytes is None else f"{PERCENT * view.delta_bytes / view.full_bytes:.1f} %"


def _quiet(_done: int, _total: int) -> None:
    """Say nothing."""


def _progress(pair: Delta) -> Callable[[int, int], None]:
    """One line on the terminal that counts up; a pipe gets nothing."""
    if not sys.stderr.isatty():
        return _quiet
    what = f"{pair.from_version or '(none)'} to {pair.to_version}"

    def say(done: int, total: int) -> None:
        end = "\n" if done == total else ""
        sys.stderr.write(f"\r{shared.printable(what)}: {PERCENT * done // total} %{end}")
        sys.stderr.flush()

    return say
