"""The operator of the fleet: works the update server by its command line, as a person or a script would."""

import hashlib
import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from firmware_sim.demo.step import StepFailed
from firmware_sim.files import write_json
from firmware_sim.qemu.deadline import Deadline, wait_until
from firmware_sim.qemu.tether import spawn

COMMAND_S = 180.0
"""One command; publishing a release hashes it and runs the device's verifier over it."""
PREPARE_S = 900.0
"""An artifact takes seconds, and at its low priority many times that beside others."""
START_S = 60.0
STOP_S = 20.0
POLL_S = 1.0
"""Between two looks through the command line, each of which costs a second of one core."""
INTERVAL = "5s"
"""So often a camera of the demo looks for an update, so that nobody has to wait."""
READY = "camward-server: ready"
HOST_FOR_CAMERAS = "10.0.2.2"
"""What QEMU's user networking calls the host."""
PEOPLE_PORT, BROKER_PORT = 8444, 8883
_PASSWORD = re.compile(r"[Uu]ser:? (\S+).*?password: (\S+)")
SCHEMA = Path(__file__).resolve().parents[2] / "update_server" / "db" / "migrations" / "versions"


class Operator:
    """One update server in `home/server`, with its offline keys beside it.

    The server as it was right after `init` is kept in `home/pristine`, so that every story begins with an empty fleet
    while the image root that the images carry stays the same.
    """

    def __init__(self, home: Path, interval: str = INTERVAL, program: Path | None = None) -> None:
        """Use `home`; `make` fills it.

        Args:
            home: a folder.
            interval: between two looks, or two reports, of a camera in a new home.
            program: `camward-server` for commands, if not the one beside our interpreter.
        """
        self.home = home
        self._program: Sequence[str] = _program() if program is None else [str(program)]
        self._interval = interval
        self.server = home / "server"
        self.log = home / "server.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def image_root(self) -> Path:
        """The image repository's first root, which goes into every image."""
        return self.home / "pristine" / "tuf" / "image" / "1.root.json"

    @property
    def ca(self) -> Path:
        """The fleet's CA certificate."""
        return self.server / "pki" / "ca.pem"

    @property
    def own_certificate(self) -> tuple[Path, Path]:
        """Certificate and key with which the operator's own ingest connects to the broker."""
        return self.server / "pki" / "ingest.pem", self.server / "pki" / "ingest.key.pem"

    def make(self) -> None:
        """Make the server, unless it was made before; its keys and roots live as long as the checkout.

        The database is made anew whenever its schema has changed.

        Raises:
            StepFailed: `camward-server` refused.
        """
        if (self.home / "administrator.json").is_file() and self.image_root.is_file():
            if self._known().get("schema") != _schema():
                self._remake_database()
            return
        shutil.rmtree(self.home, ignore_errors=True)
        self.home.mkdir(parents=True)
        said = self._command(
            "init", str(self.server), "--operator", "Kawa River Office",
            "--host", HOST_FOR_CAMERAS, "--host", "127.0.0.1", "--host", "localhost",
            "--check-interval", self._interval, "--telemetry-interval", self._interval,
        )  # fmt: skip
        shutil.copytree(self.server, self.home / "pristine")
        self._remember(said)

    def administrator(self) -> tuple[str, str]:
        """Return who may log in to the dashboard, and their password."""
        known = self._known()
        return known["user"], known["password"]

    def _known(self) -> dict[str, str]:
        return dict(json.loads((self.home / "administrator.json").read_text()))

    def _remember(self, said: str) -> None:
        found = _PASSWORD.search(said)
        if found is None:
            raise StepFailed("camward-server named no administrator")
        known = {"user": found[1], "password": found[2], "schema": _schema()}
        write_json(self.home / "administrator.json", known, mode=0o600)

    def _remake_database(self) -> None:
        pristine = self.home / "pristine"
        for path in pristine.glob("server.db*"):
            path.unlink()
        self._command("migrate", "--dir", str(pristine))
        self._remember(self._command("user", "add", "admin", "--role", "administrator", "--dir", str(pristine)))

    def begin_anew(self) -> None:
        """Put the server back to where `init` left it.

        Raises:
            StepFailed: there is none; the images have to be built first.
        """
        if not self.image_root.is_file():
            raise StepFailed("the demo's update server has not been made; run `make images`")
        shutil.rmtree(self.server, ignore_errors=True)
        shutil.copytree(self.home / "pristine", self.server)
        self.log.unlink(missing_ok=True)

    def serve(self) -> None:
        """Start the server with its broker, and wait until it is ready.

        Raises:
            StepFailed: it ended; its last words are quoted.
            MachineError: code `deadline`.
        """
        with self.log.open("ab") as log:
            command = [*_program(), "serve", str(self.server), "--with-broker"]
            self._process = spawn(command, log=log)
        process = self._process

        def ready() -> bool:
            if process.poll() is not None:
                raise StepFailed(f"the update server ended: {self.last_words()}")
            return READY in self.log.read_text(errors="replace")

        wait_until(ready, Deadline(START_S), "the update server")

    def last_words(self) -> str:
        """Return the last line of the server's log."""
        lines = self.log.read_text(errors="replace").strip().splitlines() if self.log.is_file() else []
        return lines[-1] if lines else "it said nothing"

    def publish(self, slot: Path, tree: Path, manifest: Path) -> str:
        """Sign a build with the offline keys and publish it.

        Raises:
            StepFailed: the server refused.
        """
        files = (str(slot), "--tree", str(tree), "--manifest", str(manifest))
        return self._command("release", "add", *files, "--dir", str(self.server))

    def prepare(self, version: str, from_version: str) -> None:
        """Have the artifact ready that cameras with the older version fetch; a rollout lets them wait for it.

        Raises:
            StepFailed: the server refused.
        """
        words = ("delta", "make", version, "--from", from_version, "--dir", str(self.server))
        self._command(*words, within_s=PREPARE_S)

    def token(self) -> str:
        """Make a one-time enrolment token.

        Raises:
            StepFailed: the server refused.
        """
        return str(self._ask("device", "token")["token"])

    def devices(self) -> list[dict[str, Any]]:
        """List the fleet.

        Raises:
            StepFailed: the server refused.
        """
        return list(self._ask("device", "list"))

    def device(self, device_id: str) -> dict[str, Any]:
        """Return everything about one camera: state, updates, evidence.

        Raises:
            StepFailed: the server refused.
        """
        return dict(self._ask("device", "show", device_id))

    def take_back(self, device_id: str) -> None:
        """Order a camera to install nothing.

        Raises:
            StepFailed: the server refused.
        """
        self.assign(device_id, "none")

    def assign(self, device_id: str, version: str) -> None:
        """Order a camera to install a release, or `none`.

        Raises:
            StepFailed: the server refused.
        """
        self._command("device", "assign", device_id, version, "--dir", str(self.server))

    def place(self, device_id: str, site: str) -> None:
        """Say at which site a camera is.

        Raises:
            StepFailed: the server refused.
        """
        self._command("device", "site", device_id, site, "--dir", str(self.server))

    def voucher(self, serial: str) -> bytes:
        """Make the factory voucher of a camera, which then enrols by itself.

        Raises:
            StepFailed: the server refused.
        """
        path = self.home / f"{serial}.voucher"
        self._command("device", "voucher", serial, "--out", str(path), "--dir", str(self.server))
        return path.read_bytes()

    def roll_out(self, version: str) -> int:
        """Start a rollout and return its number.

        Raises:
            StepFailed: the server refused.
        """
        return int(self._ask("rollout", "create", version, "--phases", "100%")["id"])

    def rollout(self, number: int) -> dict[str, Any]:
        """Return one rollout.

        Raises:
            StepFailed: the server refused.
        """
        return dict(self._ask("rollout", "show", str(number)))

    def abort(self, number: int) -> None:
        """End a rollout for good.

        Raises:
            StepFailed: the server refused.
        """
        self._command("rollout", "abort", str(number), "--dir", str(self.server))

    def wait_for(self, look: Callable[[], Any], wanted: Callable[[Any], bool], deadline: Deadline, what: str) -> Any:
        """Look until what is seen is `wanted`, and return it.

        Raises:
            MachineError: code `deadline`, naming `what`.
            StepFailed: the server refused or has ended.
        """
        seen: list[Any] = []

        def once() -> bool:
            if self._process is not None and self._process.poll() is not None:
                raise StepFailed(f"the update server ended: {self.last_words()}")
            seen[:] = [look()]
            return wanted(seen[0])

        wait_until(once, deadline, what, POLL_S)
        return seen[0]

    def stop(self) -> None:
        """Stop the server and its broker."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(timeout=STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _ask(self, *words: str) -> Any:
        said = self._command(*words, "--json", "--dir", str(self.server))
        try:
            return json.loads(said)
        except ValueError as error:
            raise StepFailed(f"camward-server {' '.join(words)} did not answer in JSON") from error

    def _command(self, *words: str, within_s: float = COMMAND_S) -> str:
        try:
            done = subprocess.run(
                [*self._program, *words], capture_output=True, text=True, timeout=within_s, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise StepFailed(f"camward-server {words[0]} did not end in {within_s:.0f} s") from error
        if done.returncode != 0:
            said = (done.stderr.strip() or done.stdout.strip() or f"status {done.returncode}").splitlines()
            with self.log.open("a") as log:
                log.write(f"camward-server {' '.join(words)}\n{done.stderr}\n")
            errors = [line for line in said if "Error" in line]
            raise StepFailed(f"camward-server {' '.join(words[:2])}: {(errors or said)[-1]}")
        return done.stdout


def _schema() -> str:
    """A hash of the server's migrations: a database made by others is no database of this program."""
    digest = hashlib.sha256()
    for path in sorted(SCHEMA.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _program() -> Sequence[str]:
    """The console script beside our interpreter, or the module where there is none."""
    script = Path(sys.executable).with_name("camward-server")
    return [str(script)] if script.is_file() else [sys.executable, "-m", "update_server.main"]
