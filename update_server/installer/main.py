"""`camward-installer`: the command line."""

import os
import sys
from collections.abc import Sequence
from importlib import metadata
from typing import Annotated, NoReturn

import typer

from update_server.errors import ServerError
from update_server.installer import claim, discover, handing_over
from update_server.installer.shared import Settings
from update_server.installer.texts import Say, language_of

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo("camward-installer " + metadata.version("camward"))
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    lang: Annotated[str, typer.Option("--lang", help="en or ja. Default: the terminal's (LANG).")] = "",
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Finds unclaimed cameras on the local network, claims them, and writes the passwords into a sealed file."""
    if lang not in ("", "en", "ja"):
        raise typer.BadParameter("en or ja", param_hint="--lang")
    context.obj = Settings(Say(language_of({"LANG": lang} if lang else os.environ)))


app.command("discover")(discover.discover)
app.command("claim")(claim.claim)
app.add_typer(handing_over.app, name="handover")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line. Exit codes: 0 done, 1 not all of it is done (or refused), 2 wrong usage.

    Raises:
        SystemExit: always; it carries the exit code.
    """
    try:
        app(arguments)
    except ServerError as error:
        _end(str(error))
    except OSError as error:  # a full disk, a folder that is not ours
        where = f"{error.filename}: " if error.filename else ""
        _end(f"{where}{error.strerror or error}")


def _end(line: str) -> NoReturn:
    sys.stderr.write(f"camward-installer: {line}\n")
    sys.exit(ServerError.exit_code)


if __name__ == "__main__":
    main()
