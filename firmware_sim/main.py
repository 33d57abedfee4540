"""`camward-sim`: builds camera firmware, runs it, and tells the story of the demo.

`firmware_sim.image.cli` brings the commands that build images; those that run them are here and in `firmware_sim.demo`.
"""

import signal
import sys
from importlib import metadata
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from firmware_sim import netns
from firmware_sim.image.errors import ImageError
from firmware_sim.qemu.errors import MachineError

STATUS_BAD_CALL = 2
"""What cannot be done as asked: unknown model, missing file, port taken."""

app = typer.Typer(
    name="camward-sim",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        print("camward-sim", metadata.version("camward"))
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Build a camera firmware, run it on an emulated camera, attack it."""


@app.command("netns", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def _netns(context: typer.Context) -> None:
    """Run a command in a closed test network: `camward-sim netns -- COMMAND`."""
    raise typer.Exit(netns.main(context.args))


@app.command("run")
def _run(
    device: Annotated[Path, typer.Argument(help="a folder that `camward-sim provision` made")],
    web: Annotated[int, typer.Option(help="port on 127.0.0.1 that leads to the camera's web page; 0: any")] = 0,
    rtsps: Annotated[int, typer.Option(help="port on 127.0.0.1 that leads to the camera's stream; 0: any")] = 0,
) -> None:
    """Run a provisioned camera: its console here, its services on ports of this machine."""
    from firmware_sim.qemu import live

    raise typer.Exit(live.run(device, {443: web, 322: rtsps}))


@app.command("demo")
def _demo(
    keep: Annotated[bool, typer.Option("--keep", help="leave everything running at the end")] = False,
    counts: Annotated[bool, typer.Option("--counts", help="end with `N passed, N failed`")] = False,
) -> None:
    """Tell the whole story on an emulated camera; every step is checked."""
    from firmware_sim.demo import story

    raise typer.Exit(story.run(keep=keep, counts=counts))


def _end(number: int, _frame: FrameType | None) -> None:
    """End by an exception, so that every machine and server is ended on the way out."""
    raise SystemExit(128 + number)


def main() -> None:
    """Run the command line; errors that a person can mend are one line and status 2."""
    signal.signal(signal.SIGTERM, _end)
    from firmware_sim.image.cli import app as image_app

    app.add_typer(image_app)
    try:
        app()
    except (MachineError, ImageError) as error:
        sys.stderr.write(f"camward-sim: {error}\n")
        raise SystemExit(STATUS_BAD_CALL) from error


if __name__ == "__main__":
    main()
