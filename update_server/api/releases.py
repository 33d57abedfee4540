"""`/api/v1/releases`. Adding and withdrawing need offline keys, so they are commands, not requests."""

from fastapi import APIRouter
from sqlalchemy import select

from update_server.api.auth import Opened, Reader
from update_server.api.views import DeltaView, ReleaseView
from update_server.db.models import Release
from update_server.repository import releases

router = APIRouter(prefix="/releases", tags=["releases"])


@router.get("")
def list_releases(services: Opened, _who: Reader) -> list[ReleaseView]:
    """All releases."""
    with services.database.read() as session:
        return [ReleaseView.of(row) for row in session.scalars(select(Release).order_by(Release.added_at))]


@router.get("/{version}")
def show_release(version: str, services: Opened, _who: Reader, model: str | None = None) -> ReleaseView:
    """One release; `model` is needed when several models have that version."""
    with services.database.read() as session:
        return ReleaseView.of(releases.find(session, version, model))


@router.get("/{version}/deltas")
def list_deltas(version: str, services: Opened, _who: Reader, model: str | None = None) -> list[DeltaView]:
    """What it costs cameras to fetch a release, by the version they run."""
    with services.database.read() as session:
        row = releases.find(session, version, model)
        return [DeltaView.of(session, one) for one in services.deltas.listed(session, row)]
