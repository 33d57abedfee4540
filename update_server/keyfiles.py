"""P-256 private keys in PKCS#8 PEM files: plain ones that only their owner reads, encrypted ones offline."""

from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from update_server.errors import BadInput, Misconfigured
from update_server.files import SECRET, read_small, write_atomic


def new_key() -> ec.EllipticCurvePrivateKey:
    """A fresh P-256 key."""
    return ec.generate_private_key(ec.SECP256R1())


def write_key(path: Path, key: ec.EllipticCurvePrivateKey, passphrase: bytes | None = None) -> None:
    """Write `key` to `path` (mode 0600), encrypted when a passphrase is given.

    Raises:
        OSError: it cannot be written.
    """
    encryption = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    write_atomic(path, pem, SECRET)


def read_key(path: Path, passphrase: bytes | None = None) -> ec.EllipticCurvePrivateKey:
    """Read a P-256 key.

    Raises:
        Misconfigured: the file is missing, unreadable, or holds no P-256 key.
        BadInput: the passphrase is wrong or missing.
    """
    try:
        body = read_small(path)
    except OSError as error:
        raise Misconfigured(
            f"The key {path} cannot be read: {error.strerror}.", "Restore it from your backup."
        ) from None
    try:
        key = serialization.load_pem_private_key(body, passphrase)
    except (ValueError, TypeError):
        if b"ENCRYPTED" in body:
            raise BadInput(f"The passphrase does not open {path}.", "Give the right --passphrase-file.") from None
        raise Misconfigured(f"{path} holds no usable private key.", "Restore it from your backup.") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise Misconfigured(f"{path} holds no P-256 key.", "Only ECDSA P-256 keys are used.")
    return key


def read_public(path: Path) -> ec.EllipticCurvePublicKey:
    """Read a P-256 public key (SubjectPublicKeyInfo PEM).

    Raises:
        BadInput: the file cannot be read, or holds no such key.
    """
    try:
        body = read_small(path)
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}.", "Name a public key file (FILE.pub).") from None
    if b"PRIVATE KEY" in body:
        raise BadInput(f"{path} holds a private key.", "Name the public one; the private one stays where it is.")
    return parse_public(body, str(path))


def parse_public(pem: bytes, where: str) -> ec.EllipticCurvePublicKey:
    """A P-256 public key from PEM; `where` names its source in an error.

    Raises:
        BadInput: it is none.
    """
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        raise BadInput(f"{where} holds no public key in PEM.", "Name a public key file (FILE.pub).") from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise BadInput(f"{where} holds no P-256 key.", "Only ECDSA P-256 keys are used.")
    return key


def public_pem(key: ec.EllipticCurvePublicKey) -> str:
    """The key as SubjectPublicKeyInfo PEM."""
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode("ascii")
