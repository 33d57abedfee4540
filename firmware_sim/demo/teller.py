"""Tells a story: one step after the other, with progress on the terminal and the outcome as data."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from firmware_sim.demo.step import StageT, Step, StepFailed
from firmware_sim.files import write_json
from firmware_sim.image.errors import ImageError
from firmware_sim.qemu.errors import MachineError

EXPECTED = (StepFailed, MachineError, ImageError, httpx.HTTPError, OSError)
"""What a step may fail with; anything else is a bug of ours and ends with its traceback."""


@dataclass(frozen=True)
class Told:
    """The outcome of one step."""

    name: str
    ok: bool
    seen: str
    seconds: float


def tell(
    steps: Sequence[Step[StageT]], stage: StageT, console: Console, clock: Callable[[], float] = time.monotonic
) -> list[Told]:
    """Tell the steps in order and stop at the first that fails.

    Returns:
        One outcome per step told; the last one says whether the story came to its end.
    """
    told: list[Told] = []
    for number, step in enumerate(steps, 1):
        begin = clock()
        with console.status(f"{number}/{len(steps)} {escape(step.name)} …"):
            outcome = _one(step, stage)
        told.append(Told(step.name, outcome[0], outcome[1], round(clock() - begin, 2)))
        _show(console, number, len(steps), told[-1])
        if not told[-1].ok:
            break
    return told


def _one(step: Step[StageT], stage: StageT) -> tuple[bool, str]:
    try:
        return True, step.tell(stage)
    except EXPECTED as error:
        return False, str(error) or type(error).__name__


def _show(console: Console, number: int, count: int, told: Told) -> None:
    mark, colour = ("✓", "green") if told.ok else ("✗", "red")
    head = f"[{colour}]{mark}[/] {number:>2}/{count} [bold]{escape(told.name)}[/] [dim]{told.seconds:.1f} s[/]"
    console.print(head)
    console.print(Padding(Text(told.seen), (0, 0, 0, 6)))


def summary_table(told: Sequence[Told], figures: Sequence[tuple[str, str]]) -> Table:
    """Make the table at the end: steps with their times, then the figures that the project promises."""
    table = Table(title="Camward demo", show_lines=False)
    table.add_column("")
    table.add_column("step")
    table.add_column("time", justify="right")
    for one in told:
        table.add_row("[green]✓[/]" if one.ok else "[red]✗[/]", escape(one.name), f"{one.seconds:.1f} s")
    table.add_section()
    table.add_row("", "whole story", f"{sum(one.seconds for one in told):.1f} s")
    for what, value in figures:
        table.add_row("", escape(what), escape(value))
    return table


def write_summary(path: Path, told: Sequence[Told], count: int, figures: dict[str, Any]) -> None:
    """Write the outcome as JSON.

    Raises:
        OSError: it cannot be written.
    """
    whole = len(told) == count and all(one.ok for one in told)
    total = round(sum(one.seconds for one in told), 2)
    write_json(path, {"ok": whole, "steps": [asdict(one) for one in told], "total_s": total, "figures": figures})
