"""The server's settings: `DIR/server.toml`, over which `CAMWARD_*` environment variables win.

Paths in the file are relative to its folder. Nested names take two underscores in the environment, for example
`CAMWARD_PORTS__DEVICE=9443`.
"""

import ipaddress
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import parse_qs, urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from agent.formats import delivery, token
from agent.formats.errors import FormatError
from update_server.errors import Misconfigured

SETTINGS_FILE = "server.toml"
SQLITE = "sqlite:///server.db"
DATABASES = ("sqlite", "postgresql")
DAY_S = 86_400
MAX_INGEST = 16  # processes; one takes some thousand messages a second
MAX_SILENT_S = 365 * DAY_S  # a camera that is silent for a year is gone
HOST_NAME = re.compile(
    r"(?=.{1,253}\Z)[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*\Z"
)


def valid_host(host: str) -> str:
    """Return `host` if it is an IP address or a DNS name.

    Raises:
        ValueError: it is neither.
    """
    try:
        ipaddress.ip_address(host)
    except ValueError:
        if not HOST_NAME.match(host):
            raise ValueError(f"{host!r} is neither an IP address nor a host name") from None
    return host


def valid_domain(domain: str) -> str:
    """Return `domain` in lower case if cameras can have names in it.

    Raises:
        ValueError: it is no DNS name.
    """
    if not HOST_NAME.match(domain) or domain.replace(".", "").isdigit() or len(max(domain.split("."), key=len)) > 63:
        raise ValueError(f"{domain!r} is no domain")
    return domain.lower()


def valid_est_url(url: str) -> str:
    """Return `url` if it is empty, or the address of an EST server as cameras take it.

    Raises:
        ValueError: it is something else.
    """
    try:
        return token.est_url({"url": url}, "url") if url else ""
    except FormatError as error:
        raise ValueError(error.detail) from None


def authority(host: str, port: int) -> str:
    """`host:port` as a URL wants it (IPv6 in brackets)."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def valid_mirror(url: str) -> str:
    """Return `url` if it is `https://HOST[:PORT]`, without what a camera would have to guess about.

    Raises:
        ValueError: it is something else.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError(f"{url!r} is no URL") from None
    if parts.scheme != "https" or parts.hostname is None or url.rstrip("/") != _origin(parts.hostname, port):
        raise ValueError(f"{url!r} is not https://HOST[:PORT]")
    valid_host(parts.hostname)
    return url.rstrip("/")


def _origin(host: str, port: int | None) -> str:
    return "https://" + (authority(host, port) if port is not None else f"[{host}]" if ":" in host else host)


