"""Alarms of guessing at cameras' passwords: what they do to a camera's standing, and its history of them."""

import re
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from agent.core.attack import MANY_SOURCES
from agent.formats import alarm, envelope
from agent.formats.alarm import Alarm
from agent.formats.errors import FormatError
from update_server.db.models import Device, Message

SHOWN = 50
UNDER_ATTACK = "attack: {wrong} wrong passwords, sources: {sources}"
IN_CLEAR = alarm.IN_CLEAR + ": {role}, from {source}"  # of agent.formats.alarm.in_clear
GOT_IN = "login after {wrong} wrong passwords, from {source}"


@dataclass(frozen=True)
class Shown:
    """One alarm as it is shown; `distributed`: from so many sources that none of them stands out."""

    at: int
    received_at: int
    event: str
    since_at: int
    wrong: int
    sources: int
    source: str
    target: str
    distributed: bool


def taken(device: Device, told: Alarm) -> None:
    """Have people look at a camera that is attacked, until that is over, or for good where somebody got in.

    A login is what matters most, so it stands before all else; a failed update stands before an attack under way.
    """
    if told.event == alarm.LOGIN:
        device.attention = GOT_IN.format(**told.as_dict())
    elif device.attention == "" or matched(UNDER_ATTACK, device.attention):
        device.attention = "" if told.event == alarm.ENDED else UNDER_ATTACK.format(**told.as_dict())


def matched(form: str, text: str) -> dict[str, str] | None:
    """The values in a text of that form, so that it can be said in another language; None for any other text."""
    pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>.*)", re.escape(form))
    found = re.fullmatch(pattern, text)
    return found.groupdict() if found else None


def history(session: Session, device_id: str) -> list[Shown]:
    """The newest alarms of a camera, the newest first; those of other kinds are left out."""
    mine = select(Message).where(Message.device_id == device_id, Message.type == "alarm")
    rows = []
    for message in session.scalars(mine.order_by(Message.id.desc()).limit(SHOWN)):
        try:
            told = alarm.parse(envelope.parse(message.raw).body)
        except FormatError:
            continue
        many = told.sources >= MANY_SOURCES
        rows.append(Shown(at=message.at, received_at=message.received_at, distributed=many, **told.as_dict()))
    return rows
