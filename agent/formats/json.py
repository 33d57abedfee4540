"""A bounded JSON parser and writer, the same on both interpreters.

The interpreters' own parsers disagree and forgive too much: they take duplicate keys, NaN, lone surrogates, unbounded
nesting and unbounded numbers. This one reads RFC 8259 within limits, and everything else is a FormatError.
"""

from agent.formats.errors import FormatError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_DEPTH = 24  # the deepest format of ours (targets custom data) nests 9; recursion must stay small on MicroPython
MAX_NUMBER_CHARS = 24  # a double with sign, point and exponent; everything longer is an attack on the number parser
MAX_INTEGER = 2**53 - 1  # I-JSON (RFC 7493, 2.2): what every JSON reader agrees on
MAX_EXPONENT = 300  # a double holds 1e308; beyond it readers disagree between an error and infinity

_QUOTE = 0x22
_ESCAPES = {0x22: '"', 0x5C: "\\", 0x2F: "/", 0x62: "\b", 0x66: "\f", 0x6E: "\n", 0x72: "\r", 0x74: "\t"}
_SPACE = b" \t\n\r"
_DIGITS = b"0123456789"
_HEX = b"0123456789abcdefABCDEF"
_printable = getattr(str, "isprintable", lambda text: not text)
"""True: no control character is in the text. MicroPython, which cannot say, has each byte looked at."""


def parse(body: bytes, max_bytes: int, floats: bool = False) -> "Any":
    """Read one JSON text.

    Args:
        body: the text; UTF-8 without byte order mark.
        max_bytes: longer bodies are refused before anything is read.
        floats: numbers with a fraction or exponent are allowed (telemetry); signed metadata refuses them.

    Returns:
        None, bool, int, float, str, list, or dict with str keys (in no particular order on MicroPython).

    Raises:
        FormatError: the body is too long, no JSON, or outside the limits of this module.
    """
    if len(body) > max_bytes:
        raise FormatError("more than " + str(max_bytes) + " bytes")
    body = bytes(body)
    check_utf8(body)
    reader = _Reader(body, floats)
    value = reader.value(0)
    if reader.skip() != len(body):
        raise FormatError("data after the JSON text at byte " + str(reader.at))
    return value


def parse_object(body: bytes, max_bytes: int, floats: bool = False) -> "dict[str, Any]":
    """`parse`, for the formats whose top level is an object.

    Raises:
        FormatError: as `parse`, or the top level is something else.
    """
    value = parse(body, max_bytes, floats)
    if not isinstance(value, dict):
        raise FormatError("the top level is no object")
    return value


def dump(value: "Any") -> bytes:
    """Write JSON in one deterministic form: sorted keys, no spaces, ASCII only, floats with three decimals.

    Not for signatures: those are over `canonical_json`.

    Raises:
        FormatError: a value that JSON has not (or a float beyond +-2**53), or a key that is no string.
    """
    out: list[str] = []
    _write(value, out, 0)
    return "".join(out).encode()


def check_utf8(body: bytes) -> None:
    """Refuse what RFC 3629 refuses: broken or overlong sequences, surrogates, code points past U+10FFFF.

    MicroPython's own decoder takes overlong forms and surrogates.

    Raises:
        FormatError: the bytes are not UTF-8.
    """
    try:
        if len(str(body, "utf-8")) == len(body):
            return  # ASCII alone, as nearly always: one character for each byte, counted in native code
    except UnicodeError:
        pass  # refused below, with the place
    at, end = 0, len(body)
    while at < end:
        first = body[at]
        if first < 0x80:
            at += 1
            continue
        if 0xC2 <= first <= 0xDF:
            more, low, high = 1, 0x80, 0xBF
        elif 0xE0 <= first <= 0xEF:
            more, low, high = 2, 0xA0 if first == 0xE0 else 0x80, 0x9F if first == 0xED else 0xBF
        elif 0xF0 <= first <= 0xF4:
            more, low, high = 3, 0x90 if first == 0xF0 else 0x80, 0x8F if first == 0xF4 else 0xBF
        else:
            raise FormatError("no UTF-8 at byte " + str(at))
        if at + more >= end or not low <= body[at + 1] <= high:
            raise FormatError("no UTF-8 at byte " + str(at))
        for index in range(at + 2, at + 1 + more):
            if not 0x80 <= body[index] <= 0xBF:
                raise FormatError("no UTF-8 at byte " + str(at))
        at += 1 + more


