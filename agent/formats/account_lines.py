"""Files that other programs look accounts up in, read as tolerantly as those programs do: for the audit.

agent.formats.shadow reads and writes our own files, and refuses what is odd. Here what is odd must not hide what stands
beside it: a line that cannot be read is counted, and the others are read.
"""

from agent.formats.errors import FormatError
from agent.formats.value import Value

PASSWD, SHADOW, KEYS = "passwd", "shadow", "authorized_keys"
HTPASSWD, HTDIGEST, PLAIN = "htpasswd", "htdigest", "plain"
DECLARABLE = (HTPASSWD, HTDIGEST, PLAIN, KEYS)  # what a manufacturer may name; passwd and shadow are where they are
MAX_FILE_BYTES = 64 * 1024  # a camera has a handful of accounts; what is longer is told as such
MAX_LINES = 512
MAX_NAME_CHARS = 32
MAX_PATH_CHARS = 128  # of a home or a shell
MAX_SECRET_CHARS = 256  # sha512crypt has 106, a password in the clear at most 128
_SHADOWED = "x"  # in passwd(5): what counts is in shadow
LOCKED = "!"  # before a hash: no password gives it
CLOSED = ("*", "!")

EMPTY, ELSEWHERE, NONE, UNKNOWN = "empty", "elsewhere", "none", "unknown"
CRYPT, APR1, SHA1, HA1_MD5, HA1_SHA256, ARGON2 = "crypt", "apr1", "sha1", "ha1_md5", "ha1_sha256", "argon2"
_FIELDS = {PASSWD: (7, 7), SHADOW: (2, 9), HTPASSWD: (2, 2), PLAIN: (2, 2), HTDIGEST: (3, 3)}
_LETTERS = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_HEX = "0123456789abcdef"
_ROOT_AGAIN = 2**32  # ids wrap there: glibc takes 4294967296 for 0
_MAX_ID_CHARS = 10
MAX_ROUNDS = 100_000  # of sha256crypt and sha512crypt: 20 times the default, a tenth of a second on x86
MAX_BCRYPT_COST = 12
_YESCRYPT = ("j75", "j85", "j7T", "j8T", "j9T")  # costs 1 to 5 of libxcrypt: 16 MiB at most


class Line(Value):
    """One account: name, the secret as it stands there, user id (-1 where the file has none), shell, home, realm.

    Of a key, the name is empty and the secret its line.
    """

    FIELDS = ("name", "secret", "uid", "shell", "home", "realm")
    name: str
    secret: str
    uid: int
    shell: str
    home: str
    realm: str


def read_lines(kind: str, body: bytes) -> "tuple[tuple[Line, ...], int]":
    """The accounts of a file in their order, and how many lines could not be read. Comments and empty lines are none.

    Raises:
        FormatError: it is longer than any such file of a camera.
    """
    if len(body) > MAX_FILE_BYTES:
        raise FormatError("more than " + str(MAX_FILE_BYTES) + " bytes")
    rows = body.split(b"\n")
    if len(rows) > MAX_LINES:
        raise FormatError("more than " + str(MAX_LINES) + " lines")
    found, wrong = [], 0
    for row in rows:
        text = _text(row)
        if text is None:
            wrong += 1
        elif text and text[0] != "#":
            line = _line(kind, text)
            if line is None:
                wrong += 1
            else:
                found.append(line)
    return tuple(found), wrong


def secret_kind(kind: str, secret: str) -> str:
    """What kind of secret it is, by its form: how it is tested, or why it needs no test.

    NONE lets nobody in, EMPTY everybody; ELSEWHERE is passwd's `x`. UNKNOWN is a hash that is not tested, because its
    kind is not known here, or because one try could take the camera's memory or minutes.
    """
    if not secret:
        return EMPTY
    if kind == PASSWD and secret == _SHADOWED:
        return ELSEWHERE
    if kind == PLAIN:
        return PLAIN
    if secret[0] in CLOSED:
        return NONE
    if kind == HTDIGEST:
        return _digest_kind(secret)
    if kind == HTPASSWD:
        if secret[:6] == "$apr1$":
            return APR1 if secret.count("$") == 3 else UNKNOWN
        if secret[:5] == "{SHA}":
            return SHA1
    return CRYPT if _crypt_ok(secret) else UNKNOWN


