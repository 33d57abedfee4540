"""Canonical JSON (OLPC), the form that TUF signatures and evidence signatures are over.

Byte-equal to securesystemslib's `encode_canonical`: sorted keys, no spaces, UTF-8, and in strings only the backslash
and the double quote escaped (so the result is not always JSON; it is only hashed and signed, never parsed).
"""

from agent.formats.errors import FormatError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def encode(value: "Any") -> bytes:
    """The canonical bytes of a JSON value.

    Args:
        value: None, bool, int, str, list, tuple or dict with str keys, as `agent.formats.json.parse` returns them.

    Raises:
        FormatError: a float (canonical JSON has none), another type, or a string with a lone surrogate.
    """
    out: list[str] = []
    _encode(value, out)
    try:
        return "".join(out).encode("utf-8")
    except UnicodeError:
        raise FormatError("a lone surrogate") from None


def _encode(value: "Any", out: "list[str]") -> None:
    # True and False before int: on CPython they are ints, on MicroPython they are not.
    if value is True or value is False or value is None:
        out.append("null" if value is None else "true" if value else "false")
    elif isinstance(value, str):
        out.append(_string(value))
    elif isinstance(value, int):
        out.append(str(value))
    elif isinstance(value, (list, tuple)):
        out.append("[")
        for index, item in enumerate(value):
            if index:
                out.append(",")
            _encode(item, out)
        out.append("]")
    elif isinstance(value, dict):
        _object(value, out)
    else:
        raise FormatError("canonical JSON has no " + type(value).__name__)


def _object(value: "dict[Any, Any]", out: "list[str]") -> None:
    for key in value:
        if not isinstance(key, str):
            raise FormatError("a key that is no string")
    out.append("{")
    for index, key in enumerate(sorted(value)):
        if index:
            out.append(",")
        out.append(_string(key))
        out.append(":")
        _encode(value[key], out)
    out.append("}")


def _string(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
