"""The hand-over file, version 1 (docs/installer.md): bytes <-> values, pure.

In the clear: for whom it is sealed, and of each entry the serial number, the camera's certificate (which it shows to
everybody) and whether it has said yes. Sealed: user, password, model, address, time.
"""

import json
from typing import NamedTuple

from agent.formats import base64, fields
from agent.formats.errors import FormatError
from agent.formats.json import dump, parse_object
from update_server.installer.sealing import Opener, Sealer

KIND = "camward-handover"
VERSION = 1
MAX_FILE_BYTES = 1024 * 1024
"""`update_server.files.read_small` reads no more; an entry takes about 500 bytes."""
MAX_ENTRIES = 1500
MAX_SEALED_CHARACTERS = 2048

PLANNED, CLAIMED = "planned", "claimed"
"""`planned`: about to be set when this was written; whether it was, nobody knows who reads no more than this."""


class Account(NamedTuple):
    """What is handed over of one camera.

    Attributes:
        user: administrator's name.
        password: its password.
        model: as the camera said.
        address: where it was reached, `HOST:PORT`.
        at: Unix seconds.
    """

    user: str
    password: str
    model: str
    address: str
    at: int


class Entry(NamedTuple):
    """One camera, sealed.

    Attributes:
        serial: serial number.
        certificate: SHA-256 of its certificate, hexadecimal: proven by the label's code when this was written.
        state: PLANNED or CLAIMED.
        sealed: an `Account`.
    """

    serial: str
    certificate: str
    state: str
    sealed: bytes


class Handover(NamedTuple):
    """A whole file."""

    recipient: dict[str, str]
    entries: tuple[Entry, ...]


def seal(sealer: Sealer, serial: str, certificate: str, state: str, account: Account) -> Entry:
    """An entry for this camera."""
    bare = Entry(serial, certificate, state, b"")
    return bare._replace(sealed=sealer.seal(dump(account._asdict()), _about(bare)))


def unseal(opener: Opener, entry: Entry) -> Account:
    """What an entry holds.

    Raises:
        FormatError: it does not open, or holds something else.
    """
    body = opener.open(entry.sealed, _about(entry))
    source = parse_object(body, MAX_SEALED_CHARACTERS)
    fields.only(source, Account._fields)
    return Account(
        user=fields.text(source, "user", 64),
        password=fields.text(source, "password", 128),
        model=fields.text(source, "model", 64),
        address=fields.text(source, "address", 128),
        at=fields.integer(source, "at"),
    )


def encode(handover: Handover) -> bytes:
    """The file's bytes.

    Raises:
        FormatError: it would be too long to be read again.
    """
    entries = [{**entry._asdict(), "sealed": base64.encode(entry.sealed)} for entry in handover.entries]
    whole = {"v": VERSION, "kind": KIND, "recipient": handover.recipient, "entries": entries}
    body = json.dumps(whole, indent=1, sort_keys=True).encode() + b"\n"
    if len(body) > MAX_FILE_BYTES or len(entries) > MAX_ENTRIES:
        raise FormatError("the hand-over file is full; begin another one")
    return body


def parse(body: bytes) -> Handover:
    """Read a file.

    Raises:
        FormatError: it is none, or of a version that is not known here.
    """
    source = parse_object(body, MAX_FILE_BYTES)
    fields.only(source, ("v", "kind", "recipient", "entries"))
    fields.choice(source, "kind", (KIND,))
    fields.integer(source, "v", VERSION, VERSION)
    recipient = fields.obj(source, "recipient")
    if "x25519" in recipient:
        fields.only(recipient, ("x25519",))
        fields.hexadecimal(recipient, "x25519", 32)
    else:
        fields.only(recipient, ("argon2id", "check"))
        fields.hexadecimal(recipient, "argon2id", 16)
        fields.text(recipient, "check", 128)
    entries = [_entry(fields.as_object(one, "an entry")) for one in fields.array(source, "entries", MAX_ENTRIES)]
    return Handover(recipient, tuple(entries))


def _entry(source: dict[str, object]) -> Entry:
    fields.only(source, Entry._fields)
    return Entry(
        serial=fields.name(source, "serial", 64),
        certificate=fields.hexadecimal(source, "certificate", 32),
        state=fields.choice(source, "state", (PLANNED, CLAIMED)),
        sealed=base64.decode(fields.text(source, "sealed", MAX_SEALED_CHARACTERS)),
    )


def _about(entry: Entry) -> bytes:
    return f"{entry.state}\0{entry.serial}\0{entry.certificate}".encode()
