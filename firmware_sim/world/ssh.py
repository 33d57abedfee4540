"""The SSH server of the world, over the accounts that the world's console has; and its firewall."""

from agent.formats.errors import Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from firmware_sim.world.console import UnsafeWorldConsole


class WorldSsh:
    """Implements the port Ssh; in memory, gone with the power.

    Faults: `broken` does not open; `stubborn` does not close.

    Attributes:
        port, seconds: as it was opened; 0 while it is closed.
        closes: how often it was told to close.
    """

    def __init__(self, console: "UnsafeWorldConsole") -> None:
        self._console = console
        self.port = self.seconds = 0
        self.closes = 0
        self.broken = False
        self.stubborn = False

    def open(self, port: int, seconds: int) -> None:
        """Open.

        Raises:
            Unavailable: `broken` is set.
        """
        if self.broken:
            raise Unavailable("the SSH server does not start")
        self.port, self.seconds = port, seconds

    def close(self) -> None:
        """Close.

        Raises:
            Unavailable: `stubborn` is set.
        """
        if self.stubborn:
            raise Unavailable("the SSH server cannot be ended")
        self.port = self.seconds = 0
        self.closes += 1

    def enter(self, user: str, password: str) -> str:
        """What a client gets: `closed`, `in` or `refused`."""
        return self._console.enter(user, password) if self.port else "closed"


class WorldFirewall:
    """Implements the port Firewall; in memory, gone with the power.

    `pages`: the ports that are left, None while it is open. Fault: `broken` does neither.
    """

    def __init__(self) -> None:
        self.pages: tuple[int, ...] | None = None
        self.broken = False

    def close(self, pages: "tuple[int, ...]") -> None:
        """Close.

        Raises:
            Unavailable: `broken` is set.
        """
        self._work()
        self.pages = pages

    def open(self) -> None:
        """Open.

        Raises:
            Unavailable: `broken` is set.
        """
        self._work()
        self.pages = None

    def _work(self) -> None:
        if self.broken:
            raise Unavailable("no firewall")
