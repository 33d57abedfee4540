"""What the image commands print: notes as they come, results as a table or JSON, errors as one line."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console

from firmware_sim.image.errors import ImageError

STATUS_FAILED = 1


@contextmanager
def progress(as_json: bool) -> Iterator[Callable[[str], None]]:
    """Show notes as they come, on standard error; errors become one line and status 1."""
    console = Console(stderr=True, highlight=False)

    def note(text: str) -> None:
        if text.startswith("WARNING"):
            console.print(text, style="bold yellow", markup=False)
        elif not as_json:
            console.print(f"  {text}", style="dim", markup=False)

    try:
        yield note
    except ImageError as error:
        sys.stderr.write(f"camward-sim: {error}\n")
        raise typer.Exit(STATUS_FAILED) from error


def show(value: dict[str, Any], as_json: bool) -> None:
    """Print a result on standard output."""
    if as_json:
        sys.stdout.write(json.dumps(value, indent=1) + "\n")
        return
    console = Console(highlight=False)
    for name, item in value.items():
        if isinstance(item, str | int):
            console.print(f"{name:>16}  {item}", markup=False, soft_wrap=True)
