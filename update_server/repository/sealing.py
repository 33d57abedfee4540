"""Content keys of encrypted artifacts: made here, kept in files of their own, wrapped for one camera at a time.

Each artifact has a fresh key that never encrypts other bytes: its nonces are only numbers of segments. A key is wrapped
with HPKE (RFC 9180) for the unsealing key that the camera named when it enrolled, and for one artifact.
"""

import hashlib
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hpke, serialization

from agent.formats import base64
from agent.formats.delivery import Artifact
from agent.formats.segments import KEY_BYTES, KEY_INFO
from update_server.errors import Misconfigured
from update_server.files import SECRET, SECRET_FOLDER, read_small, sync_folder, write_atomic
from update_server.keyfiles import parse_public

ENC_BYTES = 65  # the uncompressed point that RFC 9180 encapsulates with P-256
SUITE = hpke.Suite(hpke.KEM.P256, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)


def new_key() -> bytes:
    """A key for one artifact."""
    return secrets.token_bytes(KEY_BYTES)


class ContentKeys:
    """The keys as files in `folder`, named by the SHA-256 of what they open; only the server reads them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, sha256: str, key: bytes) -> None:
        """Store a key durably.

        Raises:
            OSError: the disk is full, or the folder is not writable.
        """
        if not self._folder.is_dir():
            self._folder.mkdir(SECRET_FOLDER, exist_ok=True)
            sync_folder(self._folder.parent)
        write_atomic(self._path(sha256), key, SECRET)

    def has(self, sha256: str) -> bool:
        """Whether the key is here."""
        return self._path(sha256).is_file()

    def find(self, sha256: str) -> bytes:
        """The key of an artifact.

        Raises:
            Misconfigured: it is missing or damaged.
        """
        path = self._path(sha256)
        try:
            key = read_small(path)
        except OSError as error:
            raise Misconfigured(
                f"The content key {path} cannot be read: {error.strerror}.", "Restore it from your backup."
            ) from None
        if len(key) != KEY_BYTES:
            raise Misconfigured(f"{path} holds no content key.", "Restore it from your backup.")
        return key

    def _path(self, sha256: str) -> Path:
        return self._folder / f"{sha256}.key"


def wrapped(key: bytes, unsealing_pem: str, artifact: Artifact, signed: Mapping[str, Any]) -> dict[str, str]:
    """The member `key` of an artifact in a camera's delivery.

    HPKE is randomised. So what was signed for this artifact and this camera's key stays (its member `to` names the
    latter; cameras do not read it): an idle fleet is not signed anew for nothing.

    Args:
        key: the artifact's.
        unsealing_pem: of the camera.
        artifact: what the key opens.
        signed: the camera's present delivery, empty for none.

    Raises:
        BadInput: that is no P-256 key.
    """
    public = parse_public(unsealing_pem.encode("ascii"), "The camera's unsealing key")
    spki = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    to, before = hashlib.sha256(spki).hexdigest(), signed.get("artifact", {})
    stands: dict[str, str] = before.get("key", {})
    if before.get("sha256") == artifact.sha256 and stands.get("to") == to:
        return stands
    sealed = SUITE.encrypt(key, public, KEY_INFO + bytes.fromhex(artifact.index_sha256))
    return {"enc": base64.encode(sealed[:ENC_BYTES]), "sealed": base64.encode(sealed[ENC_BYTES:]), "to": to}
