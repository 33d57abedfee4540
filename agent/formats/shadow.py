"""The files passwd(5) and shadow(5), as far as the agent writes them and reads the manufacturer's; bounded.

Nothing here judges a password: a field of shadow either lets nobody in (`*`, `!` and what follows), or is a hash.
"""

from agent.formats.errors import FormatError
from agent.formats.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

MIN_UID = 1000  # below are the system's own (Debian policy, 9.2.2); 0 is root, whatever it is called
MAX_UID = 59999  # above are those that other programs give out
MAX_FILE_BYTES = 16 * 1024  # 32 users of ours take 5 KB
MAX_LINES = 128
MAX_HASH_CHARS = 128  # a yescrypt string of the usual cost has 73
NOBODY = "*"  # a password field that no password gives
_MAX_FIELD_CHARS = 256
_ELSEWHERE = "x"  # in passwd(5): the password is in shadow
_NUMBERS = 6  # of shadow(5): last change, minimum, maximum, warning, inactive, expiry; empty or days
_HASH = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_NAME_START = "abcdefghijklmnopqrstuvwxyz_"
_NAME = _NAME_START + "0123456789-."
MAX_NAME_CHARS = 32  # what utmp(5) holds


class Passwd(Value):
    """One line of passwd(5) whose password is in shadow."""

    FIELDS = ("name", "uid", "gid", "comment", "home", "shell")
    name: str
    uid: int
    gid: int
    comment: str
    home: str
    shell: str


class Shadow(Value):
    """One line of shadow(5): the password field, and the day of its last change (days since 1970; 0 is not told).

    A 0 in the file would demand a new password at the next login, which is not the console's to do; it is not written.
    """

    FIELDS = ("name", "password", "changed_day")
    name: str
    password: str
    changed_day: int

    def lets_nobody_in(self) -> bool:
        """Whether no password at all fits; an empty field lets everybody in."""
        return self.password[:1] in ("*", "!")


def name_ok(name: str) -> bool:
    """Whether a system account may be called so: a letter first, lest a program takes it for a number or an option."""
    return 0 < len(name) <= MAX_NAME_CHARS and name[0] in _NAME_START and all(one in _NAME for one in name)


def is_yescrypt(text: str) -> bool:
    """Whether it has the form `$y$PARAMETERS$SALT$HASH` (crypt(5)), in letters that no line of shadow has to quote."""
    parts = text.split("$")
    if len(text) > MAX_HASH_CHARS or len(parts) != 5 or parts[0] or parts[1] != "y":
        return False
    return all(part and all(one in _HASH for one in part) for part in parts[2:])


def encode_passwd(entries: "Iterable[Passwd]") -> bytes:
    """The file passwd(5).

    Raises:
        FormatError: a field that would break its line, or a name or number that no account may have.
    """
    rows: "list[tuple[str, ...]]" = []
    for one in entries:
        numbers = str(_id(one.uid)), str(_id(one.gid))
        rows.append((_named(one.name), _ELSEWHERE) + numbers + (one.comment, one.home, one.shell))
    return _lines(rows)


def encode_shadow(entries: "Iterable[Shadow]") -> bytes:
    """The file shadow(5).

    Raises:
        FormatError: a field that would break its line, or a password field that is empty.
    """
    rows: "list[tuple[str, ...]]" = []
    for one in entries:
        if not one.password:
            raise FormatError("an empty password lets everybody in")
        day = str(one.changed_day) if one.changed_day > 0 else ""
        rows.append((_named(one.name), one.password, day) + ("",) * _NUMBERS)
    return _lines(rows)


def parse_passwd(body: bytes) -> "tuple[Passwd, ...]":
    """The lines of passwd(5), in order.

    Raises:
        FormatError: malformed or beyond the limits, a name twice, or a password that is not in shadow.
    """
    found = []
    for row in _rows(body, 7):
        if row[1] != _ELSEWHERE:
            raise FormatError("the password of " + row[0] + " is not in shadow")
        found.append(Passwd(row[0], _number(row[2]), _number(row[3]), row[4], row[5], row[6]))
    return tuple(found)


def parse_shadow(body: bytes) -> "tuple[Shadow, ...]":
    """The lines of shadow(5), in order; of the numbers, the last change alone is kept.

    Raises:
        FormatError: malformed or beyond the limits, or a name twice.
    """
    found = []
    for row in _rows(body, 3 + _NUMBERS):
        numbers = [_number(one) if one else 0 for one in row[2 : 2 + _NUMBERS]]
        found.append(Shadow(row[0], row[1], numbers[0]))
    return tuple(found)


def _rows(body: bytes, fields: int) -> "list[list[str]]":
    if len(body) > MAX_FILE_BYTES:
        raise FormatError("more than " + str(MAX_FILE_BYTES) + " bytes")
    if any((byte < 0x20 and byte != 0x0A) or byte >= 0x7F for byte in body):
        raise FormatError("other than printable ASCII")
    lines = str(body, "utf-8").split("\n")
    if lines.pop() or len(lines) > MAX_LINES:
        raise FormatError("a line that does not end, or more than " + str(MAX_LINES))
    found, names = [], []
    for line in lines:
        row = line.split(":")
        if len(row) != fields or len(line) > _MAX_FIELD_CHARS * fields:
            raise FormatError("a line of other than " + str(fields) + " fields")
        if _named(row[0]) in names:
            raise FormatError(row[0] + " is there twice")
        names.append(row[0])
        found.append(row)
    return found


def _lines(rows: "list[tuple[str, ...]]") -> bytes:
    for row in rows:
        for field in row:
            if len(field) > _MAX_FIELD_CHARS or any(one == ":" or not " " <= one <= "~" for one in field):
                raise FormatError("a field that would break its line")
    return "".join([":".join(row) + "\n" for row in rows]).encode()


def _named(name: str) -> str:
    if not name_ok(name):
        raise FormatError("no name for an account")
    return name


def _id(number: int) -> int:
    if not 0 <= number <= MAX_UID:
        raise FormatError("no user or group id")
    return number


def _number(text: str) -> int:
    if not 0 < len(text) <= 5 or any(one not in "0123456789" for one in text):
        raise FormatError("no number")
    return int(text)
