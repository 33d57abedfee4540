"""The one-time enrolment token that a person pastes: `camward1.` and the base64url of a JSON object.

It carries the fleet CA's certificate itself, so the device never opens a connection it cannot verify, and the hash of
the ownership record it is to receive.
"""

from agent.formats import base64, fields
from agent.formats.errors import FormatError
from agent.formats.json import dump, parse_object
from agent.formats.value import Value

PREFIX = "camward1."
MAX_TOKEN_CHARS = 3500  # must fit a login socket line of 4096 bytes with its envelope
MAX_CA_BYTES = 2048  # a P-256 certificate has about 500


class Token(Value):
    """`url` of the server (https), one-time `secret`, `id` of the token, `ca` (DER), `ownership_sha256` (hex).

    Without a secret (empty) it is an invitation: the camera shows the certificate that its factory gave it.
    """

    FIELDS = ("url", "secret", "id", "ca", "ownership_sha256")
    url: str
    secret: str
    id: str
    ca: bytes
    ownership_sha256: str


def encode(token: Token) -> str:
    """The text to paste."""
    body = {
        "v": 1,
        "url": token.url,
        "secret": token.secret,
        "id": token.id,
        "ca": base64.encode(token.ca),
        "ownership_sha256": token.ownership_sha256,
    }
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
    ca = base64.decode(fields.text(source, "ca", 2 * MAX_CA_BYTES))
    if not 0 < len(ca) <= MAX_CA_BYTES:
        raise FormatError("ca is empty or too long")
    return Token(
        url=https_url(source, "url"),
        secret=fields.text(source, "secret", 128),
        id=fields.name(source, "id", 64),
        ca=ca,
        ownership_sha256=fields.hexadecimal(source, "ownership_sha256", 32),
    )


def https_url(source: "dict[str, object]", name: str) -> str:
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
