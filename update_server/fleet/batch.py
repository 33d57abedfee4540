"""The database's side of a batch of messages: what they have to be compared with is read at once, and they are written
at once. A statement for each message would cost more than all else.
"""

import json
from collections.abc import Container, Iterable, Sequence
from typing import Any

from sqlalchemy import delete, insert, select, text, tuple_
from sqlalchemy.orm import Session

from update_server.db.models import Device, Message
from update_server.fleet.reading import Read

Key = tuple[str, str, int]
"""Camera, boot and number: no two messages have the same ones."""

# PostgreSQL gets many rows as one JSON text: as many parameters, or arrays, they would cost several times as much.
_STORED = text(
    "SELECT message.device_id, message.boot, message.seq, message.raw"
    " FROM json_to_recordset(CAST(:rows AS json)) AS wanted (id text, boot text, seq bigint)"
    " JOIN message ON message.device_id = wanted.id AND message.boot = wanted.boot AND message.seq = wanted.seq"
)
_INSERT = text(
    "INSERT INTO message (device_id, boot, seq, type, at, received_at, raw)"
    " SELECT device_id, boot, seq, type, at, received_at, decode(raw, 'hex')"
    " FROM json_to_recordset(CAST(:rows AS json)) AS new"
    " (device_id text, boot text, seq bigint, type text, at bigint, received_at bigint, raw text)"
)


class Messages:
    """The stored messages that those of a batch have to be compared with, and the new ones."""

    def __init__(self, session: Session, batch: Sequence[Read], known: Container[str]) -> None:
        """Read what is there; the cameras, of which those in `known` count, are locked by the caller."""
        self._session = session
        keys = {
            (one.device_id, one.content.envelope.boot, one.content.envelope.seq)
            for one in batch
            if one.content is not None and one.device_id in known
        }
        self._stored = _stored(session, sorted(keys))
        self._rows: dict[Key, dict[str, Any]] = {}

    def stored(self, key: Key) -> bytes | None:
        """The message of that number that was taken before, in this batch or ever; None if there is none."""
        return self._stored.get(key)

    def forget(self, key: Key) -> None:
        """Take the message of that number out, if there is one, wherever it is by now."""
        if self._stored.pop(key, None) is not None and self._rows.pop(key, None) is None:
            device_id, boot, seq = key
            same = (Message.device_id == device_id, Message.boot == boot, Message.seq == seq)
            self._session.execute(delete(Message).where(*same))

    def add(self, key: Key, kind: str, at: int, received_at: int, wire: bytes) -> None:
        """Take a message in whose number is free."""
        device_id, boot, seq = key
        self._stored[key] = wire
        self._rows[key] = {
            "device_id": device_id, "boot": boot, "seq": seq, "type": kind, "at": at, "received_at": received_at,
            "raw": wire,
        }  # fmt: skip

    def write(self) -> None:
        """Write what was taken in, in its order."""
        rows = list(self._rows.values())
        if not rows:
            return
        if is_postgresql(self._session):
            plain = [{**row, "raw": row["raw"].hex()} for row in rows]
            self._session.execute(_INSERT, {"rows": json.dumps(plain)})
        else:
            self._session.execute(insert(Message), rows)


def is_postgresql(session: Session) -> bool:
    """Whether that is what the database is."""
    return session.get_bind().dialect.name == "postgresql"


def of(session: Session, ids: Iterable[str]) -> Any:
    """The condition that a camera's id is one of these."""
    wanted = sorted(set(ids))
    if is_postgresql(session):
        return text("device.id = ANY(string_to_array(:ids, ','))").bindparams(ids=",".join(wanted))
    return Device.id.in_(wanted)


def lock(session: Session, ids: Iterable[str]) -> dict[str, Device]:
    """The cameras of these ids, locked until the transaction ends, in one order: no two wait for each other."""
    wanted = select(Device).where(of(session, ids)).order_by(Device.id)
    return {row.id: row for row in session.scalars(wanted.with_for_update(key_share=True))}


def _stored(session: Session, keys: Sequence[Key]) -> dict[Key, bytes]:
    if not keys:
        return {}
    found: Iterable[Any]
    if is_postgresql(session):
        rows = [{"id": device_id, "boot": boot, "seq": seq} for device_id, boot, seq in keys]
        found = session.execute(_STORED, {"rows": json.dumps(rows)})
    else:
        number = tuple_(Message.device_id, Message.boot, Message.seq)
        found = session.execute(
            select(Message.device_id, Message.boot, Message.seq, Message.raw).where(number.in_(keys))
        )
    return {(device_id, boot, seq): raw for device_id, boot, seq, raw in found}
