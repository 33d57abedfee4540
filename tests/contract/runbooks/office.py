"""An operator's office in a folder, a runbook to follow in it, and a camera that judges what comes of it.

The office holds `server` (a server's folder), `safe` (its offline keys), `passphrase`, and `build` (what a build hands
over). A runbook's ```sh blocks run there as a person would run them; each line of the ```text block behind one has to
appear in what it printed.
"""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from agent.core import trust
from agent.core.clock import Time
from tests.contract.server import harness
from update_server import settings
from update_server.db.models import Device
from update_server.errors import NotFound
from update_server.repository import releases
from update_server.repository.director import Director
from update_server.repository.image import ImageRepository, Lifetimes, Published
from update_server.repository.verifier import verify_signature
from update_server.services import Services

ROOT = Path(__file__).resolve().parents[3]
RUNBOOKS = ROOT / "docs" / "runbooks"
PASSPHRASE = "a passphrase of our own"
MODEL, HARDWARE, SERIAL = "kawa-1", "a", "KW1-000001"
ROLES = ("root", "timestamp", "snapshot", "targets")
BLOCK = re.compile(r"^```sh\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.DOTALL | re.MULTILINE)

Fetch = Callable[[str, str], bytes | None]  # repository and path to the file, or None where there is none


@dataclass
class Camera:
    """What a camera has stored, and the device's own verifier with real signatures."""

    id: str
    stored: dict[str, dict[str, bytes | None]]
    version: str = "1.0.0"
    epoch: int = 1
    floor_at: int = 0
    built_at: int = 0

    def check(self, fetch: Fetch, at: int | None = None, wall_at: int | None = None) -> str | None:
        """One check: the version to install, or None.

        Raises:
            TrustError: what it was served is refused; what was verified before that is stored all the same.
        """
        who = trust.Device(self.id, MODEL, HARDWARE, self.version, self.epoch)
        now = int(time.time()) if at is None else at
        found = trust.Check(who, self.stored, Time(now if wall_at is None else wall_at, self.floor_at, self.built_at),
                            verify_signature)  # fmt: skip
        while (wanted := found.wants()) is not None:
            body = fetch(wanted.repository, wanted.path)
            try:
                if body is None:
                    found.absent()
                else:
                    found.feed(body)
            finally:
                self._keep(found)
        return found.outcome.version if found.outcome else None

    def _keep(self, found: trust.Check) -> None:
        if found.floor_reset_to is not None:
            self.floor_at = found.floor_reset_to
        for name, body in found.accepted():
            repository, role = name.split("/")
            self.stored[repository][role] = body
        self.floor_at = max(self.floor_at, found.issued_at)

    def refusal(self, fetch: Fetch, at: int | None = None, wall_at: int | None = None) -> str:
        """The code of the refusal that the check ends with."""
        try:
            got = self.check(fetch, at, wall_at)
        except trust.TrustError as error:
            return error.code
        raise AssertionError(f"nothing was refused: {got}")


@dataclass(frozen=True)
class Office:
    """The folder, and what the tests need beside the runbook."""

    folder: Path
    program: Path  # a folder for PATH

    @property
    def server(self) -> Path:
        """The server's folder."""
        return self.folder / "server"

    def sign(self, name: str, key: Path) -> int:
        """Sign a ceremony file with one key, of the office or stolen; returns the exit code."""
        words = ("keys", "sign", self.folder / name, "--yes", "--key", key)
        with harness.environment({"CAMWARD_OFFLINE_PASSPHRASE": PASSPHRASE}):
            return int(harness.command(*words, check=False).returncode)

    def command(self, *words: object, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `camward-server` on the office's server, in this process (what a runbook does not say)."""
        with harness.environment({"CAMWARD_OFFLINE_PASSPHRASE": PASSPHRASE}):
            done: subprocess.CompletedProcess[str] = harness.command(*words, folder=self.server, check=check)
        return done

    def add_release(self, version: str, epoch: int = 1) -> None:
        """Publish a release, signed by the keys in the safe."""
        slot, tree, manifest = harness.write_build(self.folder / "build", version, blocks=3, security_epoch=epoch)
        words = ("release", "add", slot, "--tree", tree, "--manifest", manifest)
        self.command(*words, "--offline-keys", self.folder / "safe")

    def enrol(self, device_id: str = "c" * 26, serial: str = SERIAL) -> Camera:
        """A camera that the server knows, with the roots that it left factory and enrolment with."""
        with self.opened() as services, services.database.write() as session:
            session.add(
                Device(
                    id=device_id, serial=serial, model=MODEL, hardware=HARDWARE, version="1.0.0",
                    ownership_sha256="", enrolled_at=int(time.time()),
                )
            )  # fmt: skip
        stored: dict[str, dict[str, bytes | None]] = {name: dict.fromkeys(ROLES) for name in ("image", "director")}
        for name, roles in stored.items():
            roles["root"] = (self.server / "tuf" / name / "1.root.json").read_bytes()
        return Camera(device_id, stored)

    def opened(self) -> "OpenedServices":
        """The server's services, for a `with` block."""
        return OpenedServices(self.server)

    def fetch(self, camera: Camera, at: int | None = None) -> Fetch:
        """What the honest server answers this camera."""

        def answer(repository: str, path: str) -> bytes | None:
            with self.opened() as services:
                return _answer(services, camera.id, repository, path, int(time.time()) if at is None else at)

        return answer

    def follow(self, name: str, heading: str | None = None, env: Mapping[str, str] | None = None) -> str:
        """Run the blocks of a runbook, or of one section of it, in order; returns all that was printed.

        Raises:
            AssertionError: a block failed, or did not print what the document shows.
        """
        text = (RUNBOOKS / f"{name}.md").read_text(encoding="utf-8")
        if heading is not None:
            parts = re.split(r"^## (.*)\n", text, flags=re.MULTILINE)
            text = dict(zip(parts[1::2], parts[2::2], strict=True))[heading]
        blocks = BLOCK.findall(text)
        assert blocks, f"{name}: {heading} has no command"
        printed = ""
        for script, shown in blocks:
            done = subprocess.run(
                ["bash", "-eu", "-o", "pipefail", "-c", script], cwd=self.folder, env=self.environment(env or {}),
                capture_output=True, text=True, check=False, timeout=600,
            )  # fmt: skip
            out = done.stdout + done.stderr
            assert done.returncode == 0, f"{name}: {script}\n{out}"
            plain = " ".join(out.split())
            for line in shown.splitlines():
                assert " ".join(line.split()) in plain, f"{name}: {script}\nprinted no {line!r}:\n{out}"
            printed += out
        return printed

    def environment(self, more: Mapping[str, str]) -> dict[str, str]:
        """A person's shell: the commands on PATH, the server's folder named, one width for tables."""
        path = f"{self.program}:{os.environ['PATH']}"
        return {**os.environ, "PATH": path, "CAMWARD_DIR": "server", "COLUMNS": "200", **more}


class OpenedServices:
    """`Services` as a context manager."""

    def __init__(self, server: Path) -> None:
        self.services = Services(settings.load(server))

    def __enter__(self) -> Services:
        return self.services

    def __exit__(self, *_: object) -> None:
        self.services.close()


def _answer(services: Services, device_id: str, repository: str, path: str, now: int) -> bytes | None:
    number, _, rest = path.partition(".")
    try:
        if repository == "image":
            if rest == "root.json":
                return services.image.root(int(number))
            return (services.image.folder / path).read_bytes()
        if path == "timestamp.json":
            return services.director_timestamp(device_id, now)
        if rest == "root.json":
            return services.director.root(int(number))
        with services.database.read() as session:
            return services.director.numbered(session, device_id, rest.partition(".")[0], int(number))
    except (NotFound, FileNotFoundError):
        return None


class Thief:
    """Whoever copied the server's folder, with every online key in it, and goes on with that copy."""

    def __init__(self, office: Office, folder: Path) -> None:
        shutil.copytree(office.server, folder)
        self.folder = folder
        self._config = settings.load(folder)

    def _lifetimes(self) -> Lifetimes:
        return Lifetimes(self._config.tuf.timestamp_valid_s, self._config.tuf.snapshot_valid_s)

    def order(self, camera: Camera, version: str | None, versions: int, at: int) -> Fetch:
        """Forged orders for the camera, signed with the stolen keys at a time of the thief's choice."""
        director = Director(self.folder / "tuf/director", self.folder / "keys", self._lifetimes(), 1)
        files = {}
        if version is not None:
            with OpenedServices(self.folder) as services, services.database.read() as session:
                files = releases.target_file(releases.find(session, version, MODEL))
        forged = director.compose(camera.id, files, (versions, versions, versions), at, allow_older=True)
        return self._serve({"director": forged, "image": None})

    def publish(self, version: str, keys: Path) -> None:
        """A release of the thief's own in the stolen image repository, signed with stolen targets keys."""
        slot, tree, manifest = harness.write_build(self.folder / "evil", version, blocks=3)
        words = ("release", "add", slot, "--tree", tree, "--manifest", manifest, "--offline-keys", keys)
        with harness.environment({"CAMWARD_OFFLINE_PASSPHRASE": PASSPHRASE}):
            harness.command(*words, folder=self.folder)

    def republish(self, camera: Camera, at: int) -> Fetch:
        """The image repository with its online roles signed anew by the stolen keys, and honest orders."""
        image = ImageRepository(self.folder / "tuf/image", self.folder / "keys", self._lifetimes())
        image.resign(at)
        return self._serve({"director": None, "image": image.current()}, camera)

    def _serve(self, forged: Mapping[str, Published | None], camera: Camera | None = None) -> Fetch:
        def answer(repository: str, path: str) -> bytes | None:
            state = forged[repository]
            files = state.files() if state is not None else {}
            if path in files:
                return files[path]
            with OpenedServices(self.folder) as services:
                return _answer(services, camera.id if camera else "", repository, path, int(time.time()))

        return answer


def newest(office: Office, repository: str) -> int:
    """The version of the newest root that is published."""
    folder = office.server / "tuf" / repository
    return max(int(path.name.partition(".")[0]) for path in folder.glob("*.root.json"))
