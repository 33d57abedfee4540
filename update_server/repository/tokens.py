"""PKCS#11 tokens: smart cards, HSMs, SoftHSM2. A key is named by a URI as RFC 7512 has it.

`pkcs11:token=LABEL;id=%01?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=/etc/camward/pin`

The PIN is never part of the URI (`pin-value` is refused): it comes from the file `pin-source`, the environment variable
CAMWARD_PIN, or the person at the terminal. There is no default PIN.
"""

import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import unquote_to_bytes

from securesystemslib.signer import HSMSigner, SSlibKey

from update_server.errors import BadInput, Misconfigured, SigningFailed

SCHEME = "pkcs11"
PIN_VARIABLE = "CAMWARD_PIN"
MODULE_VARIABLE = "PYKCS11LIB"  # where securesystemslib looks for the module's path
P256_OID = "1.2.840.10045.3.1.7"
MAX_ID = 2**64 - 1  # of our choice; tokens take long ids, people do not
_PATH, _QUERY = {"token", "id", "object"}, {"module-path", "pin-source"}

Ask = Callable[[str], str]


@dataclass(frozen=True)
class TokenKey:
    """A key on a token: the token's label, the key's id (its bytes as a number), and where module and PIN are."""

    token: str
    id: int
    label: str
    module: str
    pin_source: str

    def pin(self, ask: Ask | None) -> str:
        """The PIN, from its file, the environment, or a person.

        Raises:
            BadInput: there is none.
        """
        if self.pin_source:
            try:
                found = Path(self.pin_source).read_text(encoding="utf-8").strip()
            except OSError as error:
                raise BadInput(f"The PIN in {self.pin_source} cannot be read: {error.strerror}.") from None
        else:
            found = os.environ.get(PIN_VARIABLE, "") or (ask(f"PIN of the token {self.token}") if ask else "")
        if not found:
            raise BadInput(
                f"The token {self.token} needs its PIN.", f"Add pin-source=FILE to the URI, or set {PIN_VARIABLE}."
            )
        return found


def parse(uri: str) -> TokenKey:
    """Read a `pkcs11:` URI.

    Raises:
        Misconfigured: it is malformed, or names too little.
    """
    path, _, query = uri.removeprefix(SCHEME + ":").partition("?")
    found: dict[str, bytes] = {}
    for text, separator, known in ((path, ";", _PATH), (query, "&", _QUERY)):
        for part in filter(None, text.split(separator)):
            name, equals, value = part.partition("=")
            if name == "pin-value":
                raise _wrong("a PIN has no place in it", "Write the PIN into a file, and name that with pin-source.")
            if name not in known or not equals or name in found:
                raise _wrong(f"{name!r} is unknown, repeats, or has no value")
            found[name] = unquote_to_bytes(value)
    number = found.get("id", b"")
    if not number or number[0] == 0 or int.from_bytes(number, "big") > MAX_ID:
        raise _wrong("id must be 1 to 8 bytes, the first of which is not %00")
    try:
        texts = {name: found.get(name, b"").decode("utf-8") for name in (_PATH | _QUERY) - {"id"}}
    except UnicodeDecodeError:
        raise _wrong("it is not UTF-8") from None
    module = texts["module-path"] or os.environ.get(MODULE_VARIABLE, "")
    if not texts["token"] or not module:
        raise _wrong("token and module-path are needed")
    pin_source = texts["pin-source"].removeprefix("file://").removeprefix("file:")
    return TokenKey(texts["token"], int.from_bytes(number, "big"), texts["object"], module, pin_source)


def _wrong(why: str, remedy: str = "") -> Misconfigured:
    example = "Write pkcs11:token=LABEL;id=%01?module-path=FILE.so&pin-source=FILE."
    return Misconfigured(f"The key's pkcs11 URI is wrong: {why}.", remedy or example)


def open_key(key: TokenKey, public: SSlibKey | None, ask: Ask | None) -> HSMSigner:
    """The signer for a key on a token; `public` saves reading it from there.

    Raises:
        Misconfigured: python-pkcs11 is missing, or another module is in use.
        SigningFailed: the token or the key is not there.
        BadInput: no PIN is known.
    """
    use_module(key)
    if public is None:
        public = HSMSigner.import_(key.id, key.token, lambda _: key.pin(ask))[1]
    return HSMSigner(key.id, public, lambda _: key.pin(ask), key.token)


def use_module(key: TokenKey) -> ModuleType:
    """Make `key`'s PKCS#11 module the process's, and return python-pkcs11. There can be only one at a time.

    Raises:
        Misconfigured: python-pkcs11 is missing, the module is no file, or another one is in use.
    """
    try:
        pkcs11 = importlib.import_module("pkcs11")
    except ImportError:
        raise Misconfigured(
            "Keys on PKCS#11 tokens need python-pkcs11.", "Install it: pip install 'camward[pkcs11]'."
        ) from None
    if not Path(key.module).is_file():
        raise Misconfigured(f"There is no PKCS#11 module {key.module}.", "Correct module-path.")
    if os.environ.setdefault(MODULE_VARIABLE, key.module) != key.module:
        raise Misconfigured(
            f"Two PKCS#11 modules at once: {os.environ[MODULE_VARIABLE]} and {key.module}.",
            "Keep all keys of one process on tokens of one module.",
        )
    return pkcs11


def generate(key: TokenKey, ask: Ask | None) -> None:
    """Make a new P-256 key on the token, with the id (and label) of the URI. It never leaves the token.

    Raises:
        BadInput: there is a key with that id already, or no PIN is known.
        Misconfigured: python-pkcs11 is missing.
        SigningFailed: the token refuses.
    """
    pkcs11: Any = use_module(key)
    ec = importlib.import_module("pkcs11.util.ec")
    identity = key.id.to_bytes((key.id.bit_length() + 7) // 8, "big")
    try:
        token = pkcs11.lib(key.module).get_token(token_label=key.token)
        with token.open(user_pin=key.pin(ask), rw=True) as session:
            if any(True for _ in session.get_objects({pkcs11.Attribute.ID: identity})):
                raise BadInput(f"The token {key.token} has something with that id already.", "Choose another id.")
            curve = {pkcs11.Attribute.EC_PARAMS: ec.encode_named_curve_parameters(P256_OID)}
            parameters = session.create_domain_parameters(pkcs11.KeyType.EC, curve, local=True)
            parameters.generate_keypair(id=identity, label=key.label or f"camward-{key.id}", store=True)
    except pkcs11.PKCS11Error as error:
        raise SigningFailed(f"The token {key.token} made no key: {type(error).__name__} {error}.".rstrip()) from None
