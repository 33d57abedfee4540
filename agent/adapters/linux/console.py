"""The system's passwd and shadow in memory: `/etc/passwd` and `/etc/shadow` are links to what is published here."""

import contextlib
import os
from pathlib import Path

from agent.adapters.linux.files import replace_file
from agent.formats import shadow as files
from agent.formats.errors import FormatError, Unavailable

PASSWD, SHADOW = "passwd", "shadow"
_PASSWD_MODE, _SHADOW_MODE = 0o644, 0o600  # passwd is for everybody (an id's name), shadow for root alone


class SystemConsole:
    """`agent.ports.machine.Console` by libcrypt and two files on a tmpfs."""

    def __init__(self, base: Path, place: Path, etc: Path = Path("/etc")) -> None:
        """Name the folders; nothing is touched yet.

        Args:
            base: the manufacturer's two files, in the verified root.
            place: where the files are published; `rc-sysinit` has made it, with what `base` holds.
            etc: where programs look, for proofs.
        """
        self._base = base
        self._place = place
        self._etc = etc

    def crypt(self, password: str, drawn: bool = False) -> str:
        """See `Console.crypt`.

        Raises:
            Rejected: a password that no console could take.
            Unavailable: the system has no yescrypt.
        """
        from agent.adapters.linux import yescrypt

        return yescrypt.crypt(password, yescrypt.DRAWN_COST if drawn else yescrypt.COST)

    def enter(self, user: str | None, password: str) -> str:
        """See `Console.enter`. The files are read where programs read them, and the hash is made by the same library.

        Raises:
            Unavailable: there is no libcrypt.
        """
        from agent.adapters.linux import yescrypt

        try:
            known = {entry.name for entry in files.parse_passwd((self._etc / PASSWD).read_bytes())}
            fields = {entry.name: entry.password for entry in files.parse_shadow((self._etc / SHADOW).read_bytes())}
        except (OSError, FormatError):
            return "silent"
        if user is None:
            return "in" if "" in fields.values() else "refused"
        stored = fields.get(user, files.NOBODY)
        return "in" if user in known and (not stored or yescrypt.fits(password, stored)) else "refused"

    def base(self) -> tuple[bytes, bytes]:
        """See `Console.base`.

        Raises:
            Unavailable: they cannot be read.
        """
        try:
            return (self._base / PASSWD).read_bytes(), (self._base / SHADOW).read_bytes()
        except OSError as error:
            raise Unavailable(f"{error.filename}: {error.strerror}") from error

    def publish(self, passwd: bytes, shadow: bytes) -> None:
        """See `Console.publish`.

        shadow first: whoever is new in it has no line in passwd yet, and whoever has gone from it has no hash any more.

        Raises:
            Unavailable: that failed; there is no shadow file any more, unless that failed too.
        """
        try:
            self._place.mkdir(mode=0o755, exist_ok=True)
            for name, data, mode in ((SHADOW, shadow, _SHADOW_MODE), (PASSWD, passwd, _PASSWD_MODE)):
                group = 0 if os.geteuid() == 0 else None
                replace_file(self._place / name, self._place / f".{name}.new", data, mode, group)
        except OSError as error:
            with contextlib.suppress(OSError):
                (self._place / SHADOW).unlink()
            raise Unavailable(f"{self._place}: {error.strerror}") from error
