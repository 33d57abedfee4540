"""The system's own accounts, for programs that read /etc/passwd and /etc/shadow by themselves: a console's login, SSH.

Both files are links into a folder in memory, which holds the manufacturer's lines (nobody can log in by those) and
behind them one pair of lines for each claimed administrator. So nobody is let in before the agent has run, nor on a
camera that is unclaimed or locked, nor anybody who is `turned_away`. An administrator has a user id of their own, never
root's, and no way to become root: what needs root is asked of the agent.
"""

from agent.formats import shadow
from agent.formats.errors import FormatError, Rejected, Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.app.account_stores import Account
    from agent.app.desk import Desk
    from agent.formats.system_logins import SystemLogins

UNPUBLISHED = "system_logins_unpublished"
"""A problem of the desk: the files could not be written as they should be, so nobody logs in by them."""
_COMMENT = "administrator"


def rendered(
    users: "dict[str, Account]", settings: "SystemLogins", base_passwd: bytes, base_shadow: bytes
) -> "tuple[bytes, bytes, tuple[str, ...]]":
    """Both files, and whom they let in: the manufacturer's lines, then a pair for every administrator who may have one.

    Left out are administrators without a hash (their password was set before there was a shadow store), and those whose
    name the system has already or could misread.

    Raises:
        FormatError: the manufacturer's files are malformed, or a password opens an account of theirs.
    """
    passwd, shadowed = list(shadow.parse_passwd(base_passwd)), list(shadow.parse_shadow(base_shadow))
    for entry in shadowed:
        if not entry.lets_nobody_in():
            raise FormatError("a password opens the system account " + entry.name)
    taken = [entry.name for entry in passwd] + [entry.name for entry in shadowed]
    names = tuple([name for name in administrators(users) if name not in taken])
    for name in names:
        user = users[name]
        passwd.append(shadow.Passwd(name, user.uid, settings.gid, _COMMENT, settings.home, settings.shell))
        # No day of the last change: a camera that starts with its clock in the past would take it for tomorrow's.
        shadowed.append(shadow.Shadow(name, user.crypt, 0))
    return shadow.encode_passwd(passwd), shadow.encode_shadow(shadowed), names


def administrators(users: "dict[str, Account]") -> "list[str]":
    """Whoever has the role, a hash, a user id of their own, and a name that the system cannot misread; sorted."""
    return [
        name
        for name in sorted(users)
        if users[name].role == "administrator"
        and users[name].crypt
        and users[name].uid >= shadow.MIN_UID
        and shadow.name_ok(name)
    ]


class Console:
    """Publishes the files, through the port of the same name."""

    def __init__(self, desk: "Desk", settings: "SystemLogins") -> None:
        self._desk = desk
        self._settings = settings
        self._users: "dict[str, Account]" = {}
        self.turned_away: "Callable[[Account], bool]" = lambda account: False
        """Of whom it is true gets no line: set by whoever demands a new password first; `refresh` when that changes."""
        self.replaced_hook: "Callable[[], None]" = lambda: None
        """Told before the files become others than `lend` has made them: what runs by those is over."""
        self.shown: "tuple[str, ...]" = ()
        """Whom the files let in."""
        self._welcome: "dict[str, Account]" = {}

    @property
    def first_uid(self) -> int:
        """The first user id that an administrator may get."""
        return self._settings.first_uid

    @property
    def ssh_port(self) -> int:
        """Where SSH may be opened; 0 for nowhere."""
        return self._settings.ssh_port

    def written(self) -> "dict[str, tuple[int, str]]":
        """User id and hash of each line that the files have beside the manufacturer's."""
        return {name: (self._welcome[name].uid, self._welcome[name].crypt) for name in self.shown}

    def lend(self, user: str, crypt: str) -> None:
        """Let in this administrator alone, by another hash than their own, until the next `show`.

        Raises:
            Unavailable, FormatError: as `show`.
        """
        self._publish({user: self._users[user].replace(crypt=crypt)})

    def show(self, users: "dict[str, Account]") -> None:
        """Let in the administrators among these, and nobody else.

        Raises:
            Unavailable: the files cannot be written; nobody is let in, as far as that can be brought about.
            FormatError: the manufacturer's files are not what they must be; nobody is let in.
        """
        self.replaced_hook()
        self._users = users
        self._publish({name: one for name, one in users.items() if not self.turned_away(one)})

    def _publish(self, welcome: "dict[str, Account]") -> None:
        self.shown = ()
        port = self._desk.ports.console
        try:
            base = port.base()
            files = rendered(welcome, self._settings, base[0], base[1])
        except (Rejected, Unavailable):
            port.publish(b"", b"")
            raise
        port.publish(files[0], files[1])
        self.shown, self._welcome = files[2], welcome

    def show_or_hide(self, users: "dict[str, Account]") -> None:
        """As `show`; what goes wrong is a problem of this camera's and stops nothing else."""
        try:
            self.show(users)
        except (Rejected, Unavailable) as error:
            self._desk.problem(UNPUBLISHED)
            self._desk.say("camward-agent: " + str(error))

    def refresh(self) -> None:
        """Publish again: `turned_away` has come to another view."""
        self.show_or_hide(self._users)