class _Reader:
    """Recursive descent over bytes (a str index is linear in MicroPython, a bytes index is not)."""

    def __init__(self, body: bytes, floats: bool) -> None:
        self.body = body
        self.floats = floats
        self.at = 0

    def skip(self) -> int:
        body, at, end = self.body, self.at, len(self.body)
        while at < end and body[at] in _SPACE:
            at += 1
        self.at = at
        return at

    def fail(self, what: str) -> FormatError:
        return FormatError(what + " at byte " + str(self.at))

    def peek(self) -> int:
        """The next byte that is no white space, or -1 at the end."""
        body, at = self.body, self.at
        if at < len(body) and body[at] > 0x20:
            return body[at]  # as it is nearly always
        at = self.skip()
        return body[at] if at < len(body) else -1

    def value(self, depth: int) -> "Any":
        if depth > MAX_DEPTH:
            raise self.fail("nested too deep")
        first = self.peek()
        if first == _QUOTE:
            return self.string()
        if first == 0x7B:
            return self.object(depth)
        if first == 0x5B:
            return self.array(depth)
        for word, meaning in ((b"true", True), (b"false", False), (b"null", None)):
            if self.body[self.at : self.at + len(word)] == word:
                self.at += len(word)
                return meaning
        return self.number()

    def object(self, depth: int) -> "dict[str, Any]":
        found: "dict[str, Any]" = {}
        self.at += 1
        if self.peek() == 0x7D:
            self.at += 1
            return found
        while True:
            if self.peek() != _QUOTE:
                raise self.fail("a key is missing")
            key = self.string()
            if key in found:
                raise self.fail("a key repeats")
            if self.peek() != 0x3A:
                raise self.fail("a colon is missing")
            self.at += 1
            found[key] = self.value(depth + 1)
            if self.closes(0x7D):
                return found

    def array(self, depth: int) -> "list[Any]":
        found: "list[Any]" = []
        self.at += 1
        if self.peek() == 0x5D:
            self.at += 1
            return found
        while True:
            found.append(self.value(depth + 1))
            if self.closes(0x5D):
                return found

    def closes(self, bracket: int) -> bool:
        """Take the bracket (True) or a comma (False)."""
        byte = self.peek()
        if byte not in (bracket, 0x2C):
            raise self.fail("a comma or bracket is missing")
        self.at += 1
        return byte == bracket

    def string(self) -> str:
        body = self.body
        start = self.at + 1
        parts: list[str] = []
        while True:
            end = body.find(b'"', start)
            if end < 0:
                raise self.fail("a string does not end")
            at = body.find(b"\\", start, end)
            if at < 0:
                self.at = end + 1
                last = self.plain(start, end)
                return "".join(parts) + last if parts else last
            parts.append(self.plain(start, at))
            self.at = at
            parts.append(self.escape())
            start = self.at

    def plain(self, start: int, end: int) -> str:
        piece = self.body[start:end]
        text = str(piece, "utf-8")
        if not _printable(text) and min(piece) < 0x20:
            raise self.fail("a control character in a string")
        return text

    def escape(self) -> str:
        self.at += 1
        byte = self.body[self.at] if self.at < len(self.body) else -1
        self.at += 1
        if byte in _ESCAPES:
            return _ESCAPES[byte]
        if byte != 0x75:
            raise self.fail("an unknown escape")
        unit = self.hex4()
        if 0xD800 <= unit <= 0xDBFF:
            if self.body[self.at : self.at + 2] != b"\\u":
                raise self.fail("a lone surrogate")
            self.at += 2
            low = self.hex4()
            if not 0xDC00 <= low <= 0xDFFF:
                raise self.fail("a lone surrogate")
            return chr(0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00))
        if 0xDC00 <= unit <= 0xDFFF:
            raise self.fail("a lone surrogate")
        return chr(unit)

    def hex4(self) -> int:
        digits = self.body[self.at : self.at + 4]
        if len(digits) != 4 or any(byte not in _HEX for byte in digits):
            raise self.fail("a broken \\u escape")
        self.at += 4
        return int(str(digits, "utf-8"), 16)

    def digits(self) -> bytes:
        """Take one or more decimal digits."""
        at = self.at
        while at < len(self.body) and self.body[at] in _DIGITS:
            at += 1
        found = self.body[self.at : at]
        if not found or len(found) > MAX_NUMBER_CHARS:
            raise self.fail("no JSON value, or a number that is too long")
        self.at = at
        return found

    def take(self, choices: bytes) -> bool:
        """Take the next byte if it is one of these."""
        if self.at < len(self.body) and self.body[self.at] in choices:
            self.at += 1
            return True
        return False

    def number(self) -> "int | float":
        start = self.at
        self.take(b"-")
        whole = self.digits()
        if len(whole) > 1 and whole[0] == 0x30:
            raise self.fail("a number begins with zero")
        exact = True
        if self.take(b"."):
            exact = False
            self.digits()
        if self.take(b"eE"):
            exact = False
            self.take(b"+-")
            if int(str(self.digits(), "utf-8")) > MAX_EXPONENT:
                raise self.fail("an exponent that is too large")
        text = str(self.body[start : self.at], "utf-8")
        if len(text) > MAX_NUMBER_CHARS:
            raise self.fail("a number is too long")
        if not exact:
            if not self.floats:
                raise self.fail("a number is no integer")
            number = float(text)
            if not -1e308 < number < 1e308:
                raise self.fail("a number is too large")
            return number
        integer = int(text)
        if not -MAX_INTEGER <= integer <= MAX_INTEGER:
            raise self.fail("an integer is too large")
        return integer


