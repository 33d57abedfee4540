"""The operator's sealing keys, and the opening of what cameras have sealed to one of them (agent.formats.cose).

The private keys are plain files in `folder`, named by their key id: the ingest opens messages day and night. The file
`current` names the one that new ownership records name; the others stay to open what cameras seal to them.
"""

import re
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from agent.formats import cose, ownership
from agent.formats.cose import Sealed
from update_server.db.models import Device
from update_server.errors import Misconfigured, NotFound
from update_server.files import SECRET_FOLDER, read_small, sync_folder, write_atomic
from update_server.fleet.ownership import Ownership
from update_server.keyfiles import new_key, parse_public, public_pem, read_key, write_key

CURRENT = "current"
KEY_ID = re.compile(rf"[0-9a-f]{{{2 * cose.KID_BYTES}}}\Z")
SUITE = hpke.Suite(hpke.KEM.P256, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)


class Unopened(Exception):
    """A sealed message does not open; the text says why."""


class SealingKeys:
    """The keys in `folder`, which is made with the first of them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._keys: dict[str, ec.EllipticCurvePrivateKey] = {}

    @property
    def current(self) -> str | None:
        """The id of the key that new ownership records name; None before there is one.

        Raises:
            Misconfigured: the file that says so is damaged.
        """
        try:
            found = read_small(self._folder / CURRENT).decode("ascii", "replace").strip()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Misconfigured(
                f"{self._folder / CURRENT} cannot be read: {error.strerror}.", "Restore it from your backup."
            ) from None
        if not KEY_ID.match(found):
            raise Misconfigured(f"{self._folder / CURRENT} names no key.", "Restore it from your backup.")
        return found

    def ids(self) -> list[str]:
        """The ids of all keys that are here."""
        names = (path.name.removesuffix(".key.pem") for path in self._folder.glob("*.key.pem"))
        return sorted(name for name in names if KEY_ID.match(name))

    def public(self) -> str:
        """The public key (PEM) that new ownership records name; a server without one gets it here.

        Raises:
            Misconfigured: the current key is missing or damaged: it is never replaced silently.
            OSError: the disk is full, or the folder is not writable.
        """
        name = self.current or self.renew()
        return public_pem(self._key(name).public_key())

    def renew(self) -> str:
        """Make another key, the current one from now on; returns its id.

        Raises:
            OSError: the disk is full, or the folder is not writable.
        """
        if not self._folder.is_dir():
            self._folder.mkdir(SECRET_FOLDER, exist_ok=True)
            sync_folder(self._folder.parent)
        key = new_key()
        name = key_id(key.public_key())
        write_key(self._folder / f"{name}.key.pem", key)
        write_atomic(self._folder / CURRENT, name.encode())
        return name

    def open(self, sealed: Sealed, topic: str) -> bytes:
        """What a camera has sealed and sent on this topic.

        Raises:
            Unopened: it was sealed to a key that is not here, for another topic or number, or it is damaged.
        """
        session = sealed.session
        try:
            key = self._key(session.kid.hex())
        except Misconfigured as error:
            raise Unopened(error.what) from None
        try:
            content_key = SUITE.decrypt(session.enc + session.wrapped, key, cose.info(session.kid))
            associated = cose.associated(topic, sealed.boot, sealed.seq)
            return AESGCM(content_key).decrypt(sealed.iv, sealed.ciphertext, associated)
        except (InvalidTag, ValueError):
            raise Unopened("it does not open with the key, topic and number that it came with") from None

    def _key(self, name: str) -> ec.EllipticCurvePrivateKey:
        if name not in self._keys:
            key = read_key(self._folder / f"{name}.key.pem")
            if key_id(key.public_key()) != name:
                raise Misconfigured(f"The sealing key {name} is another one.", "Restore it from your backup.")
            self._keys[name] = key
        return self._keys[name]


def key_id(key: ec.EllipticCurvePublicKey) -> str:
    """The name of a sealing key, in hexadecimal, as the messages carry it."""
    point = key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    return cose.key_id(point).hex()


def cameras_by_key(session: Session, records: Ownership) -> dict[str, int]:
    """How many cameras have an ownership record that names each key; under "" those whose record names none."""
    found: dict[str, int] = {}
    rows = session.execute(select(Device.ownership_sha256, func.count()).group_by(Device.ownership_sha256))
    for sha256, count in rows:
        try:
            pem = ownership.parse(records.record(sha256)).sealing_key
        except NotFound:
            pem = None
        name = "" if pem is None else key_id(parse_public(pem.encode("ascii"), "An ownership record"))
        found[name] = found.get(name, 0) + count
    return found
