"""Telemetry as it comes from a large fleet: batches of nothing else, by a few statements each, of which none loads more
of a camera than telemetry changes. What is taken and what is refused is the same as in `update_server.fleet.ingest`.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, select, text, update
from sqlalchemy.orm import Session

from update_server.db.models import Device
from update_server.fleet.batch import is_postgresql, of

# What telemetry reads and changes of a camera.
_READ = (
    Device.id, Device.denied_at, Device.state_at, Device.online, Device.last_seen_at, Device.version,
    Device.telemetry_at, Device.telemetry_seq, Device.day, Device.day_counts,
)  # fmt: skip
_WRITTEN = ("online", "last_seen_at", "version", "telemetry_at", "telemetry_seq", "day", "day_counts")
_TYPES = {"online": "boolean", "version": "text", "day_counts": "json", "telemetry": "json"}  # the others are bigint


@dataclass(slots=True)
class Camera:
    """The part of a `Device` that telemetry concerns; `telemetry` is None until a message brings it."""

    id: str
    denied_at: int | None
    state_at: int | None
    online: bool
    last_seen_at: int | None
    version: str
    telemetry_at: int | None
    telemetry_seq: int | None
    day: int
    day_counts: dict[str, int]
    telemetry: dict[str, Any] | None = None


def cameras(session: Session, ids: Iterable[str]) -> dict[str, Camera]:
    """The cameras of these ids, locked until the transaction ends, in one order for all who do that."""
    wanted = select(*_READ).where(of(session, ids)).order_by(Device.id)
    return {row[0]: Camera(*row) for row in session.execute(wanted.with_for_update(key_share=True))}


def write(session: Session, changed: Sequence[Camera]) -> None:
    """Write what telemetry has changed of these cameras."""
    for told in (True, False):  # with and without values that are newer than those on file
        rows = [one for one in changed if (one.telemetry is not None) is told]
        if rows:
            names = (*_WRITTEN, "telemetry") if told else _WRITTEN
            _update(session, rows, names)


def _update(session: Session, rows: Sequence[Camera], names: Sequence[str]) -> None:
    plain = [{"key": one.id, **{name: getattr(one, name) for name in names}} for one in rows]
    if is_postgresql(session):
        session.execute(_statement(names), {"rows": json.dumps(plain)})
    else:
        changes = update(Device.__table__).where(Device.id == bindparam("key"))  # type: ignore[arg-type]
        session.connection().execute(changes.values({name: bindparam(name) for name in names}), plain)


def _statement(names: Sequence[str]) -> Any:
    columns = ", ".join(f"{name} {_TYPES.get(name, 'bigint')}" for name in names)
    changes = ", ".join(f"{name} = new.{name}" for name in names)
    return text(
        f"UPDATE device SET {changes} FROM json_to_recordset(CAST(:rows AS json)) AS new (key text, {columns})"  # noqa: S608  (our own names)
        " WHERE device.id = new.key"
    )
