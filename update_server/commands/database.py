"""`database move`."""

import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from update_server import settings as settings_module
from update_server.commands import shared
from update_server.commands.shared import AsJson, Dir
from update_server.errors import BadInput, Conflict
from update_server.files import SECRET, to_itself, write_atomic

KEPT = settings_module.SETTINGS_FILE + ".sqlite"
VARIABLE = "CAMWARD_DATABASE"

Write = Callable[[Path, bytes, int], None]  # `write_atomic`, or what a test puts in its place to cut the power


def move(
    url: Annotated[str, typer.Argument(metavar="URL", help="An empty PostgreSQL database: postgresql://...")],
    folder: Dir = shared.HERE,
    as_json: AsJson = False,
) -> None:
    """Move the fleet from SQLite into an empty PostgreSQL database, while the server is stopped.

    Until the last step, a line in server.toml, nothing has changed; the file of before is kept.
    """
    told = moved(folder, url)
    if as_json:
        shared.print_json(told)
        return
    rows = sum(table["rows"] for table in told["tables"])
    typer.echo(f"{rows} rows of {len(told['tables'])} tables are in the new database, and were compared.")
    typer.echo(f"{settings_module.SETTINGS_FILE} names it now; {KEPT} is as it was, and so is {told['left']}.")
    typer.echo("Start the server. Once it runs well, put the old database out of reach: it holds password hashes.")


def moved(folder: Path, url: str, write: Write = write_atomic) -> dict[str, Any]:
    """Do it, and say what was done; `write` puts the settings in their place.

    Raises:
        BadInput: that is no PostgreSQL database, or the environment names one.
        Conflict: the server or a command runs, the fleet is in PostgreSQL already, or the new database is in use.
        Misconfigured: one of the databases cannot be opened, or is of another schema.
        ServerError: the new database does not take the rows.
    """
    from update_server.db.move import move as copy
    from update_server.db.session import Database, check_schema

    if VARIABLE in os.environ:
        raise BadInput(f"{VARIABLE} is set, and wins over server.toml.", "Unset it, here and where the server starts.")
    try:
        settings_module.valid_database(url)
    except ValueError as error:
        raise BadInput(f"{url!r} cannot be used: {error}.", "Write postgresql://USER@HOST/NAME.") from None
    if not url.startswith("postgresql:"):
        raise BadInput(f"{url!r} is no PostgreSQL database.", "Write postgresql://USER@HOST/NAME.")
    with to_itself(folder), shared.database_trouble():
        settings, file = settings_module.load(folder), folder / settings_module.SETTINGS_FILE
        if not settings.database.startswith("sqlite:"):
            raise Conflict("The fleet is in PostgreSQL already.", "Nothing was changed.")
        before = file.read_text(encoding="utf-8")
        after = settings_module.with_database(before, url)
        source, target = Database(settings.database_url), Database(url)
        try:
            check_schema(source)
            with shared.progress("Rows") as tell:
                tables = copy(source, target, tell)
        finally:
            source.close()
            target.close()
        mode = file.stat().st_mode & 0o777
        write(folder / KEPT, before.encode(), mode | SECRET)
        write(file, after.encode(), mode | SECRET)
    left = settings.database_url.removeprefix("sqlite:///")
    return {"database": url, "left": left, "tables": [asdict(table) for table in tables]}