def valid_database(url: str) -> str:
    """Return `url` if it is the address of an SQLite or PostgreSQL database, without a password.

    Raises:
        ValueError: it is something else.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError("it is no URL") from None
    if parts.scheme not in DATABASES:
        raise ValueError("it is neither sqlite:///FILE nor postgresql://...")
    if parts.password is not None or "password" in parse_qs(parts.query):
        raise ValueError("it holds a password, which belongs into a file that PGPASSFILE names")
    return url


Host = Annotated[str, AfterValidator(valid_host)]
Mirror = Annotated[str, Field(max_length=delivery.MAX_URL_CHARS), AfterValidator(valid_mirror)]
DatabaseUrl = Annotated[str, AfterValidator(valid_database)]
Port = Annotated[int, Field(ge=1, le=65535)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Ports(_Section):
    """TCP ports of the three listeners (docs: contracts)."""

    device: Port = 8443
    people: Port = 8444
    mqtt: Port = 8883


class Paths(_Section):
    """Where things lie, relative to the settings file."""

    blobs: str = "targets"
    confidential: str = "confidential"
    tuf: str = "tuf"
    keys: str = "keys"
    pki: str = "pki"
    broker: str = "broker"
    ownership: str = "ownership"


class Devices(_Section):
    """What a camera is told at enrolment, and how long its certificate lives."""

    line: Literal["mobile", "wired"] = "mobile"
    check_interval_s: Annotated[int, Field(ge=5, le=DAY_S)] = 86_400
    telemetry_interval_s: Annotated[int, Field(ge=5, le=DAY_S)] = 600
    certificate_days: Annotated[int, Field(ge=1, le=825)] = 90
    camera_domain: Annotated[str, Field(max_length=200), AfterValidator(valid_domain)] = "camward.internal"
    est_url: Annotated[str, AfterValidator(valid_est_url)] = ""
    token_valid_s: Annotated[int, Field(ge=60, le=30 * DAY_S)] = 3600


class Tuf(_Section):
    """Lifetimes of online-signed metadata, and how old it may get before it is signed again."""

    timestamp_valid_s: Annotated[int, Field(ge=600)] = 7 * DAY_S
    snapshot_valid_s: Annotated[int, Field(ge=600)] = 30 * DAY_S
    director_timestamp_age_s: Annotated[int, Field(ge=5)] = 3600


class Deltas(_Section):
    """What is prepared so that cameras fetch less (docs/operator.md)."""

    from_versions: Annotated[int, Field(ge=0, le=64)] = 8
    wait_s: Annotated[int, Field(ge=0, le=7 * DAY_S)] = 3600


class Rollouts(_Section):
    """Defaults of a new rollout."""

    silent_after_s: Annotated[int, Field(ge=60, le=MAX_SILENT_S)] = 2 * DAY_S
    tick_s: Annotated[float, Field(ge=0.05, le=60)] = 2.0


class Settings(BaseSettings):
    """All settings, validated; `folder` is where the file lies."""

    model_config = SettingsConfigDict(
        env_prefix="CAMWARD_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        nested_model_default_partial_update=True,
    )

    operator: Annotated[str, Field(min_length=1, max_length=128)]
    hosts: Annotated[tuple[Host, ...], Field(min_length=1)]
    listen: str = "0.0.0.0"
    ingest_host: Host = "127.0.0.1"
    ingest_processes: Annotated[int, Field(ge=0, le=MAX_INGEST)] = 0
    database: DatabaseUrl = SQLITE
    mirrors: Annotated[tuple[Mirror, ...], Field(max_length=delivery.MAX_SOURCES)] = ()
    ports: Ports = Ports()
    paths: Paths = Paths()
    devices: Devices = Devices()
    tuf: Tuf = Tuf()
    deltas: Deltas = Deltas()
    rollouts: Rollouts = Rollouts()
    folder: Path = Path()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment win over the file (whose values come in as arguments)."""
        return env_settings, init_settings

    @model_validator(mode="after")
    def _no_host_among_cameras(self) -> Self:
        """Cameras get certificates for names in their domain: none of them may be that of a server.

        Raises:
            ValueError: one is.
        """
        for host in (*self.hosts, self.ingest_host, *(urlsplit(mirror).hostname or "" for mirror in self.mirrors)):
            if host.lower().endswith("." + self.devices.camera_domain):
                raise ValueError(f"{host} lies in the cameras' domain, {self.devices.camera_domain}")
        return self

    @property
    def device_url(self) -> str:
        """Where cameras find the server: the first host."""
        return "https://" + authority(self.hosts[0], self.ports.device)

    @property
    def database_url(self) -> str:
        """The database address with a relative SQLite path made absolute."""
        prefix = "sqlite:///"
        if self.database.startswith(prefix) and not self.database.startswith(prefix + "/"):
            return prefix + str(self.folder.resolve() / self.database.removeprefix(prefix))
        return self.database

    def path(self, name: str) -> Path:
        """The folder called `name` in [paths]."""
        return self.folder / str(getattr(self.paths, name))


def load(folder: Path) -> Settings:
    """Read and validate `folder/server.toml`.

    Raises:
        Misconfigured: there is none, or it is malformed; the first problem is named.
    """
    file = folder / SETTINGS_FILE
    try:
        values: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Misconfigured(
            f"{file} does not exist.", "Make a server with 'camward-server init DIR', or name its folder with --dir."
        ) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Misconfigured(f"{file} cannot be read: {error}.", "Correct the file.") from None
    values.pop("folder", None)
    return validated(str(file), folder=folder.resolve(), **values)


def validated(where: str = "settings", **values: Any) -> Settings:
    """Settings from plain values (and the environment); `where` names their source in an error.

    Raises:
        Misconfigured: a value is missing, unknown or out of range; the first problem is named.
    """
    try:
        return Settings(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise Misconfigured(f"{where}: {name}: {first['msg']}.", "Correct it (or its CAMWARD_ variable).") from None


def as_toml(settings: Settings) -> str:
    """The text of a settings file for `settings`, with every value spelled out."""
    values = settings.model_dump(mode="json", exclude={"folder"})
    flat = [f"{name} = {_toml(value)}" for name, value in values.items() if not isinstance(value, dict)]
    for section, entries in values.items():
        if isinstance(entries, dict):
            flat += ["", f"[{section}]"] + [f"{name} = {_toml(value)}" for name, value in entries.items()]
    return "\n".join(flat) + "\n"


def with_database(text: str, url: str) -> str:
    """The text of a settings file with another `database`, and all else, comments too, as it was.

    Raises:
        Misconfigured: where it stands in the file is beyond us.
    """
    lines, wanted = text.splitlines(keepends=True), f"database = {_toml(url)}\n"
    head = next((number for number, line in enumerate(lines) if line.startswith("[")), len(lines))
    found = [number for number in range(head) if re.match(r"database\s*=", lines[number])]
    changed = "".join(wanted if number in found else line for number, line in enumerate(lines))
    changed = changed if found else wanted + changed
    try:
        if tomllib.loads(changed) == {**tomllib.loads(text), "database": url}:
            return changed
    except tomllib.TOMLDecodeError:
        pass
    raise Misconfigured(f"'database' cannot be found in {SETTINGS_FILE}.", "Write it in a line of its own, at the top.")


def _toml(value: Any) -> str:
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in escaped) + '"'
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return str(value)
