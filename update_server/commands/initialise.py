"""`camward-server init`: a whole new server in one folder, made beside its place and renamed into it at the end."""

import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from securesystemslib.signer import Key

from update_server.access import passwords, people
from update_server.db.session import Database, is_empty, migrate
from update_server.errors import BadInput, Conflict, Misconfigured
from update_server.files import SECRET, write_atomic
from update_server.fleet import broker
from update_server.fleet.ownership import Ownership
from update_server.fleet.sealed import SealingKeys
from update_server.pki import authority
from update_server.pki.authority import utc
from update_server.repository import ceremony, ceremony_checks, custody, director, image, metadata
from update_server.repository.image import TARGETS_VALID_S, Lifetimes
from update_server.repository.online import Online
from update_server.repository.quorum import Quorum
from update_server.settings import SETTINGS_FILE, Settings, as_toml
from update_server.settings import authority as address

ADMINISTRATOR = "admin"
PASSPHRASE_FILE = "passphrase"  # noqa: S105  (a file's name)
CEREMONY = "ceremony"
FOLDERS = ("targets", "confidential", "tuf/image", "tuf/director", "keys", "pki", "broker", "ownership")
SECRET_FOLDERS = ("confidential", "keys", "pki", "broker")


@dataclass(frozen=True)
class KeyPlan:
    """How many offline keys there are, and, where they exist already, their public parts: then none is made here."""

    image_root: Quorum = image.ROOT
    image_targets: Quorum = image.TARGETS
    director_root: Quorum = director.ROOT
    image_root_keys: Sequence[Key] = ()
    image_targets_keys: Sequence[Key] = ()
    director_root_keys: Sequence[Key] = ()

    def elsewhere(self) -> bool:
        """Whether the offline keys exist already, on other machines.

        Raises:
            BadInput: for some roles only, or in other numbers than planned.
        """
        rows = (
            ("image-root", self.image_root, self.image_root_keys),
            ("image-targets", self.image_targets, self.image_targets_keys),
            ("director-root", self.director_root, self.director_root_keys),
        )
        if not any(keys for _, _, keys in rows):
            return False
        for name, quorum, keys in rows:
            if len(keys) != quorum.keys:
                raise BadInput(
                    f"--{name} {quorum} plans {quorum.keys} keys, and {len(keys)} are given.",
                    f"Give each with --{name}-key FILE.pub, or change the plan with --{name}.",
                )
            if len({key.keyid for key in keys}) != len(keys):
                raise BadInput(f"Two of the --{name}-key are one key.", "Each holder has a key of their own.")
        return True


@dataclass(frozen=True)
class Made:
    """What the person who ran init must be told; without `offline`, the offline keys are elsewhere."""

    folder: Path
    offline: Path | None
    passphrase_file: Path | None
    administrator: str
    password: str
    people_url: str


def initialise(
    folder: Path,
    offline: Path,
    settings: Settings,
    passphrase: bytes | None,
    plan: KeyPlan | None = None,
    ca_key: str = "",
) -> Made:
    """Make a server in `folder` and its offline keys in `offline`. Both appear complete or not at all.

    `ca_key` is the URI of the fleet CA's key; without it, one is made in a file.

    With a plan whose offline keys exist elsewhere, `offline` is not made, and the server waits for the key ceremony.

    Raises:
        Conflict: one of them exists, or the database that the settings name is not empty.
        BadInput: `offline` lies inside `folder`, or the plan is wrong.
        ServerError: the CA's key cannot be used.
        Misconfigured: they cannot be written.
    """
    plan = plan or KeyPlan()
    elsewhere = plan.elsewhere()
    folder, offline = folder.absolute(), offline.absolute()
    paths = (folder,) if elsewhere else (folder, offline)
    for path in paths:
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise Conflict(f"{path} already exists.", "Choose a new folder; nothing was changed.")
    if folder == offline or folder in offline.parents:
        raise BadInput("The offline keys must not lie inside the server's folder.", "Choose another --offline-keys.")
    generated = passphrase is None
    passphrase = passphrase or secrets.token_urlsafe(24).encode()
    password = passwords.random_password()
    scratch: list[Path] = []
    try:
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
            scratch.append(Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent)))
        _fill(scratch[0], settings, ca_key)
        if elsewhere:
            _begin_ceremony(scratch[0], plan)
        else:
            _make_keys(scratch[0], scratch[1], settings, passphrase, plan)
        _fill_database(scratch[0], settings, password)
        if generated and not elsewhere:
            write_atomic(scratch[1] / PASSPHRASE_FILE, passphrase + b"\n", SECRET)
        _move_in(scratch, paths)
    except OSError as error:
        raise Misconfigured(f"{error.filename or folder}: {error.strerror}.", "Nothing was made.") from None
    finally:
        for path in scratch:
            shutil.rmtree(path, ignore_errors=True)
    url = "https://" + address(settings.hosts[0], settings.ports.people)
    if elsewhere:
        return Made(folder, None, None, ADMINISTRATOR, password, url)
    return Made(folder, offline, offline / PASSPHRASE_FILE if generated else None, ADMINISTRATOR, password, url)


