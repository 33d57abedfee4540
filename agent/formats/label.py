"""The factory's record of one camera: who it is, and how to recognise its label's claim code without knowing it."""

from agent.formats import fields
from agent.formats.json import parse_object
from agent.formats.value import Value

MAX_LABEL_BYTES = 2048


class Label(Value):
    """`/data/camward/factory/label.json`. The claim code is SHA-256(salt || code, upper case, without dashes)."""

    FIELDS = ("serial", "model", "hardware", "mac", "claim_salt", "claim_sha256")
    serial: str
    model: str
    hardware: str
    mac: str
    claim_salt: bytes
    claim_sha256: bytes


def parse(body: bytes) -> Label:
    """Read the record.

    Raises:
        FormatError: it is not what the class describes.
    """
    source = parse_object(body, MAX_LABEL_BYTES)
    fields.integer(source, "v", 1, 1)
    return Label(
        serial=fields.name(source, "serial", 64),
        model=fields.name(source, "model", 32),
        hardware=fields.name(source, "hardware", 16),
        mac=fields.text(source, "mac", 17),
        claim_salt=bytes.fromhex(fields.hexadecimal(source, "claim_salt", 16)),
        claim_sha256=bytes.fromhex(fields.hexadecimal(source, "claim_sha256", 32)),
    )


def unknown(model: str, hardware: str) -> Label:
    """Stands in for a record that is lost or damaged: no code is its claim code (nothing hashes to an empty text)."""
    return Label(serial="unknown", model=model, hardware=hardware, mac="", claim_salt=b"", claim_sha256=b"")


def normal_code(typed: str) -> bytes:
    """The claim code as hashed: upper case, without the dashes and spaces that people type."""
    # No code has other characters than ASCII; a lone surrogate from a command line could not even be encoded.
    return "".join(c if ord(c) < 0x80 else "?" for c in typed.upper() if c not in "- ").encode()
