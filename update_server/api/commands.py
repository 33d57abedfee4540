"""`/api/v1/commands`: signed commands for cameras, and what has become of them."""

import time
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from agent.formats.command import MAX_VALID_S, MIN_INTERVAL_S, SETTINGS
from agent.formats.ownership import MAX_INTERVAL_S
from agent.formats.quarantine import MAX_REASON_CHARS
from update_server.api.auth import Opened, Reader, Writer
from update_server.errors import BadInput, Conflict
from update_server.fleet import command_form, commands, devices, passwords
from update_server.fleet.commands import VALID_S, SentCommand

router = APIRouter(tags=["commands"])
Interval = Annotated[int, Field(ge=MIN_INTERVAL_S, le=MAX_INTERVAL_S)]


class SettingsSaid(BaseModel):
    """How often cameras look for updates and measure, and by what line they are connected."""

    check_interval_s: Interval | None = None
    telemetry_interval_s: Interval | None = None
    line: Literal["mobile", "wired"] | None = None
    proxy: Annotated[str, Field(max_length=command_form.MAX_PROXY_CHARS)] = ""
    """Alone: `HOST:PORT` of the proxy of the camera's site, or `none`."""


class CommandRequest(BaseModel):
    """A command, and for which cameras: ids or serial numbers, or a group, a site, or what is both."""

    command: Literal["check", "evidence", "reboot", "quarantine", "release", "settings", "rotate_identity"]
    devices: Annotated[list[str], Field(max_length=1000)] = []
    group: str | None = None
    site: str | None = None
    valid_s: Annotated[int, Field(ge=1, le=MAX_VALID_S)] = VALID_S
    reason: Annotated[str, Field(max_length=MAX_REASON_CHARS)] = ""
    """For the audit log; that of a quarantine is shown at the camera."""

    settings: SettingsSaid | None = None
    """With `settings`: what differs from this server's own."""

    def arguments(self) -> dict[str, Any]:
        """What goes with the command.

        Raises:
            BadInput: it takes none, or the reason cannot be shown.
        """
        said = command_form.with_reason(self.command, self.reason)
        if self.settings is None:
            return said
        if self.command != SETTINGS:
            raise BadInput(f"{self.command!r} takes no settings.")
        said = self.settings.model_dump(exclude_none=True, exclude={"proxy"})
        return said | command_form.proxy_said(self.settings.proxy)


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
    now, made, failed = int(time.time()), [], []
    arguments = wanted.arguments()
    with services.database.write() as session:
        for device in passwords.meant(session, wanted.devices, wanted.group, wanted.site):
            try:
                row = services.commands.send(session, device, wanted.command, wanted.valid_s, who.name, now, arguments)
            except Conflict as error:
                failed.append(str(error))
                continue
            commands.audit(session, who.name, row, now, wanted.reason)
            made.append(commands.line(row, device))
    return CommandsMade(commands=made, failed=failed)
