"""The labels' codes: from a table, from the text of scanned labels, or typed."""

import csv
import re
from collections.abc import Mapping
from typing import NamedTuple

from agent.formats.label import normal_code
from update_server.errors import BadInput
from update_server.installer.texts import Say

MIN_CODE_CHARACTERS = 16
"""Of letters and digits: 80 bits in base32."""

MAX_CODE_CHARACTERS = 64
MAX_LABELS = 4096

_SERIAL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_CODE = re.compile(rb"[A-Z0-9]{%d,%d}" % (MIN_CODE_CHARACTERS, MAX_CODE_CHARACTERS))
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
_LABEL_SERIAL = re.compile(r"^.*\bSerial\b[^:]*:\s*(\S+)\s*$", re.IGNORECASE)
_LABEL_CODE = re.compile(r"^.*\bCode\b[^:]*:\s*(\S.*?)\s*$", re.IGNORECASE)
_AROUND = '",'
"""What programs write around the values of a label (JSON)."""


class Label(NamedTuple):
    """What a label says.

    Attributes:
        serial: serial number.
        code: as printed.
        fingerprint: SHA-256 of the camera's certificate, lower-case hexadecimal, where the factory prints it.
    """

    serial: str
    code: str
    fingerprint: str = ""


def read_labels(body: bytes, name: str, say: Say) -> Mapping[str, Label]:
    """Labels by serial number: `serial,code[,fingerprint]` a line, or the text of labels one after the other.

    Args:
        body: of the file.
        name: of the file, for messages. They name lines, and never a code.
        say: texts.

    Raises:
        BadInput: it is neither, or names a camera twice with different codes.
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadInput(say("codes_utf8", name=name)) from None
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    try:
        pairs = _from_labels(lines) if any(_LABEL_CODE.match(line) for line in lines) else _from_table(lines)
    except csv.Error:
        raise BadInput(say("codes_none", name=name)) from None
    found: dict[str, Label] = {}
    for number, row in pairs:
        label = _label(row)
        if label is None or found.get(label.serial, label) != label or len(found) >= MAX_LABELS:
            raise BadInput(say("codes_line", name=name, line=number))
        found[label.serial] = label
    if not found:
        raise BadInput(say("codes_none", name=name))
    return found


def is_code(typed: str) -> bool:
    """Whether this can be a label's code."""
    return _CODE.fullmatch(normal_code(typed)) is not None


def _from_table(lines: list[str]) -> list[tuple[int, list[str]]]:
    rows = [(number, [cell.strip() for cell in row]) for number, row in enumerate(csv.reader(lines), 1)]
    titles = rows[0][1] if rows else []
    return rows[1:] if [title.lower() for title in titles[:2]] == ["serial", "code"] else rows


def _from_labels(lines: list[str]) -> list[tuple[int, list[str]]]:
    """Serial numbers and codes, each code with the serial number before it."""
    found: list[tuple[int, list[str]]] = []
    serial = ""
    for number, line in enumerate(lines, 1):
        if match := _LABEL_SERIAL.match(line):
            serial = match[1].strip(_AROUND)
        elif match := _LABEL_CODE.match(line):
            found.append((number, [serial, match[1].strip(_AROUND)]))
            serial = ""
    return found


def _label(row: list[str]) -> Label | None:
    """None for what cannot be on a label."""
    if len(row) not in (2, 3) or not _SERIAL.fullmatch(row[0]) or not is_code(row[1]):
        return None
    fingerprint = row[2].replace(":", "").lower() if len(row) == 3 else ""
    if fingerprint and not _FINGERPRINT.fullmatch(fingerprint):
        return None
    return Label(row[0], row[1], fingerprint)
