"""The one-time enrolment token that a person pastes: `camward1.` and the base64url of a JSON object.

It carries the fleet CA's certificate itself, so the device never opens a connection it cannot verify, and the hash of
the ownership record it is to receive.
"""

from agent.formats import base64, fields
from agent.formats.errors import FormatError
from agent.formats.json import dump, parse_object
from agent.formats.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PREFIX = "camward1."
MAX_TOKEN_CHARS = 3500  # must fit a login socket line of 4096 bytes with its envelope
EST = "/.well-known/est"
MAX_LABEL_CHARS = 64
MAX_CA_BYTES = 2048  # a P-256 certificate has about 500


class Token(Value):
    """`url` of the server (https), one-time `secret`, `id` of the token, `ca` (DER), `ownership_sha256` (hex).

    Without a secret (empty) it is an invitation: the camera shows the certificate that its factory gave it.

    `est_url` (see `est_url` below), if not empty: another server that certifies cameras; `id` and `secret` are for that
    one, and its certificate and those that it issues lead to `est_ca` (DER).
    """

    FIELDS = ("url", "secret", "id", "ca", "ownership_sha256", "est_url", "est_ca")
    url: str
    secret: str
    id: str
    ca: bytes
    ownership_sha256: str
    est_url: str
    est_ca: bytes

    def __init__(self, *args: "Any", **kwargs: "Any") -> None:
        if len(args) < len(self.FIELDS) - 1:
            kwargs.setdefault("est_url", "")
            kwargs.setdefault("est_ca", b"")
        Value.__init__(self, *args, **kwargs)


def encode(token: Token) -> str:
    """The text to paste."""
    body: "dict[str, object]" = {
        "v": 1,
        "url": token.url,
        "secret": token.secret,
        "id": token.id,
        "ca": base64.encode(token.ca),
        "ownership_sha256": token.ownership_sha256,
    }
    if token.est_url:
        body["est"] = {"url": token.est_url, "ca": base64.encode(token.est_ca)}
    return PREFIX + base64.encode_url(dump(body))


def parse(text: str) -> Token:
    """Read a pasted token; white space around and inside it (line breaks of a mail program) is ignored.

    Raises:
        FormatError: it is not one.
    """
    if len(text) > 2 * MAX_TOKEN_CHARS:
        raise FormatError("the token is too long")
    packed = "".join(character for character in text if character not in " \t\r\n")
    if not packed.startswith(PREFIX) or len(packed) > MAX_TOKEN_CHARS:
        raise FormatError("this is no enrolment token")
    source = parse_object(base64.decode_url(packed[len(PREFIX) :]), MAX_TOKEN_CHARS)
    fields.integer(source, "v", 1, 1)
    est = fields.obj(source, "est") if "est" in source else None
    return Token(
        url=https_url(source, "url"),
        secret=fields.text(source, "secret", 128),
        id=fields.name(source, "id", 64),
        ca=_ca(source),
        ownership_sha256=fields.hexadecimal(source, "ownership_sha256", 32),
        est_url="" if est is None else est_url(est, "url"),
        est_ca=b"" if est is None else _ca(est),
    )


def _ca(source: "dict[str, Any]") -> bytes:
    ca = base64.decode(fields.text(source, "ca", 2 * MAX_CA_BYTES))
    if not 0 < len(ca) <= MAX_CA_BYTES:
        raise FormatError("ca is empty or too long")
    return ca


def est_url(source: "dict[str, Any]", name: str) -> str:
    """A member that is `https://HOST[:PORT]/.well-known/est` or that with `/LABEL` behind it (RFC 7030, 3.2.2).

    Raises:
        FormatError: it is missing or something else.
    """
    url = fields.text(source, name, 256)
    server, mark, label = url.partition(EST)
    https_url({name: server}, name)
    if not mark or (label and (label[0] != "/" or "/" in label[1:])):
        raise FormatError(name + " is no address of an EST server")
    if label:
        fields.as_name(label[1:], name, MAX_LABEL_CHARS)
    return url


def https_url(source: "dict[str, Any]", name: str) -> str:
    """A member that is `https://HOST` or `https://HOST:PORT`, without path, credentials or spaces.

    Raises:
        FormatError: it is missing or something else.
    """
    url = fields.text(source, name, 256)
    rest = url[len("https://") :]
    if not url.startswith("https://") or not rest:
        raise FormatError(name + " is no https address")
    for character in rest:
        if not "!" <= character <= "~" or character in "/@?#\\\"'<>":
            raise FormatError(name + " is no https address of a server alone")
    if not labels_fit(rest.split(":")[0]):
        raise FormatError(name + " has no host name")
    return url


def labels_fit(host: str) -> bool:
    """Whether no label of a host name is empty or longer than 63 (RFC 1035, 2.3.4); resolvers fail oddly on such."""
    return all(0 < len(label) < 64 for label in host.split("."))
