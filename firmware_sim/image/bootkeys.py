"""Custody of the boot (FIT) keys: a folder, kept offline and apart from the TUF keys.

    FOLDER/boot1.crt boot2.crt   the pair: what the boot flash of a camera made now holds; either one boots
    FOLDER/boot1.key             a private key, of its owner alone, encrypted where a passphrase was given; keys may be
                                 kept in different folders, each beside both certificates
    FOLDER/retired/boot1.crt     out of service: signs nothing more, and is in no new boot flash

What a camera trusts was written into its boot flash in the factory, and no update changes it (version 1 declares
the boot loader fixed). So a release for cameras of several pairs is signed by the key that all of them hold.
"""

import datetime
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from firmware_sim.image.errors import ImageError
from firmware_sim.image.run import storage_error
from firmware_sim.image.store import write_atomic

PAIR = 2
KEY_BITS = 2048  # what U-Boot 2023.01 of Debian 12 verifies
EXPONENT = 65537  # the only one that U-Boot's device tree code is tried with
VALID_DAYS = 36500  # U-Boot reads the key of the certificate only
RETIRED = "retired"


@dataclass(frozen=True)
class BootKeys:
    """The pair in a folder.

    Attributes:
        folder: holds the certificates, and private keys.
        names: of both, the older first.
    """

    folder: Path
    names: tuple[str, str]

    @property
    def certificates(self) -> tuple[Path, Path]:
        """Their certificates: public, and all that a boot flash needs."""
        first, second = self.names
        return certificate_of(self.folder, first), certificate_of(self.folder, second)

    def signer(self, number: int | None) -> str:
        """Name of the key that shall sign: `bootN`, or without a number the older one whose private key is here.

        Raises:
            ImageError: it is retired, of no pair, or its private key is elsewhere.
        """
        here = [name for name in self.names if key_of(self.folder, name).is_file()]
        wanted = f"boot{number}" if number is not None else (here or list(self.names))[0]
        if certificate_of(self.folder / RETIRED, wanted).is_file():
            raise ImageError(f"boot key {wanted} is retired", "sign with " + " or ".join(self.names))
        if wanted not in self.names:
            raise ImageError(f"there is no boot key {wanted[4:]}", " or ".join(name[4:] for name in self.names))
        if wanted not in here:
            raise ImageError(
                f"the private key of {wanted} is not in {self.folder}", "name the folder that holds it with --boot-keys"
            )
        return wanted


def certificate_of(folder: Path, name: str) -> Path:
    """Where a key's certificate lies."""
    return folder / f"{name}.crt"


def key_of(folder: Path, name: str) -> Path:
    """Where a private key lies."""
    return folder / f"{name}.key"


def load(folder: Path) -> BootKeys:
    """The pair in a folder.

    Raises:
        ImageError: it holds no pair.
    """
    names = sorted((path.stem for path in folder.glob("boot*.crt") if _number(path.stem)), key=_number)
    if len(names) != PAIR:
        cut_short = f"retiring one was cut short: move its .key and .crt into {folder / RETIRED}"
        raise ImageError(
            f"{folder} holds {len(names)} certificates of boot keys, not {PAIR}",
            cut_short if len(names) > PAIR else "make them with camward-sim keys make",
        )
    return BootKeys(folder, (names[0], names[1]))


def make(folder: Path, passphrase: bytes | None) -> BootKeys:
    """Make a new folder with a pair.

    Raises:
        ImageError: the folder holds something, or cannot be written.
    """
    if folder.exists() and any(folder.iterdir()):
        raise ImageError(f"{folder} is not empty", "choose a new folder; nothing was changed")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(error, f"making {folder}") from error
    for number in range(1, PAIR + 1):
        make_key(key_of(folder, f"boot{number}"), certificate_of(folder, f"boot{number}"), passphrase)
    return load(folder)


