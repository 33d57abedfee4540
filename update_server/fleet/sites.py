"""Which cameras of a site may be asked for a release: those that run it and say that they serve it (ADR 0016).

What a camera says of its own address is taken for nothing but this. Whoever lies about it sends its neighbours to a
door that does not show its certificate; they go on to the next source, and to this server.
"""

import hashlib
import ipaddress

from sqlalchemy import select
from sqlalchemy.orm import Session

from agent.formats import address
from agent.formats.delivery import Source
from agent.formats.errors import FormatError
from update_server.db.models import Device, Release
from update_server.errors import BadInput
from update_server.fleet.devices import MAX_TEXT_CHARS

MAX_NEIGHBOURS = 4  # that one camera is told of; the next one is told of others
MAX_ASKED = 64  # rows of a site that are looked at for one camera
LAST_PORT = 65535


def set_site(device: Device, name: str) -> None:
    """Say where a camera is; an empty name takes it out of its site.

    Raises:
        BadInput: that is no site's name.
    """
    if len(name) > MAX_TEXT_CHARS or (name and not name.isprintable()) or name != name.strip():
        raise BadInput(f"{name!r} is no site's name.", f"Use 1 to {MAX_TEXT_CHARS} characters, or none.")
    device.site = name


def neighbours(session: Session, device: Device, row: Release) -> tuple[Source, ...]:
    """Cameras of the same site that serve exactly this release; in another order for each camera, always the same."""
    if not device.site or device.version == row.version:
        return ()
    online = select(Device).where(
        Device.site == device.site, Device.id != device.id, Device.model == row.model, Device.version == row.version,
        Device.online, Device.denied_at.is_(None),
    )  # fmt: skip
    found = []
    for one in session.scalars(online.order_by(Device.id).limit(MAX_ASKED)):
        url = _url(one, row.sha256)
        if url:
            turn = hashlib.sha256(f"{device.id} {one.id}".encode()).digest()
            found.append((turn, Source(url, one.id)))
    return tuple(source for _, source in sorted(found)[:MAX_NEIGHBOURS])


def _url(device: Device, sha256: str) -> str:
    """Where this camera serves the slot image with that hash; empty where it does not, or not within a site."""
    said = device.telemetry
    where, port = said.get("address"), said.get("serves_port")
    if said.get("serves") != sha256 or not isinstance(where, str) or not isinstance(port, int):
        return ""
    try:
        parsed = ipaddress.ip_address(address.parse(where))
    except (FormatError, ValueError):
        return ""
    # A camera that was taken over shall not send the others out into the world.
    if not parsed.is_private or parsed.is_multicast or parsed.is_unspecified or not 0 < port <= LAST_PORT:
        return ""
    host = f"[{parsed}]" if isinstance(parsed, ipaddress.IPv6Address) else str(parsed)
    return f"https://{host}:{port}"