def _write(value: "Any", out: "list[str]", depth: int) -> None:
    if depth > MAX_DEPTH:
        raise FormatError("nested too deep")
    if value is None or value is True or value is False:
        out.append("null" if value is None else "true" if value else "false")
    elif isinstance(value, str):
        out.append(_quoted(value))
    elif isinstance(value, int):
        out.append(str(value))
    elif isinstance(value, float):
        out.append(_decimal(value))
    elif isinstance(value, (list, tuple)):
        out.append("[")
        for index, item in enumerate(value):
            if index:
                out.append(",")
            _write(item, out, depth + 1)
        out.append("]")
    elif isinstance(value, dict):
        _write_object(value, out, depth)
    else:
        raise FormatError("JSON has no " + type(value).__name__)


def _write_object(value: "dict[Any, Any]", out: "list[str]", depth: int) -> None:
    for key in value:
        if not isinstance(key, str):
            raise FormatError("a JSON key must be a string")
    out.append("{")
    for index, key in enumerate(sorted(value)):
        if index:
            out.append(",")
        out.append(_quoted(key))
        out.append(":")
        _write(value[key], out, depth + 1)
    out.append("}")


def _decimal(value: float) -> str:
    """Three decimals: the interpreters print doubles differently, and no sensor of ours knows more."""
    if not -MAX_INTEGER < value < MAX_INTEGER:
        raise FormatError("JSON has no such number")
    thousandths = int(value * 1000 + (0.5 if value >= 0 else -0.5))
    sign = "-" if thousandths < 0 else ""
    whole, rest = divmod(abs(thousandths), 1000)
    return sign + str(whole) + "." + ("000" + str(rest))[-3:]


def _quoted(text: str) -> str:
    try:
        body = text.encode()
    except UnicodeError:
        raise FormatError("a lone surrogate") from None
    ascii_only = len(body) == len(text) and (_printable(text) or (min(body) >= 0x20 and max(body) < 0x7F))
    if ascii_only and '"' not in text and "\\" not in text:
        return '"' + text + '"'  # as it is nearly always
    out = ['"']
    for character in text:
        code = ord(character)
        if character in '"\\':
            out.append("\\" + character)
        elif 0x20 <= code < 0x7F:
            out.append(character)
        elif code < 0x10000:
            if 0xD800 <= code <= 0xDFFF:
                raise FormatError("a lone surrogate")
            out.append("\\u" + _hex4(code))
        else:
            code -= 0x10000
            out.append("\\u" + _hex4(0xD800 + (code >> 10)) + "\\u" + _hex4(0xDC00 + (code & 0x3FF)))
    out.append('"')
    return "".join(out)


def _hex4(code: int) -> str:
    return ("000" + hex(code)[2:])[-4:]
