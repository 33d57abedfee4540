"""A bounded reader and writer of deterministic CBOR (RFC 8949, 4.2.1), the same on both interpreters.

There is one form for each value: heads are as short as they can be, lengths are definite, the keys of a map stand in
the order of their encodings. What is in another form is refused, so that equal values are equal bytes. Known here are
integers, byte and text strings, arrays, maps with integers or texts for keys, false, true, null, and the tags that the
caller expects. Floats are refused: their shortest form has three widths, and no format of ours on CBOR has any.
"""

from agent.formats.errors import FormatError
from agent.formats.json import check_utf8
from agent.formats.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_DEPTH = 16  # the deepest format of ours nests 4; recursion must stay small on MicroPython
MAX_ITEMS = 4096  # of one whole text: an empty array of one byte costs sixty in memory
MAX_ARGUMENT = 2**64 - 1  # the largest number that a head holds (RFC 8949, 3)

_UNSIGNED, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = range(8)
_SIMPLES = {20: False, 21: True, 22: None}
_LENGTHS = {24: 1, 25: 2, 26: 4, 27: 8}
"""How many bytes of argument follow a head, by its low five bits."""


class Tag(Value):
    """A tagged value (RFC 8949, 3.4)."""

    FIELDS = ("number", "value")
    number: int
    value: "Any"


def encode(value: "Any") -> bytes:
    """The one form of a value: None, bool, int, bytes, str, list, tuple, dict, `Tag`.

    Raises:
        FormatError: anything else, an integer beyond 64 bits, or nested too deep.
    """
    out: "list[bytes]" = []
    _write(value, out, 0)
    return b"".join(out)


def parse(body: bytes, max_bytes: int, tags: "tuple[int, ...]" = ()) -> "Any":
    """Read one value.

    Args:
        body: nothing may stand behind the value.
        max_bytes: longer bodies are refused before anything is read.
        tags: the numbers of tags that may occur.

    Returns:
        None, bool, int, bytes, str, list, `Tag`, or dict with int and str keys.

    Raises:
        FormatError: the body is too long, no CBOR, not in its one form, or outside the limits of this module.
    """
    if len(body) > max_bytes:
        raise FormatError("more than " + str(max_bytes) + " bytes")
    reader = _Reader(bytes(body), tags)
    value = reader.value(0)
    if reader.at != len(body):
        raise reader.fail("data after the value")
    return value


class _Reader:
    """Recursive descent; `at` is the next byte."""

    def __init__(self, body: bytes, tags: "tuple[int, ...]") -> None:
        self.body = body
        self.tags = tags
        self.at = 0
        self.items = 0

    def fail(self, what: str) -> FormatError:
        return FormatError(what + " at byte " + str(self.at))

    def take(self, count: int) -> bytes:
        """The next bytes; a count that no input has is refused before anything of that size is made."""
        if count > len(self.body) - self.at:
            raise self.fail("the value is cut off")
        self.at += count
        return self.body[self.at - count : self.at]

    def head(self) -> "tuple[int, int]":
        """Major type and argument, in the shortest form (RFC 8949, 4.2.1)."""
        first = self.take(1)[0]
        major, argument = first >> 5, first & 31
        if major == _SIMPLE:
            if argument not in _SIMPLES:
                raise self.fail("a float, or a simple value that is not known here")
            return major, argument
        if argument < 24:
            return major, argument
        length = _LENGTHS.get(argument)
        if length is None:
            raise self.fail("an indefinite length, or a reserved head")
        argument = int.from_bytes(self.take(length), "big")
        if argument < 24 or (length > 1 and argument < 1 << (4 * length)):
            raise self.fail("a head that is longer than it must be")
        return major, argument

    def value(self, depth: int) -> "Any":
        if depth > MAX_DEPTH:
            raise self.fail("nested too deep")
        self.items += 1
        if self.items > MAX_ITEMS:
            raise self.fail("too many items")
        major, argument = self.head()
        if major == _UNSIGNED:
            return argument
        if major == _NEGATIVE:
            return -1 - argument
        if major == _BYTES:
            return self.take(argument)
        if major == _TEXT:
            text = self.take(argument)
            check_utf8(text)
            return str(text, "utf-8")
        if major == _ARRAY:
            if argument > len(self.body) - self.at:
                raise self.fail("the array is cut off")
            return [self.value(depth + 1) for _ in range(argument)]
        if major == _MAP:
            return self.map(argument, depth)
        if major == _TAG:
            if argument not in self.tags:
                raise self.fail("a tag that is not expected")
            return Tag(argument, self.value(depth + 1))
        return _SIMPLES[argument]

    def map(self, count: int, depth: int) -> "dict[int | str, Any]":
        found: "dict[int | str, Any]" = {}
        before = b""
        for _ in range(count):
            begin = self.at
            if begin < len(self.body) and self.body[begin] >> 5 not in (_UNSIGNED, _NEGATIVE, _TEXT):
                raise self.fail("a key is neither an integer nor a text")
            key = self.value(depth + 1)
            encoded = self.body[begin : self.at]
            if encoded <= before:
                raise self.fail("a key repeats, or stands in the wrong place")
            before = encoded
            found[key] = self.value(depth + 1)
        return found


def _head(major: int, argument: int) -> bytes:
    if argument < 24:
        return bytes([major << 5 | argument])
    for code in (24, 25, 26, 27):
        length = _LENGTHS[code]
        if argument < 1 << (8 * length):
            return bytes([major << 5 | code]) + argument.to_bytes(length, "big")
    raise FormatError("CBOR has no integer of more than 64 bits")


def _write(value: "Any", out: "list[bytes]", depth: int) -> None:
    if depth > MAX_DEPTH:
        raise FormatError("nested too deep")
    if value is None or value is True or value is False:
        out.append(_head(_SIMPLE, 22 if value is None else 21 if value else 20))
    elif isinstance(value, int):
        out.append(_head(_UNSIGNED, value) if value >= 0 else _head(_NEGATIVE, -1 - value))
    elif isinstance(value, (bytes, bytearray)):
        out.append(_head(_BYTES, len(value)))
        out.append(bytes(value))
    elif isinstance(value, str):
        _write_text(value, out)
    elif isinstance(value, (list, tuple)):
        out.append(_head(_ARRAY, len(value)))
        for item in value:
            _write(item, out, depth + 1)
    elif isinstance(value, dict):
        _write_map(value, out, depth)
    elif isinstance(value, Tag):
        out.append(_head(_TAG, value.number))
        _write(value.value, out, depth + 1)
    else:
        raise FormatError("CBOR here has no " + type(value).__name__)


def _write_text(text: str, out: "list[bytes]") -> None:
    try:
        body = text.encode()
    except UnicodeError:
        raise FormatError("a lone surrogate") from None
    out.append(_head(_TEXT, len(body)))
    out.append(body)


def _write_map(value: "dict[Any, Any]", out: "list[bytes]", depth: int) -> None:
    pairs = []
    for key in value:
        if key is True or key is False or not isinstance(key, (int, str)):
            raise FormatError("a key must be an integer or a text")
        pairs.append((encode(key), key))
    pairs.sort()
    out.append(_head(_MAP, len(pairs)))
    for encoded, key in pairs:
        out.append(encoded)
        _write(value[key], out, depth + 1)
