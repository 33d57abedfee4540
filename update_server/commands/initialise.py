"""`camward-server init`: a whole new server in one folder, made beside its place and renamed into it at the end."""

import os
import secrets
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from agent.formats import ownership
from update_server.access import passwords, people
from update_server.db.session import Database, migrate
from update_server.errors import BadInput, Conflict, Misconfigured
from update_server.files import SECRET, write_atomic
from update_server.fleet import broker
from update_server.fleet.ownership import Ownership
from update_server.pki import authority
from update_server.pki.authority import utc
from update_server.repository import director, image
from update_server.repository.image import Lifetimes
from update_server.settings import SETTINGS_FILE, Settings, as_toml
from update_server.settings import authority as address

ADMINISTRATOR = "admin"
PASSPHRASE_FILE = "passphrase"  # noqa: S105  (a file's name)
FOLDERS = ("targets", "tuf/image", "tuf/director", "keys", "pki", "broker", "ownership")
SECRET_FOLDERS = ("keys", "pki", "broker")


@dataclass(frozen=True)
class Made:
    """What the person who ran init must be told."""

    folder: Path
    offline: Path
    passphrase_file: Path | None
    administrator: str
    password: str
    people_url: str


def initialise(folder: Path, offline: Path, settings: Settings, passphrase: bytes | None) -> Made:
    """Make a server in `folder` and its offline keys in `offline`. Both appear complete or not at all.

    Raises:
        Conflict: one of them exists.
        BadInput: `offline` lies inside `folder`.
        Misconfigured: they cannot be written.
    """
    folder, offline = folder.absolute(), offline.absolute()
    for path in (folder, offline):
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise Conflict(f"{path} already exists.", "Choose a new folder; nothing was changed.")
    if folder == offline or folder in offline.parents:
        raise BadInput("The offline keys must not lie inside the server's folder.", "Choose another --offline-keys.")
    generated = passphrase is None
    passphrase = passphrase or secrets.token_urlsafe(24).encode()
    password = passwords.random_password()
    scratch: list[Path] = []
    try:
        for path in (folder, offline):
            path.parent.mkdir(parents=True, exist_ok=True)
            scratch.append(Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent)))
        _fill(scratch[0], scratch[1], settings, passphrase, password)
        if generated:
            write_atomic(scratch[1] / PASSPHRASE_FILE, passphrase + b"\n", SECRET)
        os.replace(scratch[1], offline)
        try:
            os.replace(scratch[0], folder)
        except OSError:
            shutil.rmtree(offline)
            raise
    except OSError as error:
        raise Misconfigured(f"{error.filename or folder}: {error.strerror}.", "Nothing was made.") from None
    finally:
        for path in scratch:
            shutil.rmtree(path, ignore_errors=True)
    url = "https://" + address(settings.hosts[0], settings.ports.people)
    return Made(folder, offline, offline / PASSPHRASE_FILE if generated else None, ADMINISTRATOR, password, url)


def _fill(root: Path, offline: Path, settings: Settings, passphrase: bytes, password: str) -> None:
    now = int(time.time())
    for name in FOLDERS:
        (root / name).mkdir(parents=True)
    for name in SECRET_FOLDERS:
        (root / name).chmod(0o700)
    ca = authority.make(root / "pki", settings.operator, utc(now))
    ca.write_server(settings.hosts, utc(now))
    ca.write_ingest(utc(now))
    lifetimes = Lifetimes(settings.tuf.timestamp_valid_s, settings.tuf.snapshot_valid_s)
    image.make(root / "tuf/image", root / "keys", offline, passphrase, lifetimes, now)
    director.make(root / "tuf/director", root / "keys", offline, passphrase, now)
    Ownership(root / "ownership").publish(
        ownership.Ownership(
            operator=settings.operator,
            server_url=settings.device_url,
            broker_host=settings.hosts[0],
            broker_port=settings.ports.mqtt,
            ca=ca.pem,
            director_root=(root / "tuf/director/1.root.json").read_text(encoding="ascii"),
            command_keys=(),
            sealing_key=None,
            check_interval_s=settings.devices.check_interval_s,
            telemetry_interval_s=settings.devices.telemetry_interval_s,
        )
    )
    broker.write(root / "broker", root / "pki", settings.ports.mqtt, settings.listen)
    write_atomic(root / SETTINGS_FILE, as_toml(settings).encode())
    database = Database(f"sqlite:///{root / 'server.db'}")
    migrate(database)
    (root / "server.db").chmod(SECRET)  # password hashes; SQLite gives its log the same mode
    with database.write() as session:
        people.add_person(session, ADMINISTRATOR, password, people.ADMINISTRATOR, now)
    database.close()
