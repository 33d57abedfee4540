"""What is on file about one camera: update history, refusals, telemetry, evidence."""

import functools
from dataclasses import dataclass
from importlib import resources
from typing import Any, NamedTuple

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from agent.core import compliance
from agent.formats import evidence as evidence_format
from agent.formats import fields, utc
from agent.formats.errors import FormatError
from update_server.db.models import Evidence, Message, Refusal, UpdateEvent

SHOWN = 50
KEPT_TELEMETRY_S = 14 * 86_400  # longer than any outbox that would still deliver a message twice


def prune(session: Session, now: int) -> None:
    """Delete telemetry messages older than KEPT_TELEMETRY_S (the newest values stay with the camera)."""
    old = (Message.type == "telemetry", Message.received_at < now - KEPT_TELEMETRY_S)
    session.execute(delete(Message).where(*old))


def updates(session: Session, device_id: str) -> list[UpdateEvent]:
    """The newest update events of a camera, the newest first."""
    query = select(UpdateEvent).where(UpdateEvent.device_id == device_id).order_by(UpdateEvent.id.desc())
    return list(session.scalars(query.limit(SHOWN)))


def refusals(session: Session, device_id: str) -> list[Refusal]:
    """What was refused from a camera, the newest first."""
    query = select(Refusal).where(Refusal.device_id == device_id).order_by(Refusal.id.desc())
    return list(session.scalars(query.limit(SHOWN)))


def evidence(session: Session, device_id: str) -> Evidence | None:
    """The newest verified evidence report of a camera."""
    return session.get(Evidence, device_id)


@dataclass(frozen=True)
class Shown:
    """One finding as it is shown, with its criterion's title in both languages (empty for an unknown criterion)."""

    criterion: str
    verdict: str
    basis: str
    probes: str
    reason: str
    title_en: str
    title_ja: str


def findings(row: Evidence) -> list[Shown]:
    """The findings of an evidence report, for showing.

    Raises:
        FormatError: the stored report is damaged.
    """
    titles = {criterion.id: (criterion.title_en, criterion.title_ja) for criterion in _catalogue().criteria}
    return [
        Shown(f.criterion, f.verdict, f.basis, ", ".join(f.probes), f.reason, *titles.get(f.criterion, ("", "")))
        for f in evidence_format.parse(row.report).findings
    ]


class InTheClear(NamedTuple):
    """The exception that a camera's owner has opened: the port, since when and until when (Unix seconds)."""

    port: int
    since_at: int
    until_at: int


def in_the_clear(row: Evidence, now: int) -> InTheClear | None:
    """What an evidence report says of RTSP in the clear; None while it is closed, or of older cameras.

    A camera that has been away since is believed until the time that it has said, and no longer.
    """
    return _in_the_clear(row.report.get("facts", {}).get("plain_rtsp"), now)


def all_in_the_clear(session: Session, device_ids: list[str], now: int) -> set[str]:
    """Those of these cameras of which `in_the_clear` says something."""
    fact = Evidence.report["facts"]["plain_rtsp"]  # the database takes it out: reports are long
    rows = session.execute(select(Evidence.device_id, fact).where(Evidence.device_id.in_(device_ids)))
    return {device_id for device_id, found in rows if _in_the_clear(found, now)}


def _in_the_clear(fact: Any, now: int) -> InTheClear | None:
    try:
        source = fields.as_object(fact, "plain_rtsp")
        if not fields.boolean(source, "open"):
            return None
        since_at, until_at = (utc.parse(fields.text(source, name, 32)) for name in ("since", "until"))
        found = InTheClear(fields.integer(source, "port", 1, 65535), since_at, until_at)
        return found if now < until_at else None
    except FormatError:
        return None


@functools.cache
def _catalogue() -> compliance.Catalogue:
    return compliance.parse_catalogue(resources.files("agent.core").joinpath("star1.json").read_bytes())
