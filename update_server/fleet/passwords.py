"""Who still has an old password: orders to change them, what cameras say of these, and how old passwords are.

A camera tells numbers and words of a fixed list. No name of an account, password or hash ever reaches this server, and
no order of it carries one.
"""

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from agent.formats import required_change
from agent.formats.required_change import NEVER, ChangeReport
from update_server.db.models import Device, RequiredChange
from update_server.errors import BadInput, NotFound
from update_server.fleet import devices
from update_server.terminal import printable

NO_ORDER, NOT_TAKEN, REFUSED, OLD, DONE = "no_order", "not_taken", "refused", "old", "done"
VERDICTS = (OLD, REFUSED, NOT_TAKEN, NO_ORDER, DONE)
"""What is known of a camera's order, those first that need somebody."""

MOST_S = 366 * 86_400
"""The latest stage of an order: what lies further ahead, nobody will remember having ordered."""


FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Standing:
    """One camera's line: age and policy as its telemetry says, the order, and the verdict.

    `age_days` is of its oldest password; None where its software does not say.
    """

    id: str
    serial: str
    group: str
    site: str
    age_days: int | None
    policy: str
    verdict: str
    stage: str
    behind: int | None
    reason: str
    since_at: int | None
    restrict_at: int | None
    claim_only_at: int | None
    said_at: int | None
    code: str
    last_seen_at: int | None


COLUMNS = tuple(Standing.__dataclass_fields__)


def standing(session: Session) -> list[Standing]:
    """All cameras: those first that need somebody, and of these the oldest passwords."""
    query = select(Device, RequiredChange).outerjoin(RequiredChange, RequiredChange.device_id == Device.id)
    lines = [_line(device, row) for device, row in session.execute(query)]
    return sorted(lines, key=lambda one: (VERDICTS.index(one.verdict), -(one.age_days or 0), one.serial, one.id))


def of_device(session: Session, device: Device) -> Standing:
    """One camera's line."""
    return _line(device, session.get(RequiredChange, device.id))


def counts(lines: Sequence[Standing]) -> dict[str, int]:
    """How many cameras there are of each verdict."""
    return {verdict: sum(one.verdict == verdict for one in lines) for verdict in VERDICTS}


def members(session: Session, group: str | None, site: str | None) -> list[Device]:
    """The cameras of a group, a site, or both; the group `all` is everybody's.

    Raises:
        BadInput: neither is named: an order to a whole fleet is not given by leaving something out.
        NotFound: there are none.
    """
    if not group and not site:
        raise BadInput("Say which cameras: a group or a site.", "The group 'all' is everybody's.")
    query = select(Device)
    if group and group != "all":
        query = query.where(Device.group_name == group)
    if site:
        query = query.where(Device.site == site)
    found = list(session.scalars(query.order_by(Device.serial, Device.id)))
    if not found:
        raise NotFound("There is no such camera.", "See 'camward-server device list'.")
    return found


def meant(session: Session, which: Sequence[str] | None, group: str | None, site: str | None) -> list[Device]:
    """The cameras that somebody has named: by ids or serial numbers, or as `members`.

    Raises:
        BadInput, NotFound, Conflict: it is not clear which, or there is none.
    """
    if which and (group or site):
        raise BadInput("Say which cameras: by id, or by a group or site.")
    if which:
        return [devices.find(session, one) for one in dict.fromkeys(which)]
    return members(session, group, site)


def order(
    now: int, reason: str, remind_s: int, restrict_s: int | None, claim_only_s: int | None
) -> required_change.RequiredChange:
    """An order that begins now: the seconds until each stage, None for one that does not come.

    Raises:
        BadInput: the reason is none, or the stages are not in their order, or too far ahead.
    """
    if reason not in required_change.REASONS:
        raise BadInput(f"{reason!r} is no reason.", "Use one of: " + ", ".join(required_change.REASONS))
    delays = [one for one in (remind_s, restrict_s, claim_only_s) if one is not None]
    if delays != sorted(delays) or delays[0] < 0 or delays[-1] > MOST_S:
        raise BadInput(
            "The stages are not in their order, or more than a year away.", "First remind, then restrict, then claim."
        )
    restrict_at, claim_only_at = (NEVER if one is None else now + one for one in (restrict_s, claim_only_s))
    return required_change.RequiredChange(now, now + remind_s, restrict_at, claim_only_at, reason)


