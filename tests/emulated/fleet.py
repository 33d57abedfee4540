"""A lab camera that is claimed and enrolled with a real update server, and power cuts while it updates."""

import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from agent.formats.boot_record import NO_TRIAL, BootRecord, newer
from firmware_sim.demo import images
from firmware_sim.demo.operator import Operator
from firmware_sim.demo.steps_camera import patiently
from firmware_sim.image.build import BuiltImage
from firmware_sim.image.provision import Device
from firmware_sim.qemu.deadline import Deadline, wait_until
from tests.emulated.conftest import READY, WATCHDOG_S
from tests.emulated.lab_camera import BOOT_S, PASSWORD, USER, LabCamera, claimed
from tests.server_program import server_program

UPDATE_S = 420.0
HEARD_S = 2.0  # after which the server has noted what it has heard
NEWS = "ip address add 192.0.2.1/32 dev lo && ip address del 192.0.2.1/32 dev lo"
"""A change of the network, after which a camera without a connection tries sooner than the snapshot would have it."""
ENROLLED = "enrolled"
NEWER = "1.1.0"
PANIC = ("Kernel panic", "camward-boot: nothing to boot")
RECORD_BYTES = 512


class Session(NamedTuple):
    """A camera's session, as the server knows it; `at`: Unix seconds of the last sign of it."""

    online: bool
    version: str
    at: int


