"""`/api/v1/commands`: signed commands for cameras, and what has become of them."""

import time
from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from agent.formats.command import MAX_VALID_S
from agent.formats.quarantine import MAX_REASON_CHARS
from update_server.api.auth import Opened, Reader, Writer
from update_server.errors import BadInput, Conflict
from update_server.fleet import command_form, commands, devices, passwords
from update_server.fleet.commands import VALID_S, SentCommand

router = APIRouter(tags=["commands"])


class CommandRequest(BaseModel):
    """A command, and for which cameras: ids or serial numbers, or a group, a site, or what is both."""

    command: Literal["check", "evidence", "reboot", "quarantine", "release"]
    devices: Annotated[list[str], Field(max_length=1000)] = []
    group: str | None = None
    site: str | None = None
    valid_s: Annotated[int, Field(ge=1, le=MAX_VALID_S)] = VALID_S
    reason: Annotated[str, Field(max_length=MAX_REASON_CHARS)] = ""
    """For the audit log; that of a quarantine is shown at the camera."""


class CommandsMade(BaseModel):
    """The commands that wait now, and one line for each camera that gets none."""

    commands: list[SentCommand]
    failed: list[str]


@router.get("/commands")
def list_commands(services: Opened, _who: Reader, device: str | None = None) -> list[SentCommand]:
    """The newest commands, the newest first; of one camera, or of all."""
    with services.database.read() as session:
        its = devices.find(session, device) if device else None
        return commands.lines(session, its)


@router.post("/commands")
def send_commands(wanted: CommandRequest, services: Opened, who: Writer) -> CommandsMade:
    """Give cameras a command, signed by the server's command key; each gets its own."""
    if wanted.devices and (wanted.group or wanted.site):
        raise BadInput("Say which cameras: by id, or by a group or site.")
    now, made, failed = int(time.time()), [], []
    arguments = command_form.with_reason(wanted.command, wanted.reason)
    with services.database.write() as session:
        if wanted.devices:
            meant = [devices.find(session, one) for one in dict.fromkeys(wanted.devices)]
        else:
            meant = passwords.members(session, wanted.group, wanted.site)
        for device in meant:
            try:
                row = services.commands.send(session, device, wanted.command, wanted.valid_s, who.name, now, arguments)
            except Conflict as error:
                failed.append(str(error))
                continue
            commands.audit(session, who.name, row, now, wanted.reason)
            made.append(commands.line(row, device))
    return CommandsMade(commands=made, failed=failed)