def amended(session: Session, device: Device, wanted: required_change.RequiredChange) -> required_change.RequiredChange:
    """The camera's present order with the stages and the reason of `wanted`: it concerns nobody who was done with it.

    Raises:
        NotFound: there is none.
    """
    row = session.get(RequiredChange, device.id)
    if row is None:
        raise NotFound(f"{device.serial} has no order to change passwords.", "See 'camward-server fleet passwords'.")
    return wanted.replace(since_at=row.since_at)


def wish(
    wanted: required_change.RequiredChange, *, amend: bool
) -> Callable[[Session, Device], required_change.RequiredChange]:
    """The order for each camera: the same new one, or with `amend` each one's present one with these stages."""
    return (lambda session, device: amended(session, device, wanted)) if amend else (lambda _session, _device: wanted)


def put(session: Session, device: Device, wanted: required_change.RequiredChange | None) -> None:
    """Note what the director shall sign for a camera; None takes it back.

    Raises:
        NotFound: there is nothing to take back.
    """
    row = session.get(RequiredChange, device.id)
    if wanted is None:
        if row is None:
            raise NotFound(
                f"{device.serial} has no order to change passwords.", "See 'camward-server fleet passwords'."
            )
        session.delete(row)
    else:
        if row is not None:
            session.delete(row)
            session.flush()
        session.add(RequiredChange(device_id=device.id, **wanted.as_dict()))
    session.flush()


def audit(session: Session, who: str, device: Device, wanted: required_change.RequiredChange | None, now: int) -> None:
    """Record an order, or that it was taken back."""
    if wanted is None:
        devices.audit(session, who, "device withdraw-change", device.id, now)
        return
    members = (f"{name}={value}" for name, value in wanted.as_dict().items() if value != NEVER)
    devices.audit(session, who, "device require-change", " ".join((device.id, *members)), now)


def reported(session: Session, device: Device, report: ChangeReport, at: int, now: int) -> None:
    """Take what a camera has signed about its order; what is about another order is old news.

    An order that the camera cannot read has no time of its own there, so its refusal counts for the present one.
    """
    row = session.get(RequiredChange, device.id)
    if row is None or report.since_at not in (row.since_at, 0):
        return
    row.said, row.said_at, row.behind, row.code = report.event, min(at, now), report.behind, report.code


def _line(device: Device, row: RequiredChange | None) -> Standing:
    said = device.telemetry
    age, policy = said.get("password_age_days"), said.get("password_policy")
    return Standing(
        id=device.id,
        serial=device.serial,
        group=device.group_name,
        site=device.site,
        age_days=age if isinstance(age, int) else None,
        policy=policy if isinstance(policy, str) else "",
        verdict=_verdict(row),
        stage="" if row is None or row.said in ("", "refused") else _stage(device, row),
        behind=None if row is None else row.behind,
        reason="" if row is None else row.reason,
        since_at=None if row is None else row.since_at,
        restrict_at=None if row is None else row.restrict_at or None,
        claim_only_at=None if row is None else row.claim_only_at or None,
        said_at=None if row is None else row.said_at,
        code="" if row is None else row.code,
        last_seen_at=device.last_seen_at,
    )


def _stage(device: Device, row: RequiredChange) -> str:
    """The stage as the camera says: in its reports, and between two of them in telemetry."""
    if row.said in required_change.STAGES or row.said == DONE:
        return row.said
    told = device.telemetry.get("password_stage")
    return told if told in required_change.STAGES else required_change.ORDERED


def _verdict(row: RequiredChange | None) -> str:
    if row is None:
        return NO_ORDER
    if row.said in ("", "withdrawn"):
        return NOT_TAKEN
    if row.said == "refused":
        return REFUSED
    return DONE if row.said == DONE else OLD


def as_row(line: Standing) -> dict[str, object]:
    """A line by its column names, as JSON and CSV show it."""
    return asdict(line)


def as_csv(lines: Sequence[Standing]) -> str:
    """All lines below their column names.

    No cell begins as a formula does, or steers a terminal: some of it is a camera's word.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for line in lines:
        writer.writerow([_cell(one) if isinstance(one, str) else one for one in as_row(line).values()])
    return text.getvalue()


def _cell(text: str) -> str:
    plain = printable(text)
    return "'" + plain if text[:1] in FORMULA else plain
