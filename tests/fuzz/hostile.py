"""Inputs made to hurt: what a valid one becomes."""

from collections.abc import Callable

LONG = 1_000_000
"""Characters of what shall be refused for its length alone, or read at one go."""


def _inside(put: bytes) -> Callable[[bytes], bytes]:
    """Replace the first string of a JSON text by something else; for other texts, append it."""

    def make(seed: bytes) -> bytes:
        if seed[:1] != b"{":
            return seed + put
        begin = seed.find(b":") + 1
        return seed[:begin] + put + b"," + seed[1:]

    return make


HOSTILE: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda seed: b"",
    "nested 100 deep": _inside(b"[" * 100 + b"]" * 100),
    "nested 100 objects deep": _inside(b'{"a":' * 100 + b"1" + b"}" * 100),
    "nested and never closed": lambda seed: b"[" * 5_000,
    "a huge integer": _inside(b"9" * 5000),
    "a huge exponent": _inside(b"1e999999999"),
    "a long fraction": _inside(b"0." + b"3" * 5000),
    "not a number": _inside(b"NaN"),
    "infinity": _inside(b"-Infinity"),
    "a member twice": lambda seed: seed[:1] + seed[1:].rstrip(b"}") + b"," + seed[1:],
    "a million characters": _inside(b'"' + b"a" * LONG + b'"'),
    "a million digits": lambda seed: b"1" * LONG,
    "a million escapes": _inside(b'"' + b"\\n" * (LONG // 2) + b'"'),
    "two thousand items": _inside(b"[" + b",".join([b"1"] * 2_000) + b"]"),
    "an overlong form": _inside(b'"\xc0\xaf"'),
    "a surrogate": _inside(b'"\xed\xa0\x80"'),
    "half a surrogate pair": _inside(b'"\\ud800"'),
    "beyond Unicode": _inside(b'"\xf4\x90\x80\x80"'),
    "a character cut off": lambda seed: seed + b"\xe5\x90",
    "a byte order mark": lambda seed: b"\xef\xbb\xbf" + seed,
    "another encoding": lambda seed: seed.decode("latin-1").encode("utf-16"),
    "zero bytes": lambda seed: seed + bytes(10_000),
    "doubled": lambda seed: seed + seed,
    "cut in half": lambda seed: seed[: len(seed) // 2],
    "backwards": lambda seed: seed[::-1],
    "high bytes": lambda seed: b"\xff" * 4096,
    "CBOR arrays without end": lambda seed: b"\x81" * 5_000,
    "CBOR lengths without end": lambda seed: b"\x9f" * 5_000,
    "a CBOR length beyond all memory": lambda seed: b"\x9b" + b"\xff" * 8,
    "a CBOR string beyond all memory": lambda seed: b"\x5b" + b"\xff" * 8,
    "twenty thousand empty CBOR arrays": lambda seed: b"\x99\x4e\x20" + b"\x80" * 20_000,
}
