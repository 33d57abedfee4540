"""SSH: closed, but for the time that an administrator opens it for, with a password that the agent draws for that time.

The server reads the system's own accounts (agent.app.console), and counts wrong tries by itself. So while it runs, the
one account in there is the opener's, with a drawn password of 80 random bits: nobody's own password can be guessed at.
SSH is open for exactly as long as the files are as opening it left them. Whatever publishes them anew ends it first:
the end of the time, a role, user or password that changes, a camera that locks, an erase, the next opening. Nothing of
it is stored: a restart of the camera or of the agent finds it closed.
"""

from agent.formats.errors import Rejected, Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from agent.app.asked import Asked
    from agent.app.console import Console
    from agent.app.credentials import Credentials
    from agent.app.desk import Desk
    from agent.app.office import Refusal
    from agent.app.orders import Granted
    from agent.formats.errors import CamwardError

    Told = Callable[[Refusal | None, dict[str, Any]], None]
    Sure = Callable[[Asked, Callable[[str], None]], None]

MIN_MINUTES = 10
MAX_MINUTES = 240  # a visit; whoever needs longer opens it again
PASSWORD_BYTES = 10  # 80 bits, 16 letters: nothing to guess, and still typed from a page
RETRY_S = 10.0  # until a server that could not be ended is ended again
UNENDED = "ssh_unended"
"""A problem of the desk: the SSH server could not be ended when its time was over."""
_TIMER = "ssh"
_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"


def draw(random: bytes) -> str:
    """The password of these random bytes: lower-case letters and digits, in groups of four."""
    number, letters = int.from_bytes(random, "big"), ""
    for _ in range(len(random) * 8 // 5):
        letters, number = _BASE32[number & 31] + letters, number >> 5
    return "-".join([letters[at : at + 4] for at in range(0, len(letters), 4)])


class Ssh:
    """Opens and ends the server, through the port of the same name."""

    def __init__(self, desk: "Desk", credentials: "Credentials", console: "Console | None") -> None:
        """`console` None, or one whose settings name no port: this camera has no SSH."""
        self._desk = desk
        self._credentials = credentials
        self._console = console if console is not None and console.ssh_port else None
        self._round = 0
        self._user = ""
        self._until = 0.0
        self.changed_hook: "Callable[[], None]" = lambda: None
        """Told when it has been opened or ended."""
        if self._console is not None:
            self._console.replaced_hook = self._replaced

    def start(self) -> None:
        """End what an agent before this one has left open."""
        if self._console is not None:
            self._end()

    def status(self) -> "dict[str, Any]":
        """Whether it is open, for whom, and how long; empty on a camera that has none."""
        if self._console is None:
            return {}
        if not self._user:
            return {"open": False}
        left_s = max(0, int(self._until - self._desk.now))
        return {"open": True, "user": self._user, "port": self._console.ssh_port, "ends_in_s": left_s}

    def open(self, user: str, minutes: str, told: "Told") -> None:
        """Draw a password, and let this administrator in with it for so long; `told` why not, or how to log in."""
        console = self._console
        if console is None:
            told(("bad_request", "this camera has no SSH"), {})
            return
        if not 0 < len(minutes) <= 3 or any(one not in "0123456789" for one in minutes):
            told(("bad_request", "minutes are a number"), {})
            return
        seconds = int(minutes) * 60
        if not MIN_MINUTES * 60 <= seconds <= MAX_MINUTES * 60:
            told(("bad_request", "minutes are " + str(MIN_MINUTES) + " to " + str(MAX_MINUTES)), {})
            return
        if not self._credentials.claimed():
            told(("busy", "a password is being changed"), {})
            return
        console.refresh()  # ends what is open, and shows who may be let in at all
        if user not in console.shown:
            told(("bad_request", "this user has no account of the system: set the password once more"), {})
            return
        password, this = draw(self._desk.ports.entropy.bytes(PASSWORD_BYTES)), self._round

        def crypted(crypt: "object", error: "CamwardError | None") -> None:
            if error is not None or this != self._round or not self._credentials.claimed():
                told(("busy", str(error or "credentials are being changed")), {})
                return
            try:
                console.lend(user, str(crypt))
            except (Rejected, Unavailable) as failed:
                console.refresh()
                told(("busy", str(failed)), {})
                return
            self._user, self._until = user, self._desk.now + seconds
            self._desk.at(_TIMER, self._until, console.refresh)
            self._desk.call("ssh", "open", (console.ssh_port, seconds), opened)

        def opened(_: "object", error: "CamwardError | None") -> None:
            if this != self._round:  # ended meanwhile, perhaps before the server had the word
                self._end()
                told(("busy", "credentials have changed"), {})
            elif error is not None:
                console.refresh()
                told(("busy", str(error)), {})
            else:
                self._desk.say("camward-agent: SSH is open for " + user + ", " + minutes + " minutes")
                self.changed_hook()
                told(None, {"user": user, "password": password, "port": console.ssh_port, "ends_in_s": seconds})

        self._desk.call("console", "crypt", (password, True), crypted)

    def close(self) -> "Refusal | None":
        """End it before its time."""
        if self._console is None:
            return "bad_request", "this camera has no SSH"
        self._console.refresh()
        return None

    def _replaced(self) -> None:
        """The files are about to be others."""
        self._round += 1
        if self._user:
            self._end()

    def _end(self) -> None:
        self._round += 1
        was, self._user = self._user, ""
        self._desk.cancel(_TIMER)
        try:
            self._desk.ports.ssh.close()
        except Unavailable as error:
            self._user = was
            self._desk.problem(UNENDED)
            self._desk.say("camward-agent: " + str(error))
            self._desk.at(_TIMER, self._desk.now + RETRY_S, self._end)
            return
        if was:
            self._desk.say("camward-agent: SSH is closed")
            self.changed_hook()

    # The login socket

    def operations(self, sure: "Sure", granted: "Granted") -> "dict[str, Callable[[Asked], None]]":
        """The operations by name. `sure` goes on with an administrator's name once the password was given again."""

        def open_ssh(asked: "Asked") -> None:
            def told(refusal: "Refusal | None", members: "dict[str, Any]") -> None:
                if refusal is not None:
                    asked.no(refusal[0], {"detail": refusal[1][:300]})
                else:
                    asked.yes(members)

            sure(asked, lambda user: self.open(user, asked.arguments["minutes"], told))

        def close_ssh(asked: "Asked") -> None:
            if granted(asked, administrator=True) is not None:
                refusal = self.close()
                if refusal is not None:
                    asked.no(refusal[0], {"detail": refusal[1]})
                else:
                    asked.yes({})

        return {"open_ssh": open_ssh, "close_ssh": close_ssh}
