"""What makes this device itself, and how its id follows from it."""

from hashlib import sha256

from agent.formats import envelope, fields
from agent.formats.errors import FormatError
from agent.formats.json import dump, parse_object

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.app.ports import Ports
    from agent.ports.storage import Store

IDENTITY = "tls"
EVIDENCE = "evidence"
NEXT = "next"
ROTATED = "rotated"
UNSEALING = "unseal"
"""Names of keys: the device's identity, what signs its evidence, the identity that a transfer prepares, the one that a
rotation prepares (agent.app.rotating), and what opens what is encrypted to this camera alone (the port Unsealer)."""

CERTIFICATE = "identity/certificate.pem"
NEXT_CERTIFICATE = "identity/next-certificate.pem"
RENEWED_CERTIFICATE = "identity/renewed-certificate.pem"
ROTATED_CERTIFICATE = "identity/rotated-certificate.pem"
"""The device's certificate; that of the identity that a transfer prepares; and one for the same identity that is to
take the first one's place once it has connected (agent.app.renewing); and one for another key, as well."""
ROTATION = "identity/rotation"
"""By which rotation the pair beside was begun."""
NAME = "identity/name.json"
"""The device id of a camera whose identity has had another key, and which rotation was the last."""
MAX_NAME_BYTES = 512
ID_CHARS = 26
_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"


def device_id(spki_der: bytes) -> str:
    """First 26 characters of the lower-case base32 of the SHA-256 of the identity key (SubjectPublicKeyInfo, DER)."""
    number = int.from_bytes(sha256(spki_der).digest(), "big")
    return "".join(_BASE32[(number >> (256 - 5 * (index + 1))) & 31] for index in range(ID_CHARS))


def encode_name(device_id: str, by: str) -> bytes:
    """What NAME holds; `by` is 64 hexadecimal digits."""
    return dump({"v": 1, "id": device_id, "by": by})


def parse_name(body: bytes) -> "tuple[str, str]":
    """The device id, and the last rotation.

    Raises:
        FormatError: it is damaged.
    """
    source = parse_object(body, MAX_NAME_BYTES)
    fields.integer(source, "v", 1, 1)
    return envelope.device_id(source, "id"), fields.hexadecimal(source, "by", 32)


def named(store: "Store") -> "tuple[str, str]":
    """As `parse_name`; both empty where the identity has its first key still, or the name is damaged.

    Raises:
        Unavailable: the storage fails.
    """
    body = store.read(NAME)
    try:
        return ("", "") if body is None else parse_name(body)
    except FormatError:
        return "", ""


def finish_rotation(ports: "Ports") -> None:
    """End a rotation whose certificate is in place already: its key follows. Nothing happens without one.

    Safe to repeat; called before any key is used, so that nothing sees a certificate of one key beside another.

    Raises:
        Unavailable: the storage fails.
    """
    body = ports.store.read(ROTATED_CERTIFICATE)
    if body is not None and body == ports.store.read(CERTIFICATE):
        ports.keys.replace(IDENTITY, ROTATED)
        ports.store.delete(ROTATED_CERTIFICATE)


def forget_rotation(ports: "Ports") -> None:
    """The identity is another device's from now on.

    Raises:
        Unavailable: the storage fails.
    """
    ports.keys.forget(ROTATED)
    for document in (ROTATED_CERTIFICATE, ROTATION, NAME):
        ports.store.delete(document)
