"""Runs Camward and its peers on one emulated camera, inside the closed network; prints what was measured as JSON.

`install_camera.py WORK`: the folder that `tests.bench.install` has prepared. Every run begins from the same snapshot:
the camera is claimed and enrolled, idle, has hashed its slots as every camera does in its first minutes, and its
inactive slot holds random bytes; the tool has been started once since. What is timed is timed on the host,
when a line appears on the camera's console; memory is measured in runs of its own.
"""

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from firmware_sim.demo.operator import Operator
from firmware_sim.demo.person import Answer, Person
from firmware_sim.demo.steps_camera import patiently
from firmware_sim.image.build import BuiltImage, load_built
from firmware_sim.image.provision import provision
from firmware_sim.netns import PERSON_ADDRESS
from firmware_sim.qemu.deadline import Deadline, wait_until
from firmware_sim.qemu.machine import Machine
from firmware_sim.qemu.provisioned import hardware_of
from tests.bench.install_peers import FILES_PORT, PEERS, PLACE, Peer, prepare
from tests.bench.traffic import FileServer, Relay
from tests.bench.trust_camera import cpu_s
from tests.emulated.conftest import FRONT, until_ready
from tests.emulated.fleet import Fleet
from tests.emulated.lab_camera import PASSWORD, USER, LabCamera, place_of, put

BOOT_S = 240.0
RUN_S = 600.0
WATCHDOG_S = 4 * 3600.0
IDLE_LOOK_S = 3.0
IDLE_SHARE = 0.6  # of one processor: the camera films, with 0.4; it collects evidence with more than a whole one
SETTLE_S = 180.0
START_S = 10.0
CUT_S = 5.0
STATE = "/data/camward/update/state.json"
TREE = "/data/camward/update/slot-{}.tree"
INVENTORY_S = 600.0  # two slots of 64 pieces, and a second between two of them
TAG = "ready"
SERVER_ADDRESS, RELAY_ADDRESS = "127.0.0.2", "127.0.0.1"
DEVICE_PORT, BROKER_PORT = 8443, 8883
PANIC = ("Kernel panic", "camward-boot: nothing to boot")
KIB = 1024
_MEMORY = re.compile(r"bench: memory (\d+) (\d+) (\d+) peer (\d+)")
"""The agent's PSS, RSS and peak RSS, and the peer's PSS."""
STARTED = "reading_tree"
"""The phase that follows `started` in the agent's update."""


@dataclass(frozen=True)
class Run:
    """One run of one tool.

    Attributes:
        seconds: until everything is durable.
        cpu_seconds: of the emulator meanwhile.
        to_camera_bytes: that the relay passed on to the camera.
        from_camera_bytes: that the relay passed on from it.
        look_seconds: before that, from when the agent began to ask what to install until it knew: both repositories'
            signed documents, and the clock's. Peers are told what to install.
    """

    seconds: float
    cpu_seconds: float
    to_camera_bytes: int
    from_camera_bytes: int
    look_seconds: float = 0.0


@dataclass
class Measured:
    """All runs of one tool with one release."""

    runs: list[Run] = field(default_factory=list)
    peak_bytes: list[int] = field(default_factory=list)
    growth_bytes: list[int] = field(default_factory=list)


