"""`camward-server`: the command line."""

import sys
from collections.abc import Sequence
from importlib import metadata
from typing import Annotated, NoReturn

import typer
from sqlalchemy.exc import OperationalError

from update_server.commands import audit, bundle, delta, device, fleet, keys, people, release, rollout, server
from update_server.errors import ServerError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo("camward-server " + metadata.version("camward"))
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Signs and publishes camera firmware, rolls it out over a fleet, and receives what cameras report."""


app.command("init")(server.init)
app.command("serve")(server.serve)
app.command("status")(server.status)
app.command("audit")(audit.audit)
app.command("migrate")(server.migrate_command)
app.add_typer(device.app, name="device")
app.add_typer(fleet.app, name="fleet")
app.add_typer(release.app, name="release")
app.add_typer(delta.app, name="delta")
app.add_typer(rollout.app, name="rollout")
app.add_typer(bundle.app, name="bundle")
app.add_typer(keys.app, name="keys")
app.add_typer(server.root, name="root")
app.add_typer(people.user, name="user")
app.add_typer(people.token, name="token")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line (by default the process's). Exit codes: 0 done, 1 refused (one line), 2 wrong usage.

    Raises:
        SystemExit: always; it carries the exit code.
    """
    try:
        app(arguments)
    except ServerError as error:
        _end(str(error), error.exit_code)
    except OSError as error:  # a full disk, a folder that is not ours
        where = f"{error.filename}: " if error.filename else ""
        _end(f"{where}{error.strerror or error}. Mend that, and run the command again.", ServerError.exit_code)
    except OperationalError as error:
        _end(f"The database cannot be used: {error.orig}. Mend that, and run it again.", ServerError.exit_code)


def _end(line: str, code: int) -> NoReturn:
    sys.stderr.write(f"camward-server: {line}\n")
    sys.exit(code)


if __name__ == "__main__":
    main()
