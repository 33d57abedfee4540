"""The control: a camera as they were sold for years, with a factory password and no guard.

It is never part of a product image. It exists so that every credential attack can be shown to work where Camward is
absent. It answers the login protocol's operations from a table in this process: no lockout, no policy, no claim. The
product's recipe leaves this file out, and nothing that the gated camera runs imports it.
"""

import hashlib
import os
import secrets
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

from firmware_sim.camera.config import CameraConfig, ConfigError
from firmware_sim.camera.login import Reply, Service

REALM = "camward"

UNSAFE_FACTORY_USER = "admin"
UNSAFE_FACTORY_PASSWORD = "admin"  # noqa: S105  the very flaw this variant demonstrates

SERIAL = "UNGATED-000001"

_FOR_EVER = "for-ever"
"""Every login's generation: a change of the password ends nothing."""

_HASHES = {"MD5": "md5", "SHA-256": "sha256"}


class UnsafeFactoryLogin:
    """`Login` from a table that starts with admin/admin. Threads may share it."""

    def __init__(self, model: str, hardware: str, version: str) -> None:
        self._facts = {"model": model, "hardware": hardware, "version": version, "serial": SERIAL}
        self._lock = threading.Lock()
        self._users = {UNSAFE_FACTORY_USER: ("administrator", UNSAFE_FACTORY_PASSWORD)}
        self._grant = secrets.token_urlsafe(16)

    def ask(self, service: Service, op: str, source: str, **fields: object) -> Reply:
        """See `Login.ask`.

        Raises:
            Nothing: this table always answers.
        """
        texts = {name: value for name, value in fields.items() if isinstance(value, str)}
        with self._lock:
            if op == "state":
                return _ok(state="claimed", claimable=False, realm=REALM, generations=[_FOR_EVER], **self._facts)
            if op == "nonce":
                return _ok(nonce=secrets.token_hex(16), realm=REALM, opaque="")
            if op == "policy":
                return _ok(violations=[])
            if op == "login":
                return self._login(texts.get("user", ""), texts.get("password", ""))
            if op == "digest":
                return self._digest(texts)
            if op == "change_password":
                return self._change(texts.get("user", ""), texts.get("old", ""), texts.get("new", ""))
            if texts.get("grant") != self._grant:
                return Reply(ok=False, code="denied")
            return self._privileged(op, texts)

    def _login(self, user: str, password: str) -> Reply:
        known = self._users.get(user)
        if known is None or known[1] != password:
            return Reply(ok=False, code="denied")
        return _ok(role=known[0], grant=self._grant, generation=_FOR_EVER, settled=True)

    def _digest(self, texts: dict[str, str]) -> Reply:
        known = self._users.get(texts.get("user", ""))
        algorithm = _HASHES.get(texts.get("algorithm", ""))
        if known is None or algorithm is None:
            return Reply(ok=False, code="denied")

        def digest(text: str) -> str:
            return hashlib.new(algorithm, text.encode(), usedforsecurity=False).hexdigest()

        secret = digest(f"{texts['user']}:{texts.get('realm', '')}:{known[1]}")
        method = digest(f"{texts.get('method', '')}:{texts.get('uri', '')}")
        middle = [texts.get("nonce", "")]
        if "qop" in texts:
            middle += [texts.get("nc", ""), texts.get("cnonce", ""), texts["qop"]]
        if texts.get("response") != digest(":".join((secret, *middle, method))):
            return Reply(ok=False, code="denied")
        return _ok(role=known[0], grant=self._grant, generation=_FOR_EVER, settled=True)

    def _change(self, user: str, old: str, new: str) -> Reply:
        known = self._users.get(user)
        if known is None or known[1] != old:
            return Reply(ok=False, code="denied")
        self._users[user] = (known[0], new)
        return _ok()

    def _privileged(self, op: str, texts: dict[str, str]) -> Reply:
        if op == "users":
            return _ok(users=[{"name": name, "role": role} for name, (role, _) in self._users.items()])
        if op == "set_user" and texts.get("user"):
            old = self._users.get(texts["user"], ("viewer", ""))
            self._users[texts["user"]] = (texts.get("role", old[0]), texts.get("password", old[1]))
            return _ok()
        if op == "device":
            return _ok(server="", **self._facts)
        return Reply(ok=False, code="bad_request")


def _ok(**fields: object) -> Reply:
    return Reply(ok=True, code="", fields=fields)


def make_certificate(config: CameraConfig) -> None:
    """Write a self-signed certificate and its key where the configuration names them, unless they are there.

    Runs before the privileges are dropped. Not durable by itself: it is made again at the next start if it is lost.

    Raises:
        ConfigError: the files cannot be written.
    """
    if config.certificate.exists() and config.key.exists():
        return
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, SERIAL)])
    start = datetime(2020, 1, 1, tzinfo=UTC)  # no camera's clock is earlier, and this one has no other source of time
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=365 * 30))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    try:
        config.certificate.parent.mkdir(parents=True, exist_ok=True)
        _write(config, config.key, secret, 0o640)
        _write(config, config.certificate, certificate.public_bytes(pem), 0o644)
    except OSError as error:
        raise ConfigError(f"cannot write the certificate: {error}") from error


def _write(config: CameraConfig, path: Path, data: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        if config.run_as is not None:
            os.fchown(descriptor, 0, config.run_as.gid)
