"""`/api/v1/devices` and `/api/v1/enrolment-tokens`."""

import time
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from update_server.api.auth import Opened, Reader, Writer
from update_server.api.views import DeviceDetailView, DeviceView
from update_server.fleet import devices, sites
from update_server.repository import releases

router = APIRouter(tags=["devices"])


class Assignment(BaseModel):
    """Which release a camera shall install; null for none.

    `allow_older`: it may go back, within the epoch. `install_now`: it does not wait for its maintenance window.
    """

    version: str | None
    allow_older: bool = False
    install_now: bool = False


class Site(BaseModel):
    """Where a camera is; empty for nowhere."""

    name: Annotated[str, Field(max_length=devices.MAX_TEXT_CHARS)]


class TokenRequest(BaseModel):
    """For whom and how long an enrolment token shall be valid."""

    serial: str | None = None
    valid_s: Annotated[int, Field(ge=60, le=30 * 86_400)] = 3600


class TokenMade(BaseModel):
    """A one-time enrolment token; the server does not keep its text."""

    id: str
    token: str
    expires_at: int


@router.get("/devices")
def list_devices(services: Opened, _who: Reader) -> list[DeviceView]:
    """All cameras, by serial number."""
    with services.database.read() as session:
        return [DeviceView.model_validate(row) for row in devices.everyone(session)]


@router.get("/devices/{which}")
def show_device(which: str, services: Opened, _who: Reader) -> DeviceDetailView:
    """One camera, by id or serial number, with history and evidence."""
    with services.database.read() as session:
        return DeviceDetailView.of(session, devices.find(session, which))


@router.put("/devices/{which}/assignment")
def assign(which: str, wanted: Assignment, services: Opened, who: Writer) -> DeviceView:
    """Assign a release to one camera."""
    with services.database.write() as session:
        device, now = devices.find(session, which), int(time.time())
        row = releases.find(session, wanted.version, device.model) if wanted.version else None
        services.assign(session, device, row, now, allow_older=wanted.allow_older, install_now=wanted.install_now)
        devices.audit(session, who.name, "device assign", devices.assignment(device), now)
        return DeviceView.model_validate(device)


@router.post("/devices/{which}/update-now")
def update_now(which: str, services: Opened, who: Writer) -> DeviceView:
    """Have one camera install what is assigned to it now, whatever its maintenance windows say."""
    with services.database.write() as session:
        device, now = devices.find(session, which), int(time.time())
        services.update_now(session, device, now)
        devices.audit(session, who.name, "device update-now", devices.assignment(device), now)
        return DeviceView.model_validate(device)


@router.post("/devices/{which}/deny")
def deny(which: str, services: Opened, who: Writer) -> DeviceView:
    """Shut a camera out within a minute, from the broker and from the device listener; until it is allowed again."""
    with services.database.write() as session:
        device, now = devices.find(session, which), int(time.time())
        devices.deny(device, now)
        devices.audit(session, who.name, "device deny", f"{device.id} {device.serial}", now)
        return DeviceView.model_validate(device)


@router.post("/devices/{which}/allow")
def allow(which: str, services: Opened, who: Writer) -> DeviceView:
    """Let a denied camera in again."""
    with services.database.write() as session:
        device, now = devices.find(session, which), int(time.time())
        devices.allow(device)
        devices.audit(session, who.name, "device allow", f"{device.id} {device.serial}", now)
        return DeviceView.model_validate(device)


@router.put("/devices/{which}/site")
def set_site(which: str, wanted: Site, services: Opened, who: Writer) -> DeviceView:
    """Say where a camera is: cameras of one site may fetch releases from each other."""
    with services.database.write() as session:
        device, now = devices.find(session, which), int(time.time())
        sites.set_site(device, wanted.name)
        devices.audit(session, who.name, "device site", f"{device.id} {wanted.name}", now)
        return DeviceView.model_validate(device)


@router.post("/enrolment-tokens", status_code=201)
def make_token(wanted: TokenRequest, services: Opened, who: Writer) -> TokenMade:
    """Make a one-time enrolment token."""
    now = int(time.time())
    with services.database.write() as session:
        current = services.ownership.current
        made = services.enrolment.make_token(session, current, wanted.serial, wanted.valid_s, now)
        devices.audit(session, who.name, "device token", made.id, now)
    return TokenMade(id=made.id, token=made.text, expires_at=made.expires_at)
