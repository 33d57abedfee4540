"""Ownership records: what a camera installs at enrolment and then trusts. Named by SHA-256, never changed."""

import hashlib
from pathlib import Path

from agent.formats import ownership
from update_server.errors import Misconfigured, NotFound
from update_server.files import write_atomic
from update_server.repository.online import Online
from update_server.settings import Devices, Settings

CURRENT = "current"
COMMAND_KEY = "command"
"""The name of the online key that signs commands."""


class Ownership:
    """The records in `folder`; the file `current` names the one for new enrolments."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def current(self) -> str:
        """SHA-256 of the record for new enrolments.

        Raises:
            Misconfigured: there is none.
        """
        try:
            return (self._folder / CURRENT).read_text(encoding="ascii").strip()
        except OSError as error:
            raise Misconfigured(
                f"There is no current ownership record: {error.strerror}.", "Restore the 'ownership' folder."
            ) from None

    def record(self, sha256: str) -> bytes:
        """The bytes of a record.

        Raises:
            NotFound: it does not exist.
        """
        try:
            return (self._folder / f"{sha256}.json").read_bytes()
        except OSError:
            raise NotFound("The ownership record of this camera is missing.", "Enrol it again.") from None

    def offer_root(self, settings: Settings, ca: str, director_root: str) -> None:
        """Make the current record one with this director root. The first one is made from the settings and the CA.

        Raises:
            FormatError: a camera would not accept it.
            OSError: it cannot be written.
        """
        if not (self._folder / CURRENT).exists():
            self.publish(first_record(settings, ca, director_root))
        self._amend(director_root=director_root)

    def offer_sealing_key(self, sealing_key: str) -> None:
        """See to it that the current record names this key. Servers of before have none; there may be no record yet.

        Cameras that are enrolled keep the record that they have (docs/keys.md).

        Raises:
            FormatError: a camera would not accept the record.
            OSError: it cannot be written.
        """
        self._amend(sealing_key=sealing_key)

    def offer_ca(self, ca: str) -> None:
        """See to it that the current record names these CAs (PEM), and no others.

        Raises:
            FormatError: a camera would not accept the record.
            OSError: it cannot be written.
        """
        self._amend(ca=ca)

    def offer_command_key(self, online: Online) -> None:
        """See to it that the current record names a key of this server for commands; servers of before have none.

        Raises:
            FormatError: a camera would not accept the record.
            OSError: it cannot be written.
        """
        if (self._folder / CURRENT).exists():
            before = ownership.parse(self.record(self.current))
            if not before.command_keys:
                public = str(online.new(COMMAND_KEY).keyval["public"])
                self.publish(before.replace(command_keys=(public,)))

    def offer_settings(self, said: Devices) -> None:
        """See to it that the current record says how often cameras speak, by what line, and who certifies them.

        Cameras that are enrolled keep the record that they have (docs/telemetry.md).

        Raises:
            FormatError: a camera would not accept the record.
            OSError: it cannot be written.
        """
        self._amend(
            check_interval_s=said.check_interval_s,
            telemetry_interval_s=said.telemetry_interval_s,
            line=said.line,
            est_url=said.est_url,
        )

    def _amend(self, **changes: object) -> None:
        """Have the current record, if there is one yet, say this."""
        if (self._folder / CURRENT).exists():
            before = ownership.parse(self.record(self.current))
            after = before.replace(**changes)
            if after != before:
                self.publish(after)

    def keep(self, record: ownership.Ownership) -> str:
        """Write a record and return its SHA-256.

        Raises:
            FormatError: a camera would not accept it.
            OSError: it cannot be written.
        """
        body = ownership.encode(record)
        ownership.parse(body)
        name = hashlib.sha256(body).hexdigest()
        write_atomic(self._folder / f"{name}.json", body)
        return name

    def publish(self, record: ownership.Ownership) -> str:
        """Write a record, make it the current one and return its SHA-256.

        Raises:
            FormatError: a camera would not accept it.
            OSError: it cannot be written.
        """
        name = self.keep(record)
        write_atomic(self._folder / CURRENT, name.encode())
        return name


def first_record(settings: Settings, ca: str, director_root: str) -> ownership.Ownership:
    """The record of a new server."""
    return ownership.Ownership(
        operator=settings.operator,
        server_url=settings.device_url,
        broker_host=settings.hosts[0],
        broker_port=settings.ports.mqtt,
        ca=ca,
        director_root=director_root,
        command_keys=(),
        sealing_key=None,
        check_interval_s=settings.devices.check_interval_s,
        telemetry_interval_s=settings.devices.telemetry_interval_s,
        line=settings.devices.line,
    )
