"""What the credential stores hold, document by document, and how it becomes accounts again.

`web.json` is plain: an Argon2id string is no password's equivalent. `digest.json` holds HA1, with which one gets in as
with the password, so it is sealed by the device's secret. Version 1 of it was plain and is still read. `shadow.json`,
sealed as well, is there where the camera keeps system logins: yescrypt strings, and the user ids that go with them.
`token.json`, sealed as well, is there while a user has WS-UsernameToken switched on, and holds their secrets.
"""

from agent.formats import fields, sealed, shadow, ws_token
from agent.formats.errors import FormatError
from agent.formats.json import dump, parse_object
from agent.formats.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from agent.ports.secrets import DeviceSecret

WEB = "credentials/web.json"
DIGEST = "credentials/digest.json"
SHADOW = "credentials/shadow.json"
TOKEN = "credentials/token.json"  # noqa: S105 - the name of a document

ROLES = ("administrator", "operator", "viewer")
MAX_USERS = 32
MAX_DOCUMENT_BYTES = 64 * 1024
MAX_USER_CHARS = 32
_USER = "abcdefghijklmnopqrstuvwxyz0123456789._-"


class Account(Value):
    """One user: role, the secret of each store, and when the password was set (Unix seconds).

    `crypt` is empty where no shadow store was kept when the password was set; `uid` is 0 until the first is.
    `token` is empty while WS-UsernameToken is off.
    """

    FIELDS = ("name", "role", "phc", "ha1_md5", "ha1_sha256", "set_at", "crypt", "uid", "token")
    name: str
    role: str
    phc: str
    ha1_md5: str
    ha1_sha256: str
    set_at: int
    crypt: str
    uid: int
    token: str


def user_name_ok(name: str) -> bool:
    """Lower-case letters, digits, `._-`; 1 to 32 of them; nothing that a protocol would have to quote."""
    return 0 < len(name) <= MAX_USER_CHARS and all(c in _USER for c in name) and name[0] not in ".-"


def web_document(users: "dict[str, Account]") -> bytes:
    """`web.json` of these users."""
    found = {name: {"role": one.role, "phc": one.phc, "set_at": one.set_at} for name, one in users.items()}
    return dump({"v": 1, "users": found})


def digest_document(users: "dict[str, Account]", secret: "DeviceSecret | None") -> bytes:
    """`digest.json` of these users; `secret` None gives the plain form.

    Raises:
        Unavailable: the secret cannot be used.
    """
    found = {name: {"md5": one.ha1_md5, "sha256": one.ha1_sha256} for name, one in users.items()}
    body = dump({"v": 1, "users": found})
    return body if secret is None else sealed.encode(secret.seal(DIGEST, body))


def opened(name: str, body: bytes, secret: "DeviceSecret") -> "tuple[bytes, bool]":
    """The plain document, and whether it was sealed.

    Raises:
        Rejected: it is malformed, damaged, or another device's.
        Unavailable: the secret cannot be read.
    """
    inner = sealed.parse(body, MAX_DOCUMENT_BYTES)
    return (body, False) if inner is None else (secret.open(name, inner), True)


def parse_accounts(web: bytes, digest: bytes) -> "dict[str, Account]":
    """The users of both plain documents.

    Raises:
        FormatError: the stores are malformed or differ in who exists.
    """
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
            crypt="",
            uid=0,
            token="",
        )
    return found


def with_uids(users: "dict[str, Account]", next_uid: int) -> "tuple[dict[str, Account], int]":
    """The users with a user id for everyone who has a yescrypt string, and the next id.

    An id is never given twice before an erase: what a removed user has left running belongs to nobody who comes later.
    """
    found = {}
    for name in sorted(users):
        one = users[name]
        if one.crypt and not one.uid and next_uid <= shadow.MAX_UID:
            one = one.replace(uid=next_uid)
            next_uid += 1
        found[name] = one
    return found, next_uid


def shadow_document(users: "dict[str, Account]", next_uid: int, secret: "DeviceSecret") -> bytes:
    """`shadow.json` of these users.

    Raises:
        Unavailable: the secret cannot be used.
    """
    found = {name: {"crypt": one.crypt, "uid": one.uid} for name, one in users.items()}
    return sealed.encode(secret.seal(SHADOW, dump({"v": 1, "next": next_uid, "users": found})))


def with_shadow(users: "dict[str, Account]", body: bytes) -> "tuple[dict[str, Account], int]":
    """The users with what the plain shadow document holds of them, and the next user id.

    Raises:
        FormatError: it is malformed, differs in who exists, or gives an id twice.
    """
    source = parse_object(body, MAX_DOCUMENT_BYTES)
    fields.integer(source, "v", 1, 1)
    entries = fields.obj(source, "users")
    if sorted(entries) != sorted(users):
        raise FormatError("the stores differ in who exists")
    next_uid = fields.integer(source, "next", shadow.MIN_UID, shadow.MAX_UID + 1)
    found, given = {}, []
    for name in users:
        one = fields.obj(entries, name)
        crypt, uid = fields.text(one, "crypt", shadow.MAX_HASH_CHARS), fields.integer(one, "uid", 0, next_uid - 1)
        if crypt and not shadow.is_yescrypt(crypt):
            raise FormatError("no yescrypt string")
        if uid:
            if uid < shadow.MIN_UID or uid in given:
                raise FormatError("a user id that nobody may have")
            given.append(uid)
        found[name] = users[name].replace(crypt=crypt, uid=uid)
    return found, next_uid


def has_tokens(users: "dict[str, Account]") -> bool:
    """Whether WS-UsernameToken is on for anybody."""
    return any(one.token for one in users.values())


def token_document(users: "dict[str, Account]", secret: "DeviceSecret") -> bytes:
    """`token.json` of those users who have it on.

    Raises:
        Unavailable: the secret cannot be used.
    """
    found = {name: one.token for name, one in users.items() if one.token}
    return sealed.encode(secret.seal(TOKEN, dump({"v": 1, "users": found})))


def with_tokens(users: "dict[str, Account]", body: bytes) -> "dict[str, Account]":
    """The users with what the plain token document holds of them.

    Raises:
        FormatError: it is malformed, or names somebody who does not exist.
    """
    source = parse_object(body, MAX_DOCUMENT_BYTES)
    fields.integer(source, "v", 1, 1)
    entries = fields.obj(source, "users")
    found = dict(users)
    for name in entries:
        token = fields.text(entries, name, ws_token.SECRET_CHARS)
        if name not in users or not ws_token.is_secret(token):
            raise FormatError("a token of nobody, or none")
        found[name] = users[name].replace(token=token)
    return found
