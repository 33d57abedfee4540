"""What the camera application is told at start: /etc/camward/camera.json in the verified root.

Parsed whole or refused.
"""

import json
from pathlib import Path
from typing import Literal, NamedTuple

MAX_CONFIG_BYTES = 16_384
"""Thirty times a real file."""

MIN_PORT = 0
"""0 asks the system for a free port: host tests use it, and the ready line names what was given."""

MAX_PORT = 65_535


class ConfigError(Exception):
    """The configuration file cannot be used; the message says what to change."""


class RunAs(NamedTuple):
    """The account the application becomes after it has bound its ports."""

    uid: int
    gid: int


class CameraConfig(NamedTuple):
    """The whole configuration.

    Attributes:
        mode: `gated` asks the agent; `ungated` is the control variant with a factory password.
        model: model name shown to people.
        hardware: hardware revision.
        version: firmware version shown by /health.
        address: local address of every listener.
        https_port: web and ONVIF.
        rtsps_port: RTSP over TLS.
        rtsp_port: RTSP in the clear, or None for no such listener; a gated camera opens it while the agent says so.
        discovery_port: WS-Discovery (UDP; 3702), or None for none.
        login_dir: folder of the agent's login sockets.
        evidence_dir: the only folder an evidence path, or an announcement's, may point into.
        upload_dir: the only folder an upload's path may point into.
        certificate: PEM file of the TLS certificate; waited for at start.
        key: PEM file of its private key.
        run_as: account to drop to, or None to stay (host tests only).
        hosts: DNS names by which people may call the camera, beside its addresses.
        frames_per_second: of the stream, 1..10.
        link: the agent's socket for the river gauge, or None for no gauge.
        fault: `crash` makes a broken release for the demo; None otherwise.
    """

    mode: Literal["gated", "ungated"]
    model: str
    hardware: str
    version: str
    address: str
    https_port: int
    rtsps_port: int
    rtsp_port: int | None
    discovery_port: int | None
    login_dir: Path
    evidence_dir: Path
    upload_dir: Path
    certificate: Path
    key: Path
    run_as: RunAs | None
    hosts: tuple[str, ...]
    frames_per_second: int
    link: Path | None
    fault: Literal["crash"] | None


def load_config(path: Path) -> CameraConfig:
    """Read and check a configuration file.

    Raises:
        ConfigError: it cannot be read, is too long, is not JSON, or a value is missing, unknown or out of range.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_CONFIG_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    return parse_config(data)


def parse_config(data: bytes) -> CameraConfig:
    """Check the bytes of a configuration file.

    Raises:
        ConfigError: too long, not JSON, or a value is missing, unknown or out of range.
    """
    if len(data) > MAX_CONFIG_BYTES:
        raise ConfigError(f"the configuration is longer than {MAX_CONFIG_BYTES} bytes")
    try:
        value = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"the configuration is not JSON: {error}") from error
    fields = _Fields(value, "")
    listeners = _Fields(fields.take("listeners"), "listeners.")
    config = CameraConfig(
        mode=_one_of(fields, "mode", "gated", "ungated"),
        model=fields.text("model"),
        hardware=fields.text("hardware"),
        version=fields.text("version"),
        address=fields.text("address", "0.0.0.0"),
        https_port=listeners.number("https", MIN_PORT, MAX_PORT),
        rtsps_port=listeners.number("rtsps", MIN_PORT, MAX_PORT),
        rtsp_port=listeners.optional_number("rtsp", MIN_PORT, MAX_PORT),
        discovery_port=listeners.optional_number("discovery", MIN_PORT, MAX_PORT),
        login_dir=Path(fields.text("login_dir", "/run/camward/login")),
        evidence_dir=Path(fields.text("evidence_dir", "/run/camward")),
        upload_dir=Path(fields.text("upload_dir", "/data/camward/bundle")),
        certificate=Path(fields.text("certificate", "/data/camward/web/cert.pem")),
        key=Path(fields.text("key", "/data/camward/web/key.pem")),
        run_as=_run_as(fields),
        hosts=_hosts(fields),
        frames_per_second=fields.number("frames_per_second", 1, 10, 3),
        link=_link(fields),
        fault=_fault(fields),
    )
    fields.nothing_left()
    listeners.nothing_left()
    if config.discovery_port is not None and ":" in config.address:
        raise ConfigError("listeners.discovery needs an IPv4 address")
    return config


class _Fields:
    """A JSON object whose members are taken one by one, so that a misspelt one is noticed."""

    def __init__(self, value: object, prefix: str) -> None:
        if not isinstance(value, dict):
            raise ConfigError(f"{prefix.rstrip('.') or 'the configuration'} must be an object")
        self._left: dict[str, object] = dict(value)
        self._prefix = prefix

    def take(self, name: str, default: object = None) -> object:
        return self._left.pop(name, default)

    def text(self, name: str, default: str | None = None) -> str:
        value = self.take(name, default)
        if not isinstance(value, str) or not value or len(value) > 255:
            raise ConfigError(f"{self._prefix}{name} must be a text of 1 to 255 characters")
        return value

    def number(self, name: str, low: int, high: int, default: int | None = None) -> int:
        value = self.take(name, default)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise ConfigError(f"{self._prefix}{name} must be a whole number within {low}..{high}")
        return value

    def optional_number(self, name: str, low: int, high: int) -> int | None:
        if self._left.get(name) is None:
            self.take(name)
            return None
        return self.number(name, low, high)

    def nothing_left(self) -> None:
        if self._left:
            raise ConfigError(f"unknown setting {self._prefix}{min(self._left)}")


def _one_of(
    fields: _Fields, name: str, first: Literal["gated"], second: Literal["ungated"]
) -> Literal["gated", "ungated"]:
    value = fields.take(name)
    if value == first:
        return first
    if value == second:
        return second
    raise ConfigError(f"{name} must be {first} or {second}")


def _run_as(fields: _Fields) -> RunAs | None:
    """Null must be written out: leaving the account away is not how a camera comes to run as root."""
    value = fields.take("run_as", "missing")
    if value is None:
        return None
    account = _Fields(value, "run_as.")
    result = RunAs(uid=account.number("uid", 1, 65_533), gid=account.number("gid", 1, 65_533))
    account.nothing_left()
    return result


def _hosts(fields: _Fields) -> tuple[str, ...]:
    value = fields.take("hosts", [])
    if not isinstance(value, list) or len(value) > 16 or not all(isinstance(name, str) for name in value):
        raise ConfigError("hosts must be a list of at most 16 names")
    return tuple(name.lower() for name in value)


def _link(fields: _Fields) -> Path | None:
    value = fields.take("link")
    if value is None:
        return None
    if not isinstance(value, str) or not value.startswith("/"):
        raise ConfigError("link must be an absolute path")
    return Path(value)


def _fault(fields: _Fields) -> Literal["crash"] | None:
    value = fields.take("fault")
    if value is None:
        return None
    if value == "crash":
        return "crash"
    raise ConfigError("fault must be crash or null")
