"""The system's own accounts in the world: the port Console over two texts in memory, with a toy hash."""

from binascii import hexlify
from hashlib import sha256

from agent.formats import shadow
from agent.formats.errors import FormatError, Unavailable
from firmware_sim.world.chance import Chance

BASE_PASSWD = b"root:x:0:0:root:/run:/bin/false\ncamera:x:900:900:camera:/run:/bin/false\n"
BASE_SHADOW = b"root:*:20000::::::\ncamera:*:20000::::::\n"
_SALT_BYTES = 8


class UnsafeWorldConsole:
    """Implements the port Console; its strings have the form of yescrypt's.

    Faults: `broken` publishes nothing any more; `hashless` has no crypt; `opens_for_all` is a login program that asks
    for no password.

    Attributes:
        passwd, shadow: the files as they are now; empty before the agent has run.
    """

    def __init__(self, chance: Chance) -> None:
        self._chance = chance
        self.passwd = b""
        self.shadow = b""
        self.base_files = (BASE_PASSWD, BASE_SHADOW)
        self.broken = False
        self.hashless = False
        self.opens_for_all = False

    def crypt(self, password: str, drawn: bool = False) -> str:
        """A string in the form of yescrypt with a random salt.

        Raises:
            Unavailable: `hashless` is set.
        """
        if self.hashless:
            raise Unavailable("there is no crypt")
        return _crypt(hexlify(self._chance.bytes(_SALT_BYTES)).decode(), password)

    def enter(self, user: "str | None", password: str) -> str:
        """What a login program makes of the files."""
        if self.opens_for_all:
            return "in"
        try:
            known = {entry.name for entry in shadow.parse_passwd(self.passwd)}
            fields = {entry.name: entry.password for entry in shadow.parse_shadow(self.shadow)}
        except FormatError:
            return "silent"
        if not known:
            return "silent"
        if user is None:
            return "in" if "" in fields.values() else "refused"
        return "in" if user in known and self.fits(password, fields.get(user, "*")) else "refused"

    def fits(self, password: str, stored: str) -> bool:
        """Whether the string is of this password."""
        parts = stored.split("$")
        return len(parts) == 5 and _crypt(parts[3], password) == stored

    def base(self) -> "tuple[bytes, bytes]":
        """`base_files`."""
        return self.base_files

    def publish(self, passwd: bytes, shadow: bytes) -> None:
        """Keep them.

        Raises:
            Unavailable: `broken` is set; nobody gets in.
        """
        if self.broken:
            self.passwd = self.shadow = b""
            raise Unavailable("the files cannot be written")
        self.passwd, self.shadow = passwd, shadow


def _crypt(salt: str, password: str) -> str:
    return "$y$j9T$" + salt + "$" + hexlify(sha256((salt + "/" + password).encode()).digest()).decode()[:43]
