"""Ownership records: what a camera installs at enrolment and then trusts. Named by SHA-256, never changed."""

import hashlib
import json
from pathlib import Path

from update_server.errors import Misconfigured, NotFound
from update_server.files import write_atomic

CURRENT = "current"


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

    def publish(
        self,
        *,
        operator: str,
        url: str,
        broker: tuple[str, int],
        ca_pem: str,
        director_root: bytes,
        settings: dict[str, int],
    ) -> str:
        """Write a record, make it the current one and return its SHA-256.

        Raises:
            OSError: it cannot be written.
        """
        body = json.dumps(
            {
                "v": 1,
                "operator": operator,
                "server": {"url": url},
                "broker": {"host": broker[0], "port": broker[1]},
                "ca": ca_pem,
                "director_root": director_root.decode("ascii"),
                "command_keys": [],
                "sealing_key": None,
                "settings": settings,
            },
            ensure_ascii=False,
            sort_keys=True,
            separators=(",", ":"),
        ).encode()
        name = hashlib.sha256(body).hexdigest()
        write_atomic(self._folder / f"{name}.json", body)
        write_atomic(self._folder / CURRENT, name.encode())
        return name
