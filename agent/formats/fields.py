"""Typed, bounded reading of the members of a parsed JSON object; every miss is a FormatError that names the member."""

from agent.formats.errors import FormatError
from agent.formats.json import MAX_INTEGER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_TEXT_CHARS = 1024  # longer texts (certificates, notes) state their own limit
MAX_ITEMS = 1024  # no list of ours is longer

_HEX = "0123456789abcdef"
_NAME = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"


def _get(source: "dict[str, Any]", name: str) -> "Any":
    if name not in source:
        raise FormatError(name + " is missing")
    return source[name]


def as_object(value: "Any", what: str) -> "dict[str, Any]":
    """The value itself, if it is an object.

    Raises:
        FormatError: it is something else.
    """
    if not isinstance(value, dict):
        raise FormatError(what + " is no object")
    return value


def obj(source: "dict[str, Any]", name: str) -> "dict[str, Any]":
    """A member that is an object.

    Raises:
        FormatError: it is missing or something else.
    """
    return as_object(_get(source, name), name)


def array(source: "dict[str, Any]", name: str, max_items: int = MAX_ITEMS) -> "list[Any]":
    """A member that is an array of at most `max_items`.

    Raises:
        FormatError: it is missing, something else, or longer.
    """
    value = _get(source, name)
    if not isinstance(value, list):
        raise FormatError(name + " is no array")
    if len(value) > max_items:
        raise FormatError(name + " has more than " + str(max_items) + " items")
    return value


def row(value: "Any", what: str, length: int) -> "list[Any]":
    """The value itself, if it is an array of exactly `length` items.

    Raises:
        FormatError: it is something else.
    """
    if not isinstance(value, list) or len(value) != length:
        raise FormatError(what + " is no array of " + str(length))
    return value


def is_integer(value: "Any") -> bool:
    """True for an int that is no bool (the interpreters disagree about isinstance(True, int))."""
    return isinstance(value, int) and value is not True and value is not False


def as_integer(value: "Any", what: str, low: int = 0, high: int = MAX_INTEGER) -> int:
    """The value itself, if it is an integer within low..high, both included.

    Raises:
        FormatError: it is something else or out of range.
    """
    if not is_integer(value):
        raise FormatError(what + " is no integer")
    number: int = value
    if not low <= number <= high:
        raise FormatError(what + " is not within " + str(low) + ".." + str(high))
    return number


def integer(source: "dict[str, Any]", name: str, low: int = 0, high: int = MAX_INTEGER) -> int:
    """A member that is an integer within low..high, both included.

    Raises:
        FormatError: it is missing, something else, or out of range.
    """
    return as_integer(_get(source, name), name, low, high)


def number(source: "dict[str, Any]", name: str, low: float, high: float) -> "int | float":
    """A member that is an integer or, where the parser was told to allow them, a float.

    Raises:
        FormatError: it is missing, something else, or out of range.
    """
    value = _get(source, name)
    if not (is_integer(value) or isinstance(value, float)):
        raise FormatError(name + " is no number")
    found: "int | float" = value
    if not low <= found <= high:
        raise FormatError(name + " is out of range")
    return found


def boolean(source: "dict[str, Any]", name: str) -> bool:
    """A member that is true or false.

    Raises:
        FormatError: it is missing or something else.
    """
    value = _get(source, name)
    if value is True:
        return True
    if value is False:
        return False
    raise FormatError(name + " is neither true nor false")


def as_text(value: "Any", what: str, max_chars: int = MAX_TEXT_CHARS) -> str:
    """The value itself, if it is a string of at most `max_chars` characters.

    Raises:
        FormatError: it is something else or longer.
    """
    if not isinstance(value, str):
        raise FormatError(what + " is no string")
    if len(value) > max_chars:
        raise FormatError(what + " has more than " + str(max_chars) + " characters")
    return value


def text(source: "dict[str, Any]", name: str, max_chars: int = MAX_TEXT_CHARS) -> str:
    """A member that is a string of at most `max_chars` characters, possibly empty.

    Raises:
        FormatError: it is missing, something else, or longer.
    """
    return as_text(_get(source, name), name, max_chars)


def choice(source: "dict[str, Any]", name: str, choices: "tuple[str, ...]") -> str:
    """A member that is one of these strings.

    Raises:
        FormatError: it is missing or something else.
    """
    value = text(source, name)
    if value not in choices:
        raise FormatError(name + " is none of " + ", ".join(choices))
    return value


def as_hex(value: "Any", what: str, size_bytes: int) -> str:
    """The value itself, if it is the lower-case hexadecimal of exactly `size_bytes` bytes.

    Raises:
        FormatError: it is something else.
    """
    found = as_text(value, what)
    if len(found) != 2 * size_bytes or any(character not in _HEX for character in found):
        raise FormatError(what + " is not the lower-case hexadecimal of " + str(size_bytes) + " bytes")
    return found


def hexadecimal(source: "dict[str, Any]", name: str, size_bytes: int) -> str:
    """A member that is the lower-case hexadecimal of exactly `size_bytes` bytes, as text.

    Raises:
        FormatError: it is missing or something else.
    """
    return as_hex(_get(source, name), name, size_bytes)


def as_name(value: "Any", what: str, max_chars: int = 128) -> str:
    """The value itself, if it can be part of a file name or URL: letters, digits, `._-`, no leading dot or dash.

    Raises:
        FormatError: it is something else.
    """
    found = as_text(value, what, max_chars)
    if not found or found[0] in ".-" or any(character not in _NAME for character in found):
        raise FormatError(what + " is no plain name")
    return found


def name(source: "dict[str, Any]", member: str, max_chars: int = 128) -> str:
    """A member that can be part of a file name or URL (see `as_name`).

    Raises:
        FormatError: it is missing or something else.
    """
    return as_name(_get(source, member), member, max_chars)


def only(source: "dict[str, Any]", names: "tuple[str, ...]") -> None:
    """Refuse members that the format does not have (for formats where a surplus member means a mistake).

    Raises:
        FormatError: there is one.
    """
    for member in source:
        if member not in names:
            raise FormatError("unexpected member " + member[:64])
