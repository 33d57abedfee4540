"""`/api/v1/releases`. Adding and withdrawing need offline keys, so they are commands, not requests."""

from fastapi import APIRouter
from sqlalchemy import select

from update_server.api.auth import Opened, Reader
from update_server.api.views import ReleaseView
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