def _move_in(scratch: Sequence[Path], paths: Sequence[Path]) -> None:
    """Put the offline keys in their place first, then the server; the keys do not stay without it."""
    for made, path in list(zip(scratch, paths, strict=True))[1:]:
        os.replace(made, path)
    try:
        os.replace(scratch[0], paths[0])
    except OSError:
        for path in paths[1:]:
            shutil.rmtree(path)
        raise


def _fill(root: Path, settings: Settings, ca_key: str) -> None:
    """Everything but the keys of the repositories and the database."""
    now = int(time.time())
    for name in FOLDERS:
        (root / name).mkdir(parents=True)
    for name in SECRET_FOLDERS:
        (root / name).chmod(0o700)
    ca = authority.make(root / "pki", settings.operator, utc(now), ca_key)
    ca.write_server(settings.hosts, utc(now))
    ca.write_ingest(utc(now))
    SealingKeys(root / "keys/sealing").renew()
    broker.write(root / "broker", root / "pki", settings.ports.mqtt, settings.listen)
    write_atomic(root / SETTINGS_FILE, as_toml(settings).encode())


def _fill_database(root: Path, settings: Settings, password: str) -> None:
    """The schema and the first person: in a file of the server's, or in PostgreSQL.

    Raises:
        Conflict: that database is in use already.
    """
    now, file = int(time.time()), root / "server.db"
    own = settings.database.startswith("sqlite")
    database = Database(f"sqlite:///{file}" if own else settings.database)
    try:
        if not own and not is_empty(database):
            raise Conflict("The database has tables already.", "Give an empty one; nothing was changed.")
        migrate(database)
        if own:
            file.chmod(SECRET)  # password hashes; SQLite gives its log the same mode
        with database.write() as session:
            people.add_person(session, ADMINISTRATOR, password, people.ADMINISTRATOR, now)
    finally:
        database.close()


def _make_keys(root: Path, offline: Path, settings: Settings, passphrase: bytes, plan: KeyPlan) -> None:
    """All keys, the offline ones in `offline`, and both repositories complete."""
    now, keys = int(time.time()), root / "keys"
    lifetimes = Lifetimes(settings.tuf.timestamp_valid_s, settings.tuf.snapshot_valid_s)
    image.make(root / "tuf/image", keys, offline, passphrase, lifetimes, now, plan.image_root, plan.image_targets)
    director.make(root / "tuf/director", keys, offline, passphrase, now, plan.director_root)
    first = (root / "tuf/director/1.root.json").read_text(encoding="ascii")
    ca = (root / "pki/ca.pem").read_text(encoding="ascii")
    records = Ownership(root / "ownership")
    records.offer_root(settings, ca, first)
    records.offer_sealing_key(SealingKeys(keys / "sealing").public())
    records.offer_command_key(Online(keys))


def _begin_ceremony(root: Path, plan: KeyPlan) -> None:
    """The online keys, and what the holders of the offline keys have to sign.

    Raises:
        BadInput: they must not sign it, say because two of the keys are one.
    """
    now, online = int(time.time()), Online(root / "keys")
    (root / CEREMONY).mkdir()
    image_root = image.first_root(
        plan.image_root_keys, plan.image_root, plan.image_targets_keys, plan.image_targets, online, now
    )
    releases = metadata.targets({}, 1, now + TARGETS_VALID_S)
    director_root = director.first_root(plan.director_root_keys, plan.director_root, online, now)
    ceremony_checks.check_apart(director_root, image_root)
    for begun in (
        custody.first(ceremony.IMAGE, image_root, releases),
        custody.first(ceremony.DIRECTOR, director_root, None),
    ):
        ceremony_checks.check(begun, now)
        ceremony.save(root / CEREMONY / f"{begun.repository}.json", begun)
