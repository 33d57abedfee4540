"""`/api/v1/releases`. Adding and withdrawing need offline keys, so they are commands, not requests."""

import time
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from sqlalchemy import select

from update_server.api.auth import Opened, Reader
from update_server.api.views import DeltaView, ReleaseView
from update_server.db.models import Release
from update_server.repository import releases

MAX_DEVICES = 500  # whose orders fit into one bundle

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


@router.get("/{version}/bundle", response_class=StreamingResponse)
def bundle(
    version: str,
    services: Opened,
    _who: Reader,
    model: str | None = None,
    device: Annotated[list[str] | None, Query(max_length=MAX_DEVICES)] = None,
) -> StreamingResponse:
    """The release as one file, for cameras that reach no server; `device` for each camera of this operator."""
    parts, row, _ = services.bundle(version, model, device or [], int(time.time()))
    headers = {
        "Content-Length": str(parts.length()),
        "Content-Disposition": f'attachment; filename="{row.model}-{row.version}.bundle"',
        "Cache-Control": "no-store",
    }
    return StreamingResponse(parts.content(), media_type="application/octet-stream", headers=headers)