class Bench:
    """The camera, its operator, and the relays in between."""

    def __init__(self, fleet: Fleet, built: BuiltImage, relays: dict[int, Relay]) -> None:
        self.fleet = fleet
        self.machine = fleet.lab.machine
        self.built = built
        self.device_relay = relays[DEVICE_PORT]
        self.files_relay = relays[FILES_PORT]

    def settle(self) -> None:
        """Wait until the camera has nothing to do."""
        time.sleep(IDLE_LOOK_S)
        pid = self.machine.pid

        def is_idle() -> bool:
            begun = cpu_s(pid)
            time.sleep(IDLE_LOOK_S)
            return cpu_s(pid) - begun < IDLE_LOOK_S * IDLE_SHARE

        wait_until(is_idle, Deadline(SETTLE_S), "an idle camera")

    def restore(self, start: Callable[[], object]) -> None:
        """Back to the snapshot, as `Fleet.back_to`; the tool started once; and idle.

        An emulator that was restored has to translate anew whatever runs, for seconds where a program is large. No
        camera has to do that.
        """
        self.fleet.back_to(TAG)
        start()
        self.settle()
        self.machine.console.skip()

    def watch(self, mode: str, names: tuple[str, ...]) -> None:
        """Start the watcher on the camera."""
        words = " ".join(("python3 -S -P /run/guest_watch.py", mode, str(RUN_S), *names))
        self.fleet.lab.shell(f"{words} >/dev/console 2>&1 &")
        self.machine.console.wait_for("bench: watching", Deadline(BOOT_S))

    def camward(self, version: str, mode: str) -> tuple[Run, str]:
        """The agent installs a release of the update server's; returns when it would restart the camera."""
        console = self.machine.console
        self.restore(self._start_agent)
        self.watch(mode, ())
        self.fleet.assign(version)  # the server nudges the camera
        console.wait_for("bench: phase checking", Deadline(RUN_S), unless=PANIC)
        looks_at = time.monotonic()
        text = console.wait_for(f"bench: phase {STARTED}.", Deadline(RUN_S), unless=PANIC)
        begun = _Begun(self.machine.pid, self.device_relay)
        text += console.wait_for("camward-agent: restarting (update", Deadline(RUN_S), unless=PANIC)
        return replace(begun.ended(), look_seconds=begun.at - looks_at), text

    def peer(self, peer: Peer, name: str, mode: str) -> tuple[Run, str]:
        """A peer installs one of the file server's files."""
        console, lab = self.machine.console, self.fleet.lab
        first = f"chroot {PLACE} /bin/sh -c '{peer.first_command(name)}' >/run/peer.log 2>&1"
        self.restore(partial(lab.shell, first))
        self.watch(mode, peer.processes)
        begun = _Begun(self.machine.pid, self.files_relay)
        lab.shell(
            f"( chroot {PLACE} /bin/sh -c '{peer.command(name)}' >/run/peer.log 2>&1; status=$?; sync; "
            'echo "bench: end $status." >/dev/console ) &'
        )
        text = console.wait_for("bench: end ", Deadline(RUN_S), unless=PANIC)
        run = begun.ended()
        if not console.wait_for(".", Deadline(BOOT_S)).startswith("0"):
            raise SystemExit(f"{peer.title} failed: {lab.shell('cat /run/peer.log')}")
        return run, text

    def _start_agent(self) -> None:
        """The agent starts, as after a boot, and is connected."""
        self.fleet.lab.restart("agent")
        time.sleep(START_S)
        wait_until(lambda: self.fleet.session().online, Deadline(BOOT_S), "the camera's session")

    def verify_slot(self, slot: Path) -> None:
        """What a peer says it has written must be there."""
        wanted = slot.read_bytes()
        if self.machine.read_disk(self.built.layout.slot("b"), len(wanted)) != wanted:
            raise SystemExit(f"the inactive slot does not hold {slot.name}")


class _Begun:
    """The state of the counters when something begins."""

    def __init__(self, pid: int, relay: Relay) -> None:
        self._pid, self._relay = pid, relay
        self._to, self._from = relay.to_camera_bytes, relay.from_camera_bytes
        self._cpu_s, self.at = cpu_s(pid), time.monotonic()

    def ended(self) -> Run:
        at, relay = time.monotonic(), self._relay
        return Run(
            at - self.at,
            cpu_s(self._pid) - self._cpu_s,
            relay.to_camera_bytes - self._to,
            relay.from_camera_bytes - self._from,
        )


def memory(text: str, *, agent: bool) -> tuple[int, int]:
    """Peak and growth, in bytes, out of the watcher's lines."""
    looks = [[int(word) for word in found.groups()] for found in _MEMORY.finditer(text)]
    if agent:
        return max(look[0] for look in looks) * KIB, (max(look[2] for look in looks) - looks[0][1]) * KIB
    every = [look[3] for look in looks]
    return max(every) * KIB, (max(every) - every[0]) * KIB


