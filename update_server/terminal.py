"""What may be written to a terminal: some of it was chosen by cameras and other strangers."""

import json
import sys
import unicodedata
from collections.abc import Sequence
from typing import Any

import typer


def printable(text: str) -> str:
    """`text` with everything replaced that could steer a terminal."""
    return "".join(c if harmless(c) else "\N{REPLACEMENT CHARACTER}" for c in text)


def harmless(character: str) -> bool:
    """Whether a character only shows itself."""
    return character.isprintable() or unicodedata.category(character) == "Zs"


def print_json(value: Any) -> None:
    """Print JSON for programs; what could steer a terminal is escaped."""
    text = json.dumps(value, ensure_ascii=False, indent=2)
    plain = (c if harmless(c) or c == "\n" else json.dumps(c).strip('"') for c in text)
    typer.echo("".join(plain))


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table for people; wide enough for a pipe as well."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(width=None if sys.stdout.isatty() else 160)
    table = Table(*columns, title=title if rows else None, title_justify="left")
    for row in rows:
        table.add_row(*(Text("" if cell is None else printable(str(cell))) for cell in row))
    console.print(table if rows else f"{title}: none.")
