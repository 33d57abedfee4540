"""Percent-encoding (RFC 3986, 2.1): any text as one part of a URL's path, or as a file name."""

from binascii import unhexlify

from agent.formats.errors import FormatError
from agent.formats.json import check_utf8

_UNRESERVED = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"


def encode(text: str, keep: str = "") -> str:
    """The text with every byte of its UTF-8 escaped that RFC 3986 does not call unreserved (2.3).

    Args:
        text: any text. Two texts never have the same encoding.
        keep: ASCII characters that stay as they are as well, never `%`.
    """
    kept = _UNRESERVED + keep.encode()
    return "".join(chr(byte) if byte in kept else "%%%02X" % byte for byte in text.encode())


def decode(text: str) -> str:
    """The text that `encode` makes this of (with nothing to keep).

    Raises:
        FormatError: any other text.
    """
    pieces = text.split("%")
    try:
        found = pieces[0].encode()  # a file name that was no UTF-8 has lone surrogates
        for piece in pieces[1:]:
            found += unhexlify(piece[:2]) + piece[2:].encode()
    except ValueError:
        raise FormatError("no percent-encoding") from None
    check_utf8(found)
    decoded = str(found, "utf-8")
    if encode(decoded) != text:
        raise FormatError("no percent-encoding in its one form")
    return decoded
