"""The credential stores: who exists, with which secrets; changed only by a transaction that survives a power cut.

What each store holds is in agent.app.account_stores. `credentials/state.json` says whether the camera is claimed, and
pins every store by SHA-256. `journal.json` exists only during a transaction and holds the documents as they were:
whoever finds it puts them back. What the system's own programs read (agent.app.console) follows from what is in memory.

Anything that does not fit together means *locked*, never unclaimed.
"""

from binascii import hexlify
from hashlib import sha256

from agent.app import account_stores as stores
from agent.app.account_stores import (
    DIGEST,
    MAX_DOCUMENT_BYTES,
    MAX_USERS,
    ROLES,
    SHADOW,
    TOKEN,
    WEB,
    Account,
    user_name_ok,
)
from agent.formats import fields, shadow
from agent.formats.errors import FormatError, Rejected
from agent.formats.json import check_utf8, dump, parse_object

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from agent.app.console import Console
    from agent.ports.secrets import DeviceSecret
    from agent.ports.storage import Store

__all__ = (
    "CLAIMED", "DIGEST", "JOURNAL", "LOCKED", "MAX_USERS", "ROLES", "SHADOW", "STATE", "TOKEN", "UNCLAIMED", "WEB",
    "Account", "Accounts", "unclaimed", "user_name_ok",
)  # fmt: skip

UNCLAIMED = "unclaimed"
CLAIMED = "claimed"
LOCKED = "locked"

STATE = "credentials/state.json"
JOURNAL = "credentials/journal.json"
STORES = (WEB, DIGEST, SHADOW, TOKEN)
NEXT_UID = "next_uid"


def unclaimed() -> bytes:
    """`state.json` of a camera that nobody has claimed."""
    return dump({"v": 1, "state": UNCLAIMED})


