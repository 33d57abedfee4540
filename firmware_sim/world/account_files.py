"""Files of accounts in the world: the port AccountFiles over texts in memory."""

from agent.app import digest
from agent.core.foreign_accounts import PASSWD_PATH, SHADOW_PATH
from agent.formats import account_lines
from agent.formats.errors import Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from firmware_sim.world.console import UnsafeWorldConsole
    from firmware_sim.world.machine import WorldClock
    from firmware_sim.world.secrets import UnsafePasswordHasher


class UnsafeWorldAccountFiles:
    """Implements the port AccountFiles; its hashes are those of the world's other ports.

    Faults: a path whose content is a text (`loop`, `changing`, ...) cannot be read for that reason; `read_only` keeps
    every file as it is; `hashless` computes nothing.

    Attributes:
        files: contents by path; the system's passwd and shadow are the console's, unless they are here.
        tried: for every password that was tried, when (monotonic), how, and on whose secret.
        cost_s: what one try takes of the clock.
    """

    def __init__(
        self,
        files: "dict[str, Any]",
        console: "UnsafeWorldConsole",
        hasher: "UnsafePasswordHasher",
        clock: "WorldClock",
    ) -> None:
        self.files = files
        self.tried: list[tuple[float, str, str, str]] = []
        self.cost_s = 0.0
        self.read_only = False
        self.hashless = False
        self._console = console
        self._hasher = hasher
        self._clock = clock

    def read(self, path: str) -> "tuple[str, bytes]":
        """What lies there."""
        own = {PASSWD_PATH: self._console.passwd, SHADOW_PATH: self._console.shadow}
        found = self.files.get(path, own.get(path))
        if found is None:
            return "absent", b""
        if isinstance(found, str):
            return found, b""
        return ("ok", found) if len(found) <= account_lines.MAX_FILE_BYTES else ("too_large", b"")

    def fits(self, how: str, name: str, realm: str, secret: str, candidates: "tuple[str, ...]") -> int:
        """The number of the password that fits, or -1.

        Raises:
            Unavailable: `hashless` is set.
        """
        if self.hashless:
            raise Unavailable("there is no crypt")
        self._clock.advance(self.cost_s)
        for number, candidate in enumerate(candidates):
            self.tried.append((self._clock.monotonic_s(), how, name, candidate))
            if self._fits(how, name, secret, candidate):
                return number
        return -1

    def lock(self, path: str, kind: str, names: "tuple[str, ...]") -> None:
        """Lock these accounts.

        Raises:
            Unavailable: `read_only` is set, or there is no such file.
        """
        found = self.files.get(path)
        if self.read_only or not isinstance(found, bytes):
            raise Unavailable(path + ": read-only file system")
        self.files[path] = account_lines.without(kind, found, names)

    def _fits(self, how: str, name: str, secret: str, candidate: str) -> bool:
        if how == account_lines.ARGON2:
            return self._hasher.verify(candidate, secret)
        if how == account_lines.HA1_MD5:
            return digest.secret("MD5", name, candidate) == secret
        if how == account_lines.HA1_SHA256:
            return digest.secret("SHA-256", name, candidate) == secret
        return self._console.fits(candidate, secret)
