"""`/api/v1/passwords`: who still has an old one; and `/api/v1/devices/ID/required-change`."""

import time
from collections.abc import Callable
from typing import Annotated, Literal, Self

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from agent.formats.required_change import RequiredChange
from update_server.api.auth import Opened, Reader, Writer
from update_server.db.models import Device
from update_server.fleet import devices, passwords
from update_server.fleet.passwords import Standing

router = APIRouter(tags=["passwords"])
Seconds = Annotated[int, Field(ge=0, le=passwords.MOST_S)]


class StandingView(BaseModel):
    """How old a camera's oldest password is, and what has become of the order to change them. Nobody's name."""

    model_config = ConfigDict(from_attributes=True)

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

    @classmethod
    def of(cls, line: Standing) -> Self:
        """From its line."""
        return cls.model_validate(line)


class ChangeRequest(BaseModel):
    """Why, and how many seconds from now each stage begins; null for one that does not come.

    `amend`: the present order gets these stages, and passwords that were changed since it was given are new enough.
    """

    reason: Literal["compromised", "staff_left", "policy", "routine"]
    remind_after_s: Seconds = 0
    restrict_after_s: Seconds | None = 7 * 86_400
    claim_only_after_s: Seconds | None = 14 * 86_400
    amend: bool = False

    def wish(self, now: int) -> Callable[[Session, Device], RequiredChange]:
        """As the order for each camera that is asked about.

        Raises:
            BadInput: the stages are not in their order.
        """
        delays = (self.remind_after_s, self.restrict_after_s, self.claim_only_after_s)
        order = passwords.order(now, self.reason, *delays)
        return passwords.wish(order, amend=self.amend)


class FleetChangeRequest(ChangeRequest):
    """Of which cameras: a group, a site, or what is both. The group `all` is everybody's."""

    group: str | None = None
    site: str | None = None


class FleetChangeMade(BaseModel):
    """How many cameras were meant, and one line for each that keeps the order it had."""

    devices: int
    failed: list[str]


@router.get("/passwords")
def list_passwords(services: Opened, _who: Reader) -> list[StandingView]:
    """All cameras, those first that need somebody."""
    with services.database.read() as session:
        return [StandingView.of(line) for line in passwords.standing(session)]


@router.get("/passwords.csv", response_class=PlainTextResponse)
def passwords_as_csv(services: Opened, _who: Reader) -> PlainTextResponse:
    """The same as a table."""
    with services.database.read() as session:
        return PlainTextResponse(passwords.as_csv(passwords.standing(session)), media_type="text/csv")


@router.post("/passwords/require-change")
def require_changes(wanted: FleetChangeRequest, services: Opened, who: Writer) -> FleetChangeMade:
    """Require that all passwords on the cameras of a group or site be changed."""
    now = int(time.time())
    wish = wanted.wish(now)
    with services.database.read() as session:
        ids = [device.id for device in passwords.members(session, wanted.group, wanted.site)]
    return FleetChangeMade(devices=len(ids), failed=services.require_changes(ids, wish, who.name, now))


@router.put("/devices/{which}/required-change")
def require_change(which: str, wanted: ChangeRequest, services: Opened, who: Writer) -> StandingView:
    """Require that all passwords on one camera be changed."""
    now = int(time.time())
    wish = wanted.wish(now)
    with services.database.write() as session:
        device = devices.find(session, which)
        order = wish(session, device)
        services.require_change(session, device, order, now)
        passwords.audit(session, who.name, device, order, now)
        return StandingView.of(passwords.of_device(session, device))


@router.delete("/devices/{which}/required-change")
def withdraw_change(which: str, services: Opened, who: Writer) -> StandingView:
    """Take the order back; what the camera itself demands of passwords stays."""
    now = int(time.time())
    with services.database.write() as session:
        device = devices.find(session, which)
        services.require_change(session, device, None, now)
        passwords.audit(session, who.name, device, None, now)
        return StandingView.of(passwords.of_device(session, device))
