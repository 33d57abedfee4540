"""`/api/v1/rollouts`."""

import time
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from update_server.api.auth import Opened, Reader, Writer
from update_server.api.views import RolloutView
from update_server.fleet import devices
from update_server.repository import releases
from update_server.rollouts import service, store
from update_server.settings import MAX_SILENT_S

router = APIRouter(prefix="/rollouts", tags=["rollouts"])


class NewRollout(BaseModel):
    """What to roll out, to whom, and how carefully."""

    version: str
    model: str | None = None
    phases: str = service.DEFAULT_PHASES
    group: str = "all"
    failure_percent: Annotated[int, Field(ge=0, le=100)] = service.DEFAULT_FAILURE_PERCENT
    silent_after_s: Annotated[int, Field(ge=60, le=MAX_SILENT_S)] | None = None
    install_now: bool = False


class Verb(StrEnum):
    """What can be done with a rollout."""

    PAUSE = "pause"
    RESUME = "resume"
    ABORT = "abort"


@router.get("")
def list_rollouts(services: Opened, _who: Reader) -> list[RolloutView]:
    """All rollouts, the newest first."""
    with services.database.read() as session:
        return [RolloutView.of(session, row, int(time.time())) for row in store.everything(session)]


@router.get("/{number}")
def show_rollout(number: int, services: Opened, _who: Reader) -> RolloutView:
    """One rollout, phase by phase and camera by camera."""
    with services.database.read() as session:
        return RolloutView.of(session, store.find(session, number), int(time.time()))


@router.post("", status_code=201)
def create(wanted: NewRollout, services: Opened, who: Writer) -> RolloutView:
    """Start a rollout."""
    with services.database.write() as session:
        now = int(time.time())
        row = services.rollouts.create(
            session,
            releases.find(session, wanted.version, wanted.model),
            phases=wanted.phases,
            group=wanted.group,
            failure_percent=wanted.failure_percent,
            silent_after_s=wanted.silent_after_s or services.settings.rollouts.silent_after_s,
            install_now=wanted.install_now,
            now=now,
        )
        devices.audit(session, who.name, "rollout create", service.described(row), now)
        return RolloutView.of(session, row, now)


@router.post("/{number}/{verb}")
def act(number: int, verb: Verb, services: Opened, who: Writer) -> RolloutView:
    """Pause, resume or abort a rollout."""
    with services.database.write() as session:
        row, now = store.find(session, number), int(time.time())
        services.rollouts.act(session, row, verb, who.name, now)
        devices.audit(session, who.name, f"rollout {verb}", str(number), now)
        return RolloutView.of(session, row, now)