@contextmanager
def camera(work: Path, built: BuiltImage, plan: dict[str, Any]) -> Iterator[Bench]:
    """A claimed and enrolled bench camera with the peers' disk, saved as a snapshot."""
    home = work / "operator"
    made = Path(plan["operator"])
    home.mkdir()
    for name in ("pristine", "server.offline"):
        shutil.copytree(made / name, home / name)
    shutil.copy2(made / "administrator.json", home)
    os.environ["CAMWARD_LISTEN"] = SERVER_ADDRESS
    os.environ["CAMWARD_DELTAS__FROM_VERSIONS"] = "0"  # none but those that are asked for here
    device = provision(built, "KW1-000077", work / "camera")
    hardware = hardware_of(device, shell=True)
    with ExitStack() as stack:
        relays = {
            port: stack.enter_context(Relay((RELAY_ADDRESS, port), (SERVER_ADDRESS, port)))
            for port in (DEVICE_PORT, BROKER_PORT, FILES_PORT)
        }
        stack.enter_context(FileServer((SERVER_ADDRESS, FILES_PORT), work / "files", Path(plan["server_certificate"])))
        operator = stack.enter_context(Operator(home))
        operator.begin_anew()
        operator.serve()
        machine = stack.enter_context(
            Machine(hardware, forwards=FRONT, work_dir=work / "machine", watchdog_s=WATCHDOG_S)
        )
        machine.write_disk(built.layout.slot("b"), secrets.token_bytes(built.layout.slot_bytes))
        machine.power_on()
        until_ready(machine)
        person = stack.enter_context(Person(place_of(machine), PERSON_ADDRESS, work))
        person.meet(Deadline(BOOT_S))
        owner = {"code": device.code, "user": USER, "password": PASSWORD}
        _accepted(patiently(partial(person.ask, "/api/claim", owner)))
        lab = LabCamera(machine, device, person)
        fleet = Fleet(operator, lab, built, "")
        fleet.page()
        _accepted(patiently(partial(person.ask, "/api/enrol", {"token": operator.token()})))
        seen = operator.wait_for(
            operator.devices, lambda found: bool(found) and found[0]["online"], Deadline(BOOT_S), "the camera"
        )
        fleet.device_id = str(seen[0]["id"])
        person.close()
        # Now that the server knows what its fleet runs; the release that runs comes first.
        for folder in sorted((work / "releases").iterdir()):
            slot, tree = next(folder.glob("*.slot")), next(folder.glob("*.tree"))
            operator.publish(slot, tree, folder / "release.json")
        for version in plan["deltas"]:
            words = ("delta", "make", version, "--from", built.version, "--dir", str(operator.server))
            subprocess.run([sys.executable, "-m", "update_server.main", *words], check=True, stdout=sys.stderr)
        bench = Bench(fleet, built, relays)
        put(machine, "/run/guest_watch.py", Path(__file__).with_name("guest_watch.py").read_bytes())
        prepare(lab, built.layout, work, plan)
        wait_until(
            lambda: '"idle"' in lab.shell(f"cat {STATE} 2>/dev/null || true"),
            Deadline(SETTLE_S),
            "the end of the first look",
        )
        trees = " && ".join(f"test -e {TREE.format(slot)}" for slot in "ab")
        wait_until(lambda: machine.shell(trees, Deadline(BOOT_S))[0] == 0, Deadline(INVENTORY_S), "the slots' hashes")
        # A restored camera has no connections. It has to know that, or it waits on the old ones for half a minute.
        for relay in relays.values():
            relay.cut()
        time.sleep(CUT_S)
        bench.settle()
        machine.save(TAG)
        for relay in relays.values():
            relay.mend()
        yield bench


def _accepted(answer: Answer) -> None:
    if not answer.ok:
        raise SystemExit(f"the camera refuses: {answer.text}")


def main(work: Path) -> None:
    """Run everything that the plan names, in turns, so that what else the machine does meets all alike."""
    plan = json.loads((work / "plan.json").read_text())
    found: dict[str, Measured] = {}
    with camera(work, load_built(Path(plan["built"])), plan) as bench:
        for repetition in range(2 * plan["repetitions"]):
            mode = "phase" if repetition < plan["repetitions"] else "memory"
            for job in plan["jobs"]:
                ours = job["tool"] == "camward"
                if repetition > plan["repetitions"] and not ours:
                    continue  # once is enough to see what kind of thing stands beside ours
                measured = found.setdefault(job["name"], Measured())
                if ours:
                    run, text = bench.camward(job["version"], mode)
                else:
                    run, text = bench.peer(PEERS[job["tool"]], job["file"], mode)
                    if not repetition:
                        bench.verify_slot(Path(job["slot"]))
                if mode == "phase":
                    measured.runs.append(run)
                else:
                    peak_bytes, growth_bytes = memory(text, agent=ours)
                    measured.peak_bytes.append(peak_bytes)
                    measured.growth_bytes.append(growth_bytes)
                print(f"bench: {job['name']}: {mode} {run}", file=sys.stderr, flush=True)
    print(json.dumps({name: asdict(one) for name, one in found.items()}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