@dataclass
class Fleet:
    """The operator's server, the release it has published, and its one camera.

    `lab` is the camera on the machine that it runs on now, `home` on the one that has the snapshots.
    """

    operator: Operator
    lab: LabCamera
    built: BuiltImage
    device_id: str
    home: LabCamera = field(init=False)

    def __post_init__(self) -> None:
        """The first machine is home."""
        self.home = self.lab

    def back_to(self, tag: str) -> None:
        """Back to a snapshot of the enrolled camera, with the right time, nothing to install, and connected again.

        What the server has seen it has seen.
        """
        machine = self.home.machine
        self.lab.person.close()
        if self.lab is not self.home:
            self.lab.machine.power_cut()
            self.lab = self.home
        self.assign("none")  # or the camera would begin as soon as it is connected
        if machine.is_on():
            machine.monitor.execute("stop")
        else:
            machine.plug_in()
        # The server counts in seconds, and a camera may be back within one: nothing it has heard of the one before
        # may look like that, nor what it hears of this one like the one before.
        time.sleep(HEARD_S)
        before_s = int(time.time()) - 1
        machine.load(tag)
        self._forget_messages()
        machine.monitor.execute("cont")  # which a stopped one waits for, and one that was plugged in
        set_clock(self.lab)
        self.lab.shell(NEWS)

        def is_back() -> bool:
            seen = self.session()
            return seen.online and seen.at > before_s

        wait_until(is_back, Deadline(UPDATE_S), "the camera's session")  # before that, a nudge would be lost
        self._give_up_commands()
        machine.console.skip()

    def on_server(self) -> dict[str, Any]:
        """What the server knows of the camera."""
        return self.operator.device(self.device_id)

    def session(self) -> Session:
        """Whether the server hears the camera."""
        (row,) = self._rows("SELECT online, version, last_seen_at FROM device WHERE id = ?", self.device_id)
        return Session(bool(row[0]), row[1], row[2] or 0)

    def committed(self) -> int:
        """How often the server was told that the newer release is committed."""
        query = "SELECT COUNT(*) FROM update_event WHERE event = 'committed' AND to_version = ?"
        return int(self._rows(query, NEWER)[0][0])

    def _forget_messages(self) -> None:
        """A camera that was put back numbers its messages as before; the server would take others for a conflict.

        It gives no receipt for one, so the camera would keep it for ever.
        """
        self._change("DELETE FROM message WHERE device_id = ?", self.device_id)

    def _give_up_commands(self) -> None:
        """One that the camera has answered after the snapshot would stay before all others for ten minutes."""
        self._change("UPDATE command SET state = 'expired' WHERE state IN ('queued', 'delivered', 'accepted')")

    def _change(self, statement: str, *values: str) -> None:
        with closing(sqlite3.connect(self.operator.server / "server.db", timeout=UPDATE_S)) as database, database:
            database.execute(statement, values)

    def _rows(self, query: str, *values: str) -> list[Any]:
        """Ask the server's database: who waits looks often, and a look through the command line costs more."""
        path = self.operator.server / "server.db"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            return database.execute(query, values).fetchall()

    def assign(self, version: str) -> None:
        """Have the director tell the camera to install a release, or `none`."""
        self.operator.assign(self.device_id, version)

    def evidence(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait until the newest report on the server is `wanted`."""

        def look() -> dict[str, Any] | None:
            found = self.on_server()["evidence"]
            return None if found is None else dict(found["report"])

        report: dict[str, Any] = self.operator.wait_for(
            look, lambda seen: seen is not None and wanted(seen), Deadline(UPDATE_S), "the evidence on the server"
        )
        return report

    def record(self) -> BootRecord:
        """The boot record that counts, read from outside."""
        copies = [self.lab.machine.read_disk(offset, RECORD_BYTES) for offset in self.built.layout.boot_record]
        record, _ = newer(copies[0], copies[1])
        assert record is not None
        return record

    def booted(self, deadline: Deadline) -> str:
        """Wait for a boot after the last thing waited for: a verified slot, its services, and an agent that says which.

        Returns:
            The slot.
        """
        console = self.lab.machine.console
        found, _ = console.wait_for_any(
            [f"camward-init: slot {s} verified root ready" for s in "ab"], deadline, unless=PANIC
        )
        slot = found.split()[2]
        wrong = {"a": "b", "b": "a"}[slot]
        left = [f"camward-agent: in slot {slot}", *READY]
        while left:
            left.remove(console.wait_for_any(left, deadline, unless=(*PANIC, f"camward-agent: in slot {wrong}"))[0])
        return slot

    def page(self) -> dict[str, Any]:
        """Log in on the camera's page and look at its status."""
        person = self.lab.person
        person.close()
        person.meet(Deadline(BOOT_S))

        def sign_in() -> bool:
            return bool(patiently(partial(person.ask, "/api/login", {"user": USER, "password": PASSWORD})).ok)

        wait_until(sign_in, Deadline(BOOT_S), "the owner's login")  # just after a boot the agent is busy
        return dict(person.ask("/api/device").body)

    def cut(self) -> None:
        """Cut the power and give it again."""
        machine = self.lab.machine
        machine.power_cut()
        machine.console.skip()
        machine.power_on()

    def complete(self, before: int, deadline: Deadline) -> None:
        """Wait until the newer release runs, is committed, and the server knows it."""
        self.operator.wait_for(
            lambda: (self.session(), self.committed()),
            lambda seen: seen[0].online and seen[0].version == NEWER and seen[1] > before,
            deadline,
            f"{NEWER} committed on the server",
        )
        record = self.record()
        assert (record.active, record.trial) == ("b", NO_TRIAL)
        wanted = self.built.slot.read_bytes()
        assert self.lab.machine.read_disk(self.built.layout.slot("b"), len(wanted)) == wanted


@contextmanager
def enrolled(camera_of: Callable[[str], Device], folder: Path, watchdog_s: float = WATCHDOG_S) -> Iterator[Fleet]:
    """A server of its own with the newer release published, and a claimed lab camera enrolled with it.

    The camera's state is kept in the machine as the snapshot `enrolled`.
    """
    home = folder / "operator"
    home.mkdir()
    made = images.operator_home()
    for name in ("pristine", "server.offline"):
        shutil.copytree(made / name, home / name)
    shutil.copy2(made / "administrator.json", home)
    newest = images.load(f"product-{NEWER}")
    with (
        server_program(folder) as program,
        Operator(home, program=program) as operator,
        claimed(camera_of, folder, watchdog_s) as lab,
    ):
        operator.begin_anew()
        operator.serve()
        operator.publish(newest.slot, newest.tree, newest.release_json)
        set_clock(lab)
        fleet = Fleet(operator, lab, newest, "")
        assert fleet.page()["enrolment"]["phase"] != "enrolled"
        answer = lab.person.ask("/api/enrol", {"token": operator.token()})
        assert answer.ok, answer.text
        seen = operator.wait_for(operator.devices, is_online, Deadline(BOOT_S), "the camera in the operator's list")
        fleet.device_id = str(seen[0]["id"])
        lab.machine.save(ENROLLED)
        yield fleet


def set_clock(lab: LabCamera) -> None:
    """After a snapshot the guest's clock stands where it was."""
    lab.shell(f"date -s @{int(time.time())} >/dev/null")


def is_online(devices: list[dict[str, Any]]) -> bool:
    return bool(devices) and bool(devices[0]["online"])
