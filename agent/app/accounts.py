"""The credential stores: who exists, with which secrets; changed only by a transaction that survives a power cut.

Stores (documents below `credentials/`): `web.json` with Argon2id PHC strings, `digest.json` with HA1 for HTTP, RTSP and
ONVIF digest. `state.json` says whether the camera is claimed, and pins both stores by SHA-256. `journal.json` exists
only during a transaction and holds the documents as they were: whoever finds it puts them back.

Anything that does not fit together means *locked*, never unclaimed.
"""

from binascii import hexlify
from hashlib import sha256

from agent.formats import fields
from agent.formats.errors import FormatError
from agent.formats.json import check_utf8, dump, parse_object
from agent.formats.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from agent.ports.storage import Store

UNCLAIMED = "unclaimed"
CLAIMED = "claimed"
LOCKED = "locked"

STATE = "credentials/state.json"
WEB = "credentials/web.json"
DIGEST = "credentials/digest.json"
JOURNAL = "credentials/journal.json"
STORES = (WEB, DIGEST)

ROLES = ("administrator", "operator", "viewer")
MAX_USERS = 32
MAX_DOCUMENT_BYTES = 64 * 1024
MAX_USER_CHARS = 32
_USER = "abcdefghijklmnopqrstuvwxyz0123456789._-"


class Account(Value):
    """One user: role, the secret of each store, and when the password was set (Unix seconds)."""

    FIELDS = ("name", "role", "phc", "ha1_md5", "ha1_sha256", "set_at")
    name: str
    role: str
    phc: str
    ha1_md5: str
    ha1_sha256: str
    set_at: int


def user_name_ok(name: str) -> bool:
    """Lower-case letters, digits, `._-`; 1 to 32 of them; nothing that a protocol would have to quote."""
    return 0 < len(name) <= MAX_USER_CHARS and all(c in _USER for c in name) and name[0] not in ".-"


def unclaimed() -> bytes:
    """`state.json` of a camera that nobody has claimed."""
    return dump({"v": 1, "state": UNCLAIMED})


class Accounts:
    """What the stores hold, in memory, and the transaction on them."""

    def __init__(self, store: "Store") -> None:
        self._store = store
        self.state = LOCKED
        self.users: "dict[str, Account]" = {}

    def load(self, first_boot: bool) -> None:
        """Read the stores; an unfinished transaction is put back first.

        `first_boot`: nothing else of the agent's state exists yet, so missing stores mean a new camera.

        Raises:
            Unavailable: the storage fails.
        """
        try:
            self._put_back()
            self.state, self.users = self._read(first_boot)
        except FormatError:
            self.state, self.users = LOCKED, {}

    def lock(self) -> None:
        """Let nobody in, whatever the stores say; until the next start."""
        self.state, self.users = LOCKED, {}

    def has_room(self, user: str) -> bool:
        """Whether this user exists or may be added: a store with more than MAX_USERS would not be read again."""
        return user in self.users or len(self.users) < MAX_USERS

    def begin(self, users: "dict[str, Account]") -> None:
        """Write these users into every store, to be proved; `commit` or `abort` must follow.

        A power cut before `commit` has returned brings the stores back as they were.

        Raises:
            Unavailable: the storage fails; call `abort`.
            FormatError: what is stored is damaged; call `abort`, which locks.
        """
        old = {name: _text(self._store.read(name)) for name in (STATE,) + STORES}
        self._store.write(JOURNAL, dump({"v": 1, "old": old}))
        web, digest = _documents(users)
        self._store.write(WEB, web)
        self._store.write(DIGEST, digest)
        self._store.write(STATE, dump({"v": 1, "state": CLAIMED, "web": _hex(web), "digest": _hex(digest)}))
        self.state, self.users = CLAIMED, users

    def commit(self) -> None:
        """The new stores count from now on; durable when it returns.

        Raises:
            Unavailable: the storage fails; nothing is decided yet: call `abort`.
        """
        self._store.delete(JOURNAL)

    def abort(self) -> None:
        """Put everything back as it was before `begin`.

        What counts afterwards is what the stores say: a `commit` that failed at the very end may have been done.

        Raises:
            Unavailable: the storage fails; the next start puts it back. The camera is locked until then.
            FormatError: the stores are damaged; the camera is locked.
        """
        self.state, self.users = LOCKED, {}
        self._put_back()
        self.state, self.users = self._read(first_boot=False)

    def _put_back(self) -> None:
        body = self._store.read(JOURNAL)
        if body is None:
            return
        source = parse_object(body, 4 * MAX_DOCUMENT_BYTES)
        fields.integer(source, "v", 1, 1)
        old = fields.obj(source, "old")
        for name in STORES + (STATE,):
            if old.get(name) is None:
                self._store.delete(name)
            else:
                self._store.write(name, fields.text(old, name, MAX_DOCUMENT_BYTES).encode())
        self._store.delete(JOURNAL)

    def _read(self, first_boot: bool) -> "tuple[str, dict[str, Account]]":
        body = self._store.read(STATE)
        web, digest = self._store.read(WEB), self._store.read(DIGEST)
        if body is None:
            if not first_boot or web is not None or digest is not None:
                return LOCKED, {}
            self._store.write(STATE, unclaimed())
            return UNCLAIMED, {}
        source = parse_object(body, MAX_DOCUMENT_BYTES)
        fields.integer(source, "v", 1, 1)
        if fields.choice(source, "state", (UNCLAIMED, CLAIMED)) == UNCLAIMED:
            return (UNCLAIMED, {}) if web is None and digest is None else (LOCKED, {})
        if web is None or digest is None:
            return LOCKED, {}
        pinned = fields.hexadecimal(source, "web", 32), fields.hexadecimal(source, "digest", 32)
        if pinned != (_hex(web), _hex(digest)):
            return LOCKED, {}
        return CLAIMED, _users(web, digest)


def _documents(users: "dict[str, Account]") -> "tuple[bytes, bytes]":
    web, digest = {}, {}
    for name in users:
        user = users[name]
        web[name] = {"role": user.role, "phc": user.phc, "set_at": user.set_at}
        digest[name] = {"md5": user.ha1_md5, "sha256": user.ha1_sha256}
    return dump({"v": 1, "users": web}), dump({"v": 1, "users": digest})


def _users(web: bytes, digest: bytes) -> "dict[str, Account]":
    """Raises FormatError when the stores are damaged or differ in who exists."""
    first = fields.obj(parse_object(web, MAX_DOCUMENT_BYTES), "users")
    second = fields.obj(parse_object(digest, MAX_DOCUMENT_BYTES), "users")
    if not first or sorted(first) != sorted(second) or len(first) > MAX_USERS:
        raise FormatError("the stores differ in who exists")
    found = {}
    for name in first:
        one: "dict[str, Any]" = fields.obj(first, name)
        two: "dict[str, Any]" = fields.obj(second, name)
        found[name] = Account(
            name=name,
            role=fields.choice(one, "role", ROLES),
            phc=fields.text(one, "phc", 512),
            ha1_md5=fields.hexadecimal(two, "md5", 16),
            ha1_sha256=fields.hexadecimal(two, "sha256", 32),
            set_at=fields.integer(one, "set_at"),
        )
    return found


def _text(body: "bytes | None") -> "str | None":
    """Raises FormatError when the store rotted under a running agent."""
    if body is None:
        return None
    check_utf8(body)
    return str(body, "utf-8")


def _hex(body: bytes) -> str:
    return str(hexlify(sha256(body).digest()), "utf-8")
