"""Percent-encoding (RFC 3986, 2.1): any text as one part of a URL's path, or as a file name."""

_UNRESERVED = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"


def encode(text: str, keep: str = "") -> str:
    """The text with every byte of its UTF-8 escaped that RFC 3986 does not call unreserved (2.3).

    Args:
        text: any text. Two texts never have the same encoding.
        keep: ASCII characters that stay as they are as well, never `%`.
    """
    kept = _UNRESERVED + keep.encode()
    return "".join(chr(byte) if byte in kept else "%%%02X" % byte for byte in text.encode())