def retire(folder: Path, name: str, passphrase: bytes | None) -> BootKeys:
    """Take a key out of the pair and make its successor. Its private key goes with it, where it is in this folder.

    Raises:
        ImageError: it is not of the pair, or the folder cannot be written.
    """
    before = load(folder)
    if name not in before.names:
        raise ImageError(f"{name} is not in service", "in service: " + ", ".join(before.names))
    gone = folder / RETIRED
    used = [path.stem for path in (*folder.glob("boot*.crt"), *gone.glob("boot*.crt"))]
    successor = f"boot{max(map(_number, used)) + 1}"
    make_key(key_of(folder, successor), certificate_of(folder, successor), passphrase)
    try:
        gone.mkdir(exist_ok=True)
        for path in (key_of(folder, name), certificate_of(folder, name)):
            if path.is_file():
                path.rename(gone / path.name)
    except OSError as error:
        raise storage_error(error, f"retiring {name}") from error
    return load(folder)


def make_key(key: Path, certificate: Path, passphrase: bytes | None = None) -> None:
    """Make one RSA key, and the certificate that mkimage wants beside it.

    Raises:
        ImageError: they cannot be written.
    """
    made = rsa.generate_private_key(EXPONENT, KEY_BITS)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"camward boot key {certificate.stem}")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(made.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now)
    signed = builder.not_valid_after(now + datetime.timedelta(days=VALID_DAYS)).sign(made, hashes.SHA256())
    lock = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    pem = serialization.Encoding.PEM
    write_atomic(key, made.private_bytes(pem, serialization.PrivateFormat.PKCS8, lock), mode=0o600)
    write_atomic(certificate, signed.public_bytes(pem))


def fingerprint(certificate: Path) -> str:
    """SHA-256 over the public key (SubjectPublicKeyInfo), hexadecimal: what people compare.

    Raises:
        ImageError: it is no certificate of an RSA key.
    """
    spki = public_key(certificate).public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    digest = hashes.Hash(hashes.SHA256())
    digest.update(spki)
    return digest.finalize().hex()


def public_key(certificate: Path) -> rsa.RSAPublicKey:
    """The key in a certificate.

    Raises:
        ImageError: it is no certificate of an RSA key.
    """
    try:
        key = x509.load_pem_x509_certificate(certificate.read_bytes()).public_key()
    except OSError as error:
        raise storage_error(error, f"reading {certificate.name}") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ImageError(f"{certificate} is no certificate") from error
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size != KEY_BITS:
        raise ImageError(f"{certificate} is no RSA key of {KEY_BITS} bits", "boot keys are: U-Boot verifies no other")
    return key


@contextmanager
def opened(keys: BootKeys, name: str, passphrase: bytes | None) -> Iterator[Path]:
    """A folder with the private key as mkimage reads it (not encrypted) and its certificate; removed in the end.

    The decrypted key is held in memory alone: what lies in the folder is a link to it, which ends with this process.

    Raises:
        ImageError: the passphrase is wrong or missing, or the key is no match for its certificate.
    """
    path = key_of(keys.folder, name)
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), passphrase)
    except OSError as error:
        raise storage_error(error, f"reading {path.name}") from error
    except TypeError as error:
        wrong = "needs its passphrase" if passphrase is None else "has no passphrase"
        raise ImageError(f"{path} {wrong}", "see --passphrase-file") from error
    except ValueError as error:
        raise ImageError(f"{path} does not open: wrong passphrase, or no private key") from error
    certificate = certificate_of(keys.folder, name)
    if not isinstance(key, rsa.RSAPrivateKey) or key.public_key() != public_key(certificate):
        raise ImageError(f"{path.name} and {certificate.name} do not belong together", "restore them from your copy")
    plain = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    try:
        with tempfile.TemporaryDirectory(prefix="camward-boot-") as work, _in_memory(plain) as held:
            key_of(Path(work), name).symlink_to(held)
            write_atomic(certificate_of(Path(work), name), certificate.read_bytes())
            yield Path(work)
    except OSError as error:
        raise storage_error(error, "opening a boot key") from error


@contextmanager
def _in_memory(body: bytes) -> Iterator[str]:
    """A path under which tools of this user read `body`, which is in no file system."""
    descriptor = os.memfd_create("camward-boot-key")
    with os.fdopen(descriptor, "wb") as file:
        file.write(body)
        file.flush()
        yield f"/proc/{os.getpid()}/fd/{descriptor}"


def _number(name: str) -> int:
    """N of `bootN`; 0 for another name."""
    digits = name.removeprefix("boot")
    return int(digits) if digits.isascii() and digits.isdigit() and f"boot{int(digits)}" == name else 0
