"""The file in which commands travel to the people who sign them, and back.

It is judged by what it says alone: whoever signs sees which camera is told what, and the camera counts signatures.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from securesystemslib.signer import Signer

from agent.formats import canonical_json
from agent.formats import command as formats
from agent.formats.command import CHANGE_KEYS, ERASE, Command
from agent.formats.errors import FormatError
from update_server.errors import BadInput
from update_server.files import read_small, write_atomic

MEMBER = "commands"
MAX_COMMANDS = 5000


def save(file: Path, found: Sequence[dict[str, Any]]) -> None:
    """Write the file.

    Raises:
        BadInput: it cannot be written.
    """
    try:
        write_atomic(file, json.dumps({MEMBER: list(found)}, indent=1, sort_keys=True).encode() + b"\n")
    except OSError as error:
        raise BadInput(f"{file} cannot be written: {error.strerror}.", "Name another file.") from None


def load(file: Path) -> list[dict[str, Any]]:
    """The commands in the file, each of which reads as one.

    Raises:
        BadInput: it is no such file.
    """
    try:
        found = json.loads(read_small(file))[MEMBER]
        for one in found:
            parsed(one)
        if not 0 < len(found) <= MAX_COMMANDS:
            raise ValueError("no commands, or too many")
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error.strerror}.", "Name another file.") from None
    except (ValueError, KeyError, TypeError, RecursionError, FormatError) as error:
        raise BadInput(f"{file} holds no commands: {error}.", "Make it: 'camward-server command prepare'.") from None
    return list(found)


def parsed(one: dict[str, Any]) -> Command:
    """A command of such a file as a value.

    Raises:
        FormatError: it is none.
    """
    return formats.parse(json.dumps(one).encode())


def sign(found: Sequence[dict[str, Any]], signers: Sequence[Signer]) -> None:
    """Add these signatures to every command; one of the same key is replaced.

    Raises:
        SigningFailed: a key is out of reach.
    """
    for one in found:
        message = canonical_json.encode(one["signed"])
        signatures = {item["keyid"]: item["sig"] for item in one["signatures"]}
        for signer in signers:
            signatures[signer.public_key.keyid] = signer.sign(message).signature
        one["signatures"] = [{"keyid": keyid, "sig": signatures[keyid]} for keyid in sorted(signatures)]


def describe(one: Command) -> list[str]:
    """In words, what whoever signs this allows."""
    lines = [f"{one.device}: {one.name}, number {one.seq}; signatures so far: {len(one.signatures)}"]
    if one.name == ERASE:
        lines.append("  REMOVES everything of its users and of the operator from the camera, for good")
    if one.name == CHANGE_KEYS:
        for name, value in sorted(one.arguments.items()):
            lines.append(f"  {name.replace('_', ' ')} from now on:")
            lines += ["    " + text for text in _named(name, value)]
    return lines


def _named(name: str, value: Any) -> list[str]:
    """Keys by the ids that `command-key list` shows; what is longer as it is."""
    if isinstance(value, list):
        return ["key id " + formats.key_id(str(item)) for item in value] or ["none"]
    return str(value).splitlines()
