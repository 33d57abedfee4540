"""What is on file about one camera: update history, refusals, telemetry, evidence."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from update_server.db.models import Evidence, Refusal, UpdateEvent

SHOWN = 50
FINDING_FIELDS = ("criterion", "verdict", "probe", "basis", "reason")


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


def findings(row: Evidence) -> list[dict[str, str]]:
    """The findings of an evidence report as plain texts, whatever else it contains."""
    listed: Any = row.report.get("findings")
    items = [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []
    return [{name: str(item.get(name, "")) for name in FINDING_FIELDS} for item in items]
