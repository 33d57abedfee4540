"""Signers by URI. `file:PATH` is a plain key file, `encrypted-file:PATH` one that needs a passphrase.

Hardware tokens and key services join here, as further schemes, through securesystemslib's own signers.
"""

from pathlib import Path

from securesystemslib.signer import CryptoSigner, Signer

from update_server.errors import Misconfigured
from update_server.keyfiles import new_key, read_key, write_key

PLAIN, ENCRYPTED = "file", "encrypted-file"


def load(uri: str, passphrase: bytes | None = None) -> Signer:
    """The signer that `uri` names.

    Raises:
        Misconfigured: the scheme is unknown or the key unusable.
        BadInput: the passphrase is wrong or missing.
    """
    scheme, _, rest = uri.partition(":")
    if scheme == PLAIN:
        return CryptoSigner(read_key(Path(rest)))
    if scheme == ENCRYPTED:
        return CryptoSigner(read_key(Path(rest), passphrase))
    raise Misconfigured(f"The signer {uri!r} has an unknown scheme.", f"Use {PLAIN}: or {ENCRYPTED}:.")


def make(path: Path, passphrase: bytes | None = None) -> Signer:
    """Make a new P-256 key file and return its signer.

    Raises:
        OSError: it cannot be written.
    """
    key = new_key()
    write_key(path, key, passphrase)
    return CryptoSigner(key)


def load_folder(folder: Path, prefix: str, passphrase: bytes, count: int) -> list[Signer]:
    """The first `count` offline signers `prefix-N.pem` in `folder`.

    Raises:
        Misconfigured: fewer are there than are needed.
        BadInput: the passphrase is wrong.
    """
    files = sorted(folder.glob(f"{prefix}-*.pem"))[:count]
    if len(files) < count:
        raise Misconfigured(
            f"{folder} holds {len(files)} of the {count} offline keys needed ({prefix}-*.pem).",
            "Name the folder of your offline keys with --offline-keys.",
        )
    return [load(f"{ENCRYPTED}:{file}", passphrase) for file in files]
