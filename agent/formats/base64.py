"""Base64 in exactly one form: the interpreters' decoders skip what they do not know, this one refuses it."""

from binascii import a2b_base64, b2a_base64

from agent.formats.errors import FormatError


def encode(data: bytes) -> str:
    """Base64 (RFC 4648, 4) with padding, without line breaks."""
    return str(b2a_base64(data), "utf-8").rstrip("\n")


def decode(text: str) -> bytes:
    """The bytes that `encode` makes this text of.

    Raises:
        FormatError: any other text (line breaks, missing padding, spare bits included).
    """
    try:
        data = a2b_base64(text.encode())
    except ValueError:
        raise FormatError("no base64") from None
    if encode(data) != text:
        raise FormatError("no base64 in its one form")
    return data


def encode_url(data: bytes) -> str:
    """Base64url (RFC 4648, 5) without padding."""
    return encode(data).replace("+", "-").replace("/", "_").rstrip("=")


def decode_url(text: str) -> bytes:
    """The bytes that `encode_url` makes this text of.

    Raises:
        FormatError: any other text.
    """
    if "+" in text or "/" in text or "=" in text:
        raise FormatError("no base64url")
    return decode(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4))
