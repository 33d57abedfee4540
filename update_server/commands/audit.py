"""`audit`: who changed what, when."""

from typing import Annotated

import typer
from sqlalchemy import select

from update_server.commands import shared
from update_server.commands.shared import AsJson, Dir
from update_server.db.models import Audit

DEFAULT_LINES = 50


def audit(
    lines: Annotated[int, typer.Option(min=1, max=10_000, help="How many, the newest last.")] = DEFAULT_LINES,
    folder: Dir = shared.HERE,
    as_json: AsJson = False,
) -> None:
    """Show who changed what, when: keys, releases, assignments, accounts."""
    with shared.database(folder) as database, database.read() as session:
        rows = list(session.scalars(select(Audit).order_by(Audit.id.desc()).limit(lines)))[::-1]
    if as_json:
        shared.print_json([{"at": row.at, "who": row.who, "what": row.what, "detail": row.detail} for row in rows])
        return
    table = [(shared.local_time(row.at), row.who, row.what, row.detail) for row in rows]
    shared.print_table("Audit log", ("at", "who", "what", "detail"), table)
