"""Signers by URI: key files, PKCS#11 tokens, cloud key services. All of them sign with ECDSA P-256, or are refused.

`file:PATH`            a plain key file that only its owner reads; for online roles
`encrypted-file:PATH`  a key file that needs a passphrase
`pkcs11:...`           a key on a token (`tokens`)
`awskms:KEY`, `gcpkms:NAME`, `azurekms://VAULT.vault.azure.net/keys/NAME/VERSION`
                       a key in a cloud's key service, with the credentials that its own library finds
"""

import importlib
import logging
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import urlparse

from cryptography.hazmat.primitives.asymmetric import ec
from securesystemslib.exceptions import UnsupportedAlgorithmError, UnsupportedLibraryError
from securesystemslib.signer import (
    AWSSigner,
    AzureSigner,
    CryptoSigner,
    GCPSigner,
    Key,
    SecretsHandler,
    Signature,
    Signer,
    SSlibKey,
)

from update_server.errors import BadInput, Misconfigured, SigningFailed
from update_server.keyfiles import new_key, parse_public, read_key, read_public, write_key
from update_server.repository import metadata, tokens

PLAIN, ENCRYPTED = "file", "encrypted-file"
KEY_TYPE, KEY_SCHEME = "ecdsa", "ecdsa-sha2-nistp256"
NAME = "x-camward-name"  # what people call a key; in the root beside the key, no part of its id
MAX_NAME_CHARS = 64

logging.getLogger("securesystemslib").setLevel(logging.CRITICAL)  # what it prints it also raises, and we say it once
_ONE_AT_A_TIME = threading.Lock()  # a token knows one login for the whole process


@dataclass(frozen=True)
class _Service:
    """A cloud's key service: our extra that brings its library, its signer, and what its library raises."""

    extra: str
    import_: Callable[[str], tuple[str, SSlibKey]]
    signer: type[Signer]
    failures: tuple[str, ...]


def _import_azure(uri: str) -> tuple[str, SSlibKey]:
    address = urlparse(uri)
    parts = address.path.strip("/").split("/")
    if len(parts) < 2 or parts[0] != "keys":
        raise Misconfigured(
            f"The key {uri!r} is malformed.", "Write azurekms://VAULT.vault.azure.net/keys/NAME/VERSION."
        )
    found: tuple[str, SSlibKey] = AzureSigner.import_(address.netloc.partition(".")[0], parts[1])
    return found


SERVICES = {
    "awskms": _Service(
        "kms-aws",
        lambda uri: AWSSigner.import_(uri.partition(":")[2]),
        AWSSigner,
        ("botocore.exceptions:BotoCoreError", "botocore.exceptions:ClientError"),
    ),
    "gcpkms": _Service(
        "kms-gcp",
        lambda uri: GCPSigner.import_(uri.partition(":")[2]),
        GCPSigner,
        ("google.api_core.exceptions:GoogleAPIError", "google.auth.exceptions:GoogleAuthError"),
    ),
    "azurekms": _Service("kms-azure", _import_azure, AzureSigner, ("azure.core.exceptions:AzureError",)),
}
SCHEMES = (PLAIN, ENCRYPTED, tokens.SCHEME, *SERVICES)


class CheckedSigner(Signer):
    """A signer whose every signature is verified before anybody sees it, and which one thread uses at a time."""

    def __init__(self, where: str, inner: Signer, failures: tuple[type[Exception], ...]) -> None:
        """Wrap `inner`; `where` names it in errors, `failures` are what its library raises.

        Raises:
            Misconfigured: its key is not ECDSA P-256.
        """
        self._where = where
        self._inner = inner
        self._failures = failures
        self._public = normal(inner.public_key, where)

    @property
    def public_key(self) -> SSlibKey:
        """The public key, in the one form that every part of Camward gives it."""
        return self._public

    def sign(self, payload: bytes) -> Signature:
        """Sign.

        Raises:
            SigningFailed: the key is out of reach, or is not the one it should be.
            BadInput: its PIN is not known.
        """
        with _ONE_AT_A_TIME:
            try:
                made = self._inner.sign(payload)
            except self._failures as error:
                raise SigningFailed(f"{self._where} does not sign: {_say(error)}.") from None
        signature = Signature(self._public.keyid, made.signature)
        try:
            self._public.verify_signature(signature, payload)
        except metadata.NOT_VERIFIED:
            raise SigningFailed(f"{self._where} signs with another key than expected.", "Correct its URI.") from None
        return signature

    @classmethod
    def from_priv_key_uri(
        cls, priv_key_uri: str, public_key: Key, secrets_handler: SecretsHandler | None = None
    ) -> Self:
        """Not used: `load` knows how; here only because every signer of securesystemslib has it.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError


def load(
    uri: str, passphrase: bytes | None = None, *, public: SSlibKey | None = None, ask: tokens.Ask | None = None
) -> CheckedSigner:
    """The signer that `uri` names.

    Args:
        uri: see the module's head.
        passphrase: of an encrypted key file.
        public: the key expected there; tokens and services are then not asked for it.
        ask: asks a person for a secret; without it, what is neither in a file nor in the environment is missing.

    Raises:
        Misconfigured: the scheme is unknown, its library missing, or the key is no P-256 key or another one.
        BadInput: a passphrase or PIN is wrong or missing.
        SigningFailed: the token or service is out of reach.
    """
    scheme, _, rest = uri.partition(":")
    if scheme not in SCHEMES:
        raise Misconfigured(f"The signer {uri!r} has an unknown scheme.", "Use " + ", ".join(SCHEMES) + ".")
    failures = _failures(scheme)
    try:
        if scheme == PLAIN:
            inner: Signer = CryptoSigner(read_key(Path(rest)))
        elif scheme == ENCRYPTED:
            if passphrase is None and ask is not None:
                passphrase = ask(f"passphrase of {rest}").encode()
            inner = CryptoSigner(read_key(Path(rest), passphrase))
        elif scheme == tokens.SCHEME:
            inner = tokens.open_key(tokens.parse(uri), public, ask)
        else:
            service = SERVICES[scheme]
            inner = service.signer.from_priv_key_uri(uri, public or service.import_(uri)[1])
    except UnsupportedLibraryError:
        raise Misconfigured(
            f"{scheme} keys need a library that is not installed.", f"pip install 'camward[{SERVICES[scheme].extra}]'."
        ) from None
    except UnsupportedAlgorithmError:
        raise Misconfigured(f"{uri} is no P-256 key.", "Only ECDSA P-256 keys are used.") from None
    except failures as error:
        raise SigningFailed(f"{uri} cannot be used: {_say(error)}.") from None
    signer = CheckedSigner(uri, inner, failures)
    if public is not None and signer.public_key.keyid != public.keyid:
        raise Misconfigured(f"{uri} holds another key than expected.", "Restore it from your backup.")
    return signer


def normal(key: Key, where: str, name: str = "") -> SSlibKey:
    """`key` in the form in which roots carry it (so one key has one id), with `name` for people.

    Raises:
        Misconfigured: it is not ECDSA P-256.
    """
    if (key.keytype, key.scheme) != (KEY_TYPE, KEY_SCHEME):
        raise Misconfigured(f"{where} is a key for {key.scheme}.", "Only ECDSA P-256 keys are used.")
    point = parse_public(str(key.keyval["public"]).encode(), where)
    return public_key(point, name or str(key.unrecognized_fields.get(NAME, "")))


def public_key(key: ec.EllipticCurvePublicKey, name: str = "") -> SSlibKey:
    """The public part of a role's key as metadata carries it."""
    made = SSlibKey.from_crypto(key, scheme=KEY_SCHEME)
    harmless = "".join(c for c in name if c.isprintable())[:MAX_NAME_CHARS]
    if harmless:
        made.unrecognized_fields[NAME] = harmless
    return made