class Accounts:
    """What the stores hold, in memory, and the transaction on them."""

    def __init__(
        self, store: "Store", secret: "DeviceSecret", console: "Console | None" = None, takes_tokens: bool = False
    ) -> None:
        """`secret` seals what is a password's equivalent; `console`: the system's own accounts, where they are kept.

        `takes_tokens`: whether WS-UsernameToken may be on for anybody; otherwise what is stored of it is no word.
        """
        self._store = store
        self._secret = secret
        self._console = console
        self._takes_tokens = takes_tokens
        self._plain = False
        self._ruled_out = False
        self._on_trial = False
        self._next_uid = 0
        self.state = LOCKED
        self.users: "dict[str, Account]" = {}
        self.quarantined = False
        self.quarantines = 0
        """Whether the camera is in quarantine, and the number of the last one (agent.app.quarantining)."""
        self.replaced: "dict[str, Account] | None" = None
        """The users as they were, while a change of them is neither committed nor put back."""

    def load(self, first_boot: bool, on_trial: bool = False) -> None:
        """Read the stores; an unfinished transaction is put back first. Nobody is told yet: `show` or `lock` follows.

        `first_boot`: nothing else of the agent's state exists yet, so missing stores mean a new camera. `on_trial`: the
        version before may have to read the stores again, so they keep the form they have until `settle`.

        Raises:
            Unavailable: the storage fails.
        """
        self._on_trial = on_trial
        try:
            self._put_back()
            self.state, self.users = self._read(first_boot)
        except Rejected:
            self.state, self.users = LOCKED, {}

    def lock(self) -> None:
        """Let nobody in, whatever the stores say; until the next start."""
        self.state, self.users = LOCKED, {}
        self.show()

    def lets_in(self) -> bool:
        """Whether anybody is let in at all."""
        return self.state == CLAIMED and not self.quarantined

    def show(self) -> None:
        """Let the system's own programs know who is let in: nobody but claimed administrators, in whatever state."""
        if self._console is not None:
            self._console.show_or_hide(self.users if self.lets_in() else {})

    def has_room(self, user: str) -> bool:
        """Whether this user exists or may be added: a store with more than MAX_USERS would not be read again."""
        return user in self.users or len(self.users) < MAX_USERS

    def has_shell(self, user: str) -> bool:
        """Whether the operating system lets this user in as well."""
        return self._console is not None and user in self._console.shown

    def must_settle(self) -> bool:
        """Whether the stores have a form of before that nothing needs any more: `begin` and `commit` change it."""
        return self.state == CLAIMED and (self._plain or self._ruled_out) and not self._on_trial

    def committed(self) -> None:
        """The version that runs is on trial no more."""
        self._on_trial = False

    def begin(self, users: "dict[str, Account]") -> None:
        """Write these users into every store, to be proved; `commit` or `abort` must follow.

        A power cut before `commit` has returned brings the stores back as they were.

        Raises:
            Unavailable: the storage fails; call `abort`.
            FormatError: what is stored is damaged; call `abort`, which locks.
        """
        old = {name: _text(self._store.read(name)) for name in (STATE,) + STORES}
        plain = self._on_trial and (self._plain or self.state != CLAIMED)
        made: "dict[str, bytes]" = {
            WEB: stores.web_document(users),
            DIGEST: stores.digest_document(users, None if plain else self._secret),
        }
        next_uid = self._next_uid
        if self._console is not None and not plain:
            users, next_uid = stores.with_uids(users, max(next_uid, self._console.first_uid))
            made[SHADOW] = stores.shadow_document(users, next_uid, self._secret)
        if not self._takes_tokens or plain:
            users = {name: one.replace(token="") for name, one in users.items()}
        elif stores.has_tokens(users):
            made[TOKEN] = stores.token_document(users, self._secret)
        self._store.write(JOURNAL, dump({"v": 1, "old": old}))
        for name in STORES:
            if name in made:
                self._store.write(name, made[name])
            else:
                self._store.delete(name)
        state: "dict[str, Any]" = {"v": 1, "state": CLAIMED, "web": _hex(made[WEB]), "digest": _hex(made[DIGEST])}
        if next_uid:  # here as well: a system without system logins forgets the store, and must not forget this
            state[NEXT_UID] = next_uid
        if SHADOW in made:
            state["shadow"] = _hex(made[SHADOW])
        if TOKEN in made:
            state["token"] = _hex(made[TOKEN])
        self._store.write(STATE, dump(state))
        self.replaced = self.users
        self.state, self.users, self._plain, self._next_uid = CLAIMED, users, plain, next_uid
        self._ruled_out = False
        if self._console is not None:
            self._console.show(users if self.lets_in() else {})

    def commit(self) -> None:
        """The new stores count from now on; durable when it returns.

        Raises:
            Unavailable: the storage fails; nothing is decided yet: call `abort`.
        """
        self._store.delete(JOURNAL)
        self.replaced = None

    def abort(self) -> None:
        """Put everything back as it was before `begin`.

        What counts afterwards is what the stores say: a `commit` that failed at the very end may have been done.

        Raises:
            Unavailable: the storage fails; the next start puts it back. The camera is locked until then.
            FormatError: the journal is damaged; the camera is locked.
        """
        self.lock()
        self.replaced = None
        self._put_back()
        try:
            self.state, self.users = self._read(first_boot=False)
        except Rejected:
            pass  # damaged, or sealed by another device: locked
        self.show()

    def _put_back(self) -> None:
        body = self._store.read(JOURNAL)
        if body is None:
            return
        source = parse_object(body, 4 * MAX_DOCUMENT_BYTES)
        fields.integer(source, "v", 1, 1)
        old = fields.obj(source, "old")
        for name in STORES + (STATE,):
            if name in (SHADOW, TOKEN) and name not in old:
                continue  # the journal of a version that has no such store, and did not touch it
            if old.get(name) is None:
                self._store.delete(name)
            else:
                self._store.write(name, fields.text(old, name, MAX_DOCUMENT_BYTES).encode())
        self._store.delete(JOURNAL)

    def _read(self, first_boot: bool) -> "tuple[str, dict[str, Account]]":
        self._plain, self._ruled_out, self._next_uid = False, False, 0
        body = self._store.read(STATE)
        found = {name: self._store.read(name) for name in STORES}
        nothing = all(one is None for one in found.values())
        if body is None:
            if not first_boot or not nothing:
                return LOCKED, {}
            self._store.write(STATE, unclaimed())
            return UNCLAIMED, {}
        source = parse_object(body, MAX_DOCUMENT_BYTES)
        fields.integer(source, "v", 1, 1)
        if fields.choice(source, "state", (UNCLAIMED, CLAIMED)) == UNCLAIMED:
            return (UNCLAIMED if nothing else LOCKED), {}
        web = _pinned(source, "web", found[WEB])
        digest, was_sealed = stores.opened(DIGEST, _pinned(source, "digest", found[DIGEST]), self._secret)
        self._plain = not was_sealed
        users = stores.parse_accounts(web, digest)
        if NEXT_UID in source:
            self._next_uid = fields.integer(source, NEXT_UID, shadow.MIN_UID, shadow.MAX_UID + 1)
        # A version without system logins writes no pin, and leaves a store that may hold old passwords: it is no word.
        if "shadow" in source:
            inner, was_sealed = stores.opened(SHADOW, _pinned(source, "shadow", found[SHADOW]), self._secret)
            if not was_sealed:
                return LOCKED, {}
            users, next_uid = stores.with_shadow(users, inner)
            self._next_uid = max(self._next_uid, next_uid)
        self._ruled_out = "token" in source and not self._takes_tokens
        if "token" in source and self._takes_tokens:
            inner, was_sealed = stores.opened(TOKEN, _pinned(source, "token", found[TOKEN]), self._secret)
            if not was_sealed:
                return LOCKED, {}
            users = stores.with_tokens(users, inner)
        return CLAIMED, users


def _pinned(source: "dict[str, Any]", name: str, body: "bytes | None") -> bytes:
    """The document, if it is the one that the state names.

    Raises:
        FormatError: it is another one, or gone.
    """
    if body is None or fields.hexadecimal(source, name, 32) != _hex(body):
        raise FormatError(name + " is not the store that the state names")
    return body


def _text(body: "bytes | None") -> "str | None":
    """Raises FormatError when the store rotted under a running agent."""
    if body is None:
        return None
    check_utf8(body)
    return str(body, "utf-8")


def _hex(body: bytes) -> str:
    return str(hexlify(sha256(body).digest()), "utf-8")
