"""A claimed lab camera that tests break on purpose: put back to one snapshot before each test, asked for its evidence.

What is mounted over the verified root, or written elsewhere, is gone with the next `restore`.
"""

import hashlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from firmware_sim.demo.person import Person, Place
from firmware_sim.demo.steps_camera import patiently
from firmware_sim.image.provision import Device
from firmware_sim.image.store import default_store
from firmware_sim.netns import FRONT_ADDRESS, PERSON_ADDRESS
from firmware_sim.qemu.deadline import Deadline
from firmware_sim.qemu.machine import Machine
from firmware_sim.qemu.provisioned import hardware_of
from firmware_sim.qemu.snapshots import TAG, Snapshots
from tests.emulated.conftest import FRONT, WATCHDOG_S, until_ready

BOOT_S = 240.0
ANSWER_S = 240.0
"""A collection of evidence takes about 10 s alone; other tests may run beside it."""
USER, PASSWORD = "kanri", "fk3-Plum-orbit-98"
AGENT = (
    "env -i PATH=/usr/sbin:/usr/bin PYTHONPATH=/usr/lib/camward/python:/usr/lib/camward/site "
    "python3 -s -S -P -m agent.main"
)
"""`camward-agent` on the camera."""
PASSING = frozenset({"S1.1-01", "S1.1-02", "S1.1-03", "S1.1-04", "S1.1-11", "S1.1-12", "S1.1-13"})
"""What a claimed camera that was never updated passes; test_evidence.py breaks each."""
PYTHON_ROOT = "/usr/lib/camward/python"
PROCESS = "kill $(ps -o pid,args | grep '[m] {}' | awk '{{print $1}}')"
HOST = "10.0.2.2"
"""What QEMU's user networking calls us."""


@dataclass
class LabCamera:
    """The machine, what its owner has, and ways to break it."""

    machine: Machine
    device: Device
    person: Person

    def restore(self) -> None:
        """Back to the snapshot; connections are dead."""
        self.person.close()
        self.machine.load(TAG)
        self.machine.console.skip()

    def shell(self, command: str) -> str:
        """Run a command; it must succeed."""
        status, text = self.machine.shell(command, Deadline(ANSWER_S))
        assert status == 0, f"{command}: {text}"
        return text.strip()

    def evidence(self) -> dict[str, Any]:
        """Have the agent collect evidence now, and return the report."""
        text = self.shell(f"{AGENT} evidence --json")
        return dict(json.loads(text[text.index('{"at"') :]))

    def put(self, path: str, data: bytes) -> None:
        """Write a file; the camera fetches it from us."""
        put(self.machine, path, data)

    def replace(self, package: str, module: str, source: str) -> None:
        """Mount a copy of a Python package over the verified one, in which a module is another.

        The honest one stays importable as `honest_MODULE`.
        """
        folder, copy = f"{PYTHON_ROOT}/{package}", f"/run/lab/{package.replace('/', '-')}"
        self.shell(f"mkdir -p /run/lab && cp -a {folder} {copy} && mv {copy}/{module}.pyc {copy}/honest_{module}.pyc")
        self.put(f"{copy}/{module}.py", source.encode())
        self.shell(f"mount --bind {copy} {folder}")

    def restart(self, program: str) -> None:
        """End `agent` or `camera`; init starts it again."""
        module = {"agent": "agent.main run", "camera": "firmware_sim.camera"}[program]
        self.machine.console.skip()
        self.shell(PROCESS.format(module))
        self.machine.console.wait_for(f"camward-{program}: ready", Deadline(BOOT_S), unless=("Kernel panic",))


def put(machine: Machine, path: str, data: bytes) -> None:
    """Write a file on a camera with a shell; it fetches it from us."""

    def shell(command: str) -> str:
        status, text = machine.shell(command, Deadline(ANSWER_S))
        assert status == 0, f"{command}: {text}"
        return text

    with socket.create_server(("127.0.0.1", 0)) as server:
        sender = threading.Thread(target=_hand_out, args=(server, data))
        sender.start()
        try:
            shell(f"nc {HOST} {server.getsockname()[1]} </dev/null >{path}")
        finally:
            sender.join()
    assert shell(f"sha256sum <{path}").split()[0] == hashlib.sha256(data).hexdigest()


def _hand_out(server: socket.socket, data: bytes) -> None:
    server.settimeout(ANSWER_S)
    try:
        connection, _ = server.accept()
    except TimeoutError:
        return
    with connection:
        connection.sendall(data)


def place_of(machine: Machine) -> Place:
    """Where a machine's camera is reached."""
    return Place(FRONT_ADDRESS, machine.port(443), machine.port(322))


def claim(machine: Machine, device: Device, folder: Path) -> None:
    """Claim a camera that has just come up, and let the evidence that follows a claim be collected."""
    with Person(place_of(machine), PERSON_ADDRESS, folder) as person:
        person.meet(Deadline(BOOT_S))
        who = {"user": USER, "password": PASSWORD}
        answer = patiently(partial(person.ask, "/api/claim", {"code": device.code, **who}))
        assert answer.ok, answer.text
        assert "password_change" in LabCamera(machine, device, person).evidence()["facts"]


@contextmanager
def claimed(camera_of: Callable[[str], Device], folder: Path, watchdog_s: float = WATCHDOG_S) -> Iterator[LabCamera]:
    """A claimed lab camera, from a snapshot where there is one."""
    device = camera_of("lab-1.0.0")

    def reach(machine: Machine) -> None:
        until_ready(machine)
        claim(machine, device, folder)

    snapshots = Snapshots(default_store().root / "run" / "snapshots")
    hardware = hardware_of(device, shell=True)
    with (
        snapshots.machine(hardware, "claimed", reach, forwards=FRONT, watchdog_s=watchdog_s) as machine,
        Person(place_of(machine), PERSON_ADDRESS, folder) as person,
    ):
        person.meet(Deadline(BOOT_S))
        yield LabCamera(machine, device, person)


def verdicts(report: dict[str, Any]) -> dict[str, str]:
    """Verdict by criterion."""
    return {finding["criterion"]: finding["verdict"] for finding in report["findings"]}


def reasons(report: dict[str, Any]) -> dict[str, str]:
    """Reason by criterion."""
    return {finding["criterion"]: finding["reason"] for finding in report["findings"]}