def public_key_with_name(key: Key, name: str) -> SSlibKey:
    """The same key under another name."""
    return normal(key, name, name)


def read_public_key(path: Path) -> SSlibKey:
    """The key in a public key file; it is named after the file.

    Raises:
        BadInput: it cannot be read, or is no P-256 key.
    """
    return public_key(read_public(path), path.stem)


def name_of(key: Key) -> str:
    """What people call the key; empty if it has no name."""
    return str(key.unrecognized_fields.get(NAME, ""))


def make(path: Path, passphrase: bytes | None = None) -> CheckedSigner:
    """Make a new P-256 key file and return its signer.

    Raises:
        OSError: it cannot be written.
    """
    key = new_key()
    write_key(path, key, passphrase)
    return CheckedSigner(str(path), CryptoSigner(key, public_key(key.public_key(), path.stem)), ())


def load_folder(folder: Path, prefix: str, passphrase: bytes, count: int) -> list[Signer]:
    """The first `count` offline signers `prefix-N.pem` in `folder`.

    Raises:
        Misconfigured: fewer are there than are needed.
        BadInput: the passphrase is wrong.
    """
    files = sorted(folder.glob(f"{prefix}-*.pem"))[:count]
    if len(files) < count:
        raise _too_few(folder, len(files), count, f" ({prefix}-*.pem)")
    return [load(f"{ENCRYPTED}:{file}", passphrase) for file in files]


def load_matching(folder: Path, keyids: Collection[str], passphrase: bytes, count: int) -> list[Signer]:
    """`count` offline signers from the key files `*.pem` in `folder` whose key ids are among `keyids`.

    Raises:
        Misconfigured: fewer are there than are needed.
        BadInput: the passphrase is wrong.
    """
    found = load_all(folder, keyids, passphrase)
    if len(found) < count:
        raise _too_few(folder, len(found), count)
    return found[:count]


def load_all(folder: Path, keyids: Collection[str], passphrase: bytes) -> list[Signer]:
    """Every signer from the encrypted key files `*.pem` in `folder` whose key id is among `keyids`.

    Files that the passphrase does not open are somebody else's.

    Raises:
        BadInput: it opens none.
    """
    found: list[Signer] = []
    opened, wrong = 0, None
    for file in sorted(folder.glob("*.pem")):
        try:
            signer = load(f"{ENCRYPTED}:{file}", passphrase)
        except BadInput as error:
            wrong = error
            continue
        opened += 1
        if signer.public_key.keyid in keyids:
            found.append(signer)
    if wrong is not None and not opened:
        raise wrong
    return found


def _too_few(folder: Path, have: int, need: int, which: str = "") -> Misconfigured:
    return Misconfigured(
        f"{folder} holds {have} of the {need} offline keys needed{which}.",
        "Name the folder of your offline keys with --offline-keys.",
    )


def _failures(scheme: str) -> tuple[type[Exception], ...]:
    """What the library behind a scheme raises, as far as it is installed."""
    names = SERVICES[scheme].failures if scheme in SERVICES else ()
    if scheme == tokens.SCHEME:
        names = ("pkcs11.exceptions:PKCS11Error", "builtins:ValueError")  # securesystemslib's own for "no such key"
    found = []
    for name in names:
        module, _, attribute = name.partition(":")
        try:
            found.append(getattr(importlib.import_module(module), attribute))
        except ImportError:
            continue
    return tuple(found)


def _say(error: Exception) -> str:
    """What went wrong in one line; the libraries' own errors often have nothing but their names."""
    name = "" if type(error) is ValueError else type(error).__name__
    return " ".join(f"{name} {error}".split())[:200].rstrip(".")