def without(kind: str, body: bytes, names: "tuple[str, ...]") -> bytes:
    """The file with these accounts locked: `!` before the hash; a clear password goes, and of keys every one.

    Raises:
        FormatError: the file is longer than any of a camera.
    """
    if len(body) > MAX_FILE_BYTES:
        raise FormatError("more than " + str(MAX_FILE_BYTES) + " bytes")
    made = []
    for row in body.split(b"\n"):
        text = _text(row)
        line = _line(kind, text) if text and text[0] != "#" else None
        if line is None or (kind != KEYS and line.name not in names) or line.secret[:1] == LOCKED:
            made.append(row)
        elif kind == KEYS:
            made.append(b"#" + row)
        elif kind != PLAIN:
            head = line.name + ":" + (line.realm + ":" if kind == HTDIGEST else "")
            made.append((head + LOCKED + (text or "")[len(head) :]).encode())
    return b"\n".join(made)


def _text(row: bytes) -> "str | None":
    """The row without blanks before it; None for what is not printable ASCII."""
    row = row.lstrip(b" \t").rstrip(b"\r")
    if any(not 0x20 <= byte < 0x7F for byte in row):
        return None
    return str(row, "utf-8")


def _line(kind: str, text: str) -> "Line | None":
    if kind == KEYS:
        return Line("", text[:MAX_SECRET_CHARS], -1, "", "", "")
    least, most = _FIELDS[kind]
    row = text.split(":", 1) if kind == PLAIN else text.split(":")
    if not least <= len(row) <= most or not 0 < len(row[0]) <= MAX_NAME_CHARS:
        return None
    secret = row[2] if kind == HTDIGEST else row[1]
    if len(secret) > MAX_SECRET_CHARS:
        return None
    if kind == PASSWD:
        if not 0 < len(row[2]) <= _MAX_ID_CHARS or any(one not in "0123456789" for one in row[2]):
            return None
        if len(row[5]) > MAX_PATH_CHARS or len(row[6]) > MAX_PATH_CHARS:
            return None
        return Line(row[0], secret, int(row[2]) % _ROOT_AGAIN, row[6], row[5], "")
    return Line(row[0], secret, -1, "", "", row[1] if kind == HTDIGEST else "")


def _digest_kind(secret: str) -> str:
    lengths = {32: HA1_MD5, 64: HA1_SHA256}
    if any(one not in _HEX for one in secret.lower()):
        return UNKNOWN
    return lengths.get(len(secret), UNKNOWN)


def _crypt_ok(secret: str) -> bool:
    """Whether crypt(3) takes it, at a price that is known."""
    if secret[0] != "$":
        return len(secret) == 13 and all(one in _LETTERS for one in secret)
    parts = secret.split("$")[1:]
    if len(parts) < 3 or not parts[-1]:
        return False
    kind = parts[0]
    if kind in ("5", "6"):
        rounds = parts[1]
        if rounds[:7] != "rounds=":
            return len(parts) == 3
        number = rounds[7:]
        digits = 0 < len(number) <= 6 and all(one in "0123456789" for one in number)
        return len(parts) == 4 and digits and int(number) <= MAX_ROUNDS
    if kind in ("2a", "2b", "2y"):
        cost = parts[1]
        return len(parts) == 3 and len(cost) == 2 and cost.isdigit() and int(cost) <= MAX_BCRYPT_COST
    if kind == "y":
        return len(parts) == 4 and parts[1] in _YESCRYPT
    return kind == "1" and len(parts) == 3
