"""IP addresses as text, in the one spelling that sockets report (RFC 4291, RFC 5952 without its preferences)."""

from agent.formats.errors import FormatError

MAX_CHARS = 45  # an IPv6 address with an IPv4 address in it
_DECIMAL = "0123456789"
_HEX = "0123456789abcdef"
_GROUPS = 8
_PARTS = 4
_MAX_PART = 255


def parse(text: str) -> str:
    """The address itself, if it is an IPv4 or IPv6 address without zone, prefix or brackets.

    Raises:
        FormatError: it is something else.
    """
    if len(text) > MAX_CHARS or not (_is_v6(text) if ":" in text else _is_v4(text)):
        raise FormatError("no IP address")
    return text


def _is_v4(text: str) -> bool:
    parts = text.split(".")
    return len(parts) == _PARTS and all(_is_part(part) for part in parts)


def _is_part(part: str) -> bool:
    if not 0 < len(part) <= len(str(_MAX_PART)) or any(character not in _DECIMAL for character in part):
        return False
    return int(part) <= _MAX_PART and (part == "0" or part[0] != "0")  # a leading zero is octal to some


def _is_v6(text: str) -> bool:
    halves = text.split("::")
    if len(halves) > 2:
        return False
    count = 0
    for number, half in enumerate(halves):
        groups = half.split(":") if half else []
        for place, group in enumerate(groups):
            last = number == len(halves) - 1 and place == len(groups) - 1
            if last and "." in group and _is_v4(group):
                count += 2
            elif 0 < len(group) <= 4 and all(character in _HEX for character in group):
                count += 1
            else:
                return False
    return count < _GROUPS if len(halves) == 2 else count == _GROUPS
