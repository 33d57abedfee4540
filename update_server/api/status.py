"""`/api/v1/status`."""

from fastapi import APIRouter

from update_server.api.auth import Opened, Reader
from update_server.api.views import StatusView

router = APIRouter(prefix="/status", tags=["status"])


@router.get("")
def status(services: Opened, _who: Reader) -> StatusView:
    """The fleet in a few numbers."""
    with services.database.read() as session:
        return StatusView.of(session, services.settings.operator)
