"""A fleet's rows from one database into another, all or none: copied, read back, compared (ADR 0045)."""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import JSON, Connection, Table, func, insert, inspect, select, text
from sqlalchemy.exc import DatabaseError

from update_server.db.models import Base
from update_server.db.session import SCHEMA, Database, migrate_in
from update_server.errors import Conflict, ServerError

BATCH = 500  # rows; an evidence report is some 30 KB
DIGEST_BYTES = 32

Tell = Callable[[int, int], None]
"""Is told how many rows are done, of how many in all."""


@dataclass(frozen=True)
class Copied:
    """A table, and what was compared of it: how many rows, and the sum of their SHA-256, whatever order they are in."""

    table: str
    rows: int = 0
    sha256: str = bytes(DIGEST_BYTES).hex()

    def and_also(self, table: Table, rows: list[dict[str, Any]]) -> "Copied":
        """The same with more rows."""
        total = int(self.sha256, 16) + sum(_digest(table, row) for row in rows)
        sha256 = (total % 2 ** (8 * DIGEST_BYTES)).to_bytes(DIGEST_BYTES).hex()
        return Copied(self.table, self.rows + len(rows), sha256)


def move(source: Database, target: Database, tell: Tell) -> list[Copied]:
    """Copy every row of `source` into the empty database `target`, in one transaction there; nobody writes meanwhile.

    A `target` that holds exactly these rows already, as after a move that was interrupted at its end, is left as it is.

    Raises:
        Conflict: `target` has tables already, and other rows than `source`.
        ServerError: `target` does not take a row, or gives back another one.
    """
    with source.write() as reading, target.write() as writing:
        old, new = reading.connection(), writing.connection()
        total = sum(_count(old, table) for table in Base.metadata.sorted_tables)
        try:
            if not inspect(new).get_table_names():
                migrate_in(new)
                return _copy(old, new, total, tell)
            found = [_read(old, table) for table in Base.metadata.sorted_tables]
            if not _is_ours(new) or found != [_read(new, table) for table in Base.metadata.sorted_tables]:
                raise Conflict(
                    "The database has tables already, and not this fleet's.", "Give an empty one; nothing was changed."
                )
        except DatabaseError as error:
            said = " ".join(str(error.orig).split())
            raise ServerError(f"The rows cannot be moved: {said}.", "Nothing was changed.") from None
    tell(total, total)
    return found


def _copy(old: Connection, new: Connection, total: int, tell: Tell) -> list[Copied]:
    """Fill the new, empty tables, those first that others refer to; then see what is in them."""
    found: list[Copied] = []
    for table in Base.metadata.sorted_tables:
        before, copied = sum(one.rows for one in found), Copied(table.name)
        for rows in _batches(old, table):
            new.execute(insert(table), rows)
            copied = copied.and_also(table, rows)
            tell(before + copied.rows, total)
        _set_sequence(new, table)
        if _read(new, table) != copied:
            raise ServerError(
                f"The new database gives back other rows of {table.name} than it was given.", "Nothing was changed."
            )
        found.append(copied)
    return found


def _is_ours(connection: Connection) -> bool:
    """Whether it has this program's schema."""
    there = set(inspect(connection).get_table_names())
    if there != {table.name for table in Base.metadata.sorted_tables} | {"alembic_version"}:
        return False
    return bool(connection.scalar(text("SELECT version_num FROM alembic_version")) == SCHEMA)


def _count(connection: Connection, table: Table) -> int:
    return connection.scalar(select(func.count()).select_from(table)) or 0


def _batches(connection: Connection, table: Table) -> Iterator[list[dict[str, Any]]]:
    """A table's rows, some at a time: no more of them are in memory."""
    found = connection.execute(select(table).execution_options(yield_per=BATCH))
    for rows in found.mappings().partitions():
        yield [dict(row) for row in rows]


def _read(connection: Connection, table: Table) -> Copied:
    found = Copied(table.name)
    for rows in _batches(connection, table):
        found = found.and_also(table, rows)
    return found


def _digest(table: Table, row: dict[str, Any]) -> int:
    """SHA-256 of a row, as a number: of each value with its type, in the order of the columns."""
    values = [
        json.dumps(row[column.name], sort_keys=True) if isinstance(column.type, JSON) else _plain(row[column.name])
        for column in table.columns
    ]
    return int.from_bytes(hashlib.sha256(json.dumps(values).encode()).digest())


def _plain(value: Any) -> Any:
    """A value as JSON can say it. PostgreSQL keeps text without NUL (update_server.db.session)."""
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    return value.replace("\0", "\ufffd") if isinstance(value, str) else value


def _set_sequence(connection: Connection, table: Table) -> None:
    """Have the rows that come next be numbered after those that are there."""
    number = table.autoincrement_column
    if number is None or connection.dialect.name != "postgresql":
        return
    last = connection.scalar(select(func.max(number)))
    if last is not None:
        named = func.pg_get_serial_sequence(table.name, number.name)
        connection.execute(select(func.setval(named, last)))
