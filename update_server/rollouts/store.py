"""Rollouts in the database: rows and counts, no decisions."""

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from update_server.db.models import Device, Rollout, RolloutDevice
from update_server.errors import NotFound
from update_server.rollouts.plan import Counts

RUNNING, PAUSED, ABORTED, COMPLETE = "running", "paused", "aborted", "complete"
MAX_NUMBER = 2**63 - 1  # of a row, in any database
WAITING, ASSIGNED, COMMITTED, FAILED = "waiting", "assigned", "committed", "failed"


def find(session: Session, rollout_id: int) -> Rollout:
    """The rollout with that number.

    Raises:
        NotFound: there is none.
    """
    row = session.get(Rollout, rollout_id) if rollout_id <= MAX_NUMBER else None
    if row is None:
        raise NotFound(f"There is no rollout {rollout_id}.", "See 'camward-server rollout list'.")
    return row


def everything(session: Session) -> list[Rollout]:
    """All rollouts, the newest first."""
    return list(session.scalars(select(Rollout).order_by(Rollout.id.desc())))


def running(session: Session) -> list[Rollout]:
    """The rollouts that may have something to do."""
    return list(session.scalars(select(Rollout).where(Rollout.state == RUNNING).order_by(Rollout.id)))


def unfinished(session: Session, model: str, group: str) -> Rollout | None:
    """A running or paused rollout to that model and group."""
    same = (Rollout.model == model, Rollout.group_name == group, Rollout.state.in_((RUNNING, PAUSED)))
    return session.scalars(select(Rollout).where(*same)).first()


def counts(session: Session, rollout: Rollout, now: int) -> tuple[Counts, ...]:
    """The cameras of each phase by state, counted by the database."""
    # A camera that has said that it waits for its maintenance window is not silent until some time after that.
    counted_from = func.coalesce(RolloutDevice.waits_until_at, RolloutDevice.assigned_at)
    overdue = counted_from <= now - rollout.silent_after_s
    state = case(((RolloutDevice.state == ASSIGNED) & overdue, "silent"), else_=RolloutDevice.state)
    query = select(RolloutDevice.phase, state, func.count()).where(RolloutDevice.rollout_id == rollout.id)
    found: list[dict[str, int]] = [{} for _ in rollout.phases]
    for phase, name, count in session.execute(query.group_by(RolloutDevice.phase, state)):
        found[phase]["pending" if name == ASSIGNED else name] = count
    return tuple(Counts(**phase) for phase in found)


def members(session: Session, rollout: Rollout, **wanted: int | str) -> list[tuple[RolloutDevice, Device]]:
    """The rollout's cameras, optionally only those of a phase or state, ordered by phase and serial number."""
    query = (
        select(RolloutDevice, Device)
        .join(Device, Device.id == RolloutDevice.device_id)
        .where(RolloutDevice.rollout_id == rollout.id)
        .order_by(RolloutDevice.phase, Device.serial, Device.id)
    )
    for name, value in wanted.items():
        query = query.where(getattr(RolloutDevice, name) == value)
    return [(row[0], row[1]) for row in session.execute(query)]


def parts(session: Session, device_id: str, version: str) -> list[RolloutDevice]:
    """A camera's open parts in unfinished rollouts of `version`."""
    query = (
        select(RolloutDevice)
        .join(Rollout, Rollout.id == RolloutDevice.rollout_id)
        .where(RolloutDevice.device_id == device_id, Rollout.version == version)
        .where(Rollout.state.in_((RUNNING, PAUSED)), RolloutDevice.state.in_((WAITING, ASSIGNED)))
    )
    return list(session.scalars(query))


def candidates(session: Session, model: str, group: str) -> list[Device]:
    """The cameras of a model in a group ("all" is everyone)."""
    query = select(Device).where(Device.model == model)
    return list(session.scalars(query if group == "all" else query.where(Device.group_name == group)))
