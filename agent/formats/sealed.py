"""A document that only this device reads: what its device secret has sealed, as base64 in a JSON object.

JSON all the same: a journal can hold it beside plain documents, and a version that knows no sealing refuses it.
"""

from agent.formats import base64, fields
from agent.formats.json import dump, parse_object

VERSION = 2  # version 1 of a store is the plain document


def encode(sealed: bytes) -> bytes:
    """The document of these bytes."""
    return dump({"v": VERSION, "sealed": base64.encode(sealed)})


def parse(body: bytes, max_bytes: int) -> "bytes | None":
    """The sealed bytes; None for a document of another version, which is no sealed one.

    Raises:
        FormatError: no JSON object, longer than `max_bytes`, no version, or a sealed document that is malformed.
    """
    source = parse_object(body, max_bytes)
    if fields.integer(source, "v", 1, VERSION) != VERSION:
        return None
    fields.only(source, ("v", "sealed"))
    return base64.decode(fields.text(source, "sealed", max_bytes))
