"""A camera's identity gets another key (ADR 0041): which keys count, and when.

From the moment that the new key is certified both count; from the camera's signed `done` on the new one alone does, at
this server. The broker knows certificates by their name, and takes the old one until it ends.
"""

from sqlalchemy import select
from sqlalchemy.orm import Session

from agent.formats.command import DONE, ROTATE_IDENTITY
from update_server.db.models import Command, Device

UNDER_WAY = ("delivered", "accepted")  # as fleet.commands calls them


def ordered(session: Session, device: Device, now: int) -> bool:
    """Whether this camera was told to make another key, and has not come to an end with it."""
    mine = (Command.device_id == device.id, Command.name == ROTATE_IDENTITY, Command.state.in_(UNDER_WAY))
    return session.scalars(select(Command.id).where(*mine, Command.expires_at > now).limit(1)).first() is not None


def ended(device: Device, event: str) -> None:
    """The camera has said what became of it."""
    if event == DONE and device.next_key is not None:
        device.identity_key = device.next_key
    device.next_key = None


def counts(device: Device, key_sha256: str) -> bool:
    """Whether a certificate of this key is this camera's."""
    return device.identity_key is None or key_sha256 in (device.identity_key, device.next_key)
