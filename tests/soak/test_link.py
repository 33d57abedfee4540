"""Nothing is lost, doubled or disordered on the way to the database: `make soak PART=link`, LIVES=n MINUTES=m SEED=s.

First `LIVES` half days of the simulated camera, one fault in a hundred. Then `MINUTES` real minutes of the emulated
one, with a real broker and server: an alarm every few seconds, while the agent, the broker and the server are killed,
the cable is out, the data partition is full, and the power is cut, at moments that the seed chooses.
"""

import os
import random
import re
import secrets
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from agent.formats import envelope
from firmware_sim.image.provision import Device
from firmware_sim.qemu.deadline import Deadline, wait_until
from tests.emulated.conftest import WATCHDOG_S
from tests.emulated.fleet import UPDATE_S, Fleet, enrolled, set_clock
from tests.emulated.lab_camera import PROCESS
from tests.scenario.conftest import database
from tests.scenario.perils import HOUR_S, Perils
from tests.scenario.stage import Stage
from tests.unit.server.conftest import migrated, sqlite, sqlite_database

__all__ = ["database", "migrated", "sqlite", "sqlite_database"]

LIVES = int(os.environ.get("LIVES", "20"))
MINUTES = float(os.environ.get("MINUTES", "30"))
SEED = os.environ.get("SEED") or secrets.token_hex(4)
ALARMS = 400  # the ingest takes 500 of one camera in a day
LONGEST_S = 30.0  # between two faults
OUT_S = 20.0  # a cable, at most
KEPT = re.compile(r"soak: kept (\d+)\b")
FILL = "/data/camward/soak.fill"
ALARMING = """
from agent.app.honest_reporting import *
from agent.app import honest_reporting
from agent.formats.errors import Unavailable

class Reporting(honest_reporting.Reporting):
    # The camera, with an alarm every some seconds. It says which it keeps, once it does.

    def enrolled(self, record):
        super().enrolled(record)
        self._desk.soon("soak", self._alarm)

    def _alarm(self):
        self._desk.at("soak", self._desk.now + EVERY_S, self._alarm)
        store = self._desk.ports.store
        try:
            number = int(store.read("soak/next") or b"1")
            store.write("soak/next", b"%d" % (number + 1))
        except Unavailable:
            return
        if self.queue("alarm", {"code": "soak", "detail": str(number)}):
            print("soak: kept %d" % number, flush=True)
"""


@pytest.mark.parametrize("number", range(LIVES))
def test_half_a_day_of_faults_in_the_world(
    number: int, database: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    life = Perils(Stage(), database, tmp_path / "sealing", f"{SEED}-{number}", monkeypatch)
    life.live(12 * HOUR_S)
    life.heal()
    life.all_there()
    with capsys.disabled():
        print(f"\nSEED={SEED} life {number}: {len(life.kept)} kept, {dict(life.broker.happened)}", end="", flush=True)


@pytest.fixture
def fleet(camera_of: Callable[[str], Device], tmp_path: Path) -> Iterator[Fleet]:
    with enrolled(camera_of, tmp_path, WATCHDOG_S + 2 * 60 * MINUTES) as found:
        alarm(found)
        yield found


def alarm(fleet: Fleet) -> None:
    """From now until the next boot, the camera makes alarms."""
    every_s = max(2.0, 60 * MINUTES / ALARMS)
    fleet.lab.replace("agent/app", "reporting", ALARMING.replace("EVERY_S", str(every_s)))
    fleet.lab.restart("agent")


def kill_agent(fleet: Fleet, _chance: random.Random) -> None:
    fleet.lab.shell(PROCESS.format("agent.main run").replace("kill ", "kill -9 "))


def kill_server(fleet: Fleet, _chance: random.Random) -> None:
    process = fleet.operator._process
    assert process is not None
    process.send_signal(signal.SIGKILL)
    process.wait()
    fleet.operator.log.unlink()
    wait_until(lambda: serves(fleet), Deadline(UPDATE_S), "the server, again")


def serves(fleet: Fleet) -> bool:
    """Start it; a broker whose parent is gone may hold its port for a moment."""
    try:
        fleet.operator.serve()
    except Exception as error:
        if "taken" not in str(error):
            raise
        fleet.operator.log.unlink()
        return False
    return True


def kill_broker(fleet: Fleet, _chance: random.Random) -> None:
    """The server ends with its broker, as its supervisor has to see."""
    process = fleet.operator._process
    assert process is not None
    (broker,) = (child for child in psutil.Process(process.pid).children() if child.name() == "mosquitto")
    broker.kill()
    process.wait(UPDATE_S)
    fleet.operator.log.unlink()
    wait_until(lambda: serves(fleet), Deadline(UPDATE_S), "the server, again")


def pull_the_cable(fleet: Fleet, chance: random.Random) -> None:
    fleet.lab.machine.link(False)
    time.sleep(chance.uniform(0, OUT_S))
    fleet.lab.machine.link(True)


def fill_the_storage(fleet: Fleet, chance: random.Random) -> None:
    fleet.lab.shell(f"dd if=/dev/zero of={FILL} bs=64k 2>/dev/null; sync")
    time.sleep(chance.uniform(0, OUT_S))
    fleet.lab.shell(f"rm {FILL}")


def cut_the_power(fleet: Fleet, _chance: random.Random) -> None:
    fleet.cut()
    fleet.booted(Deadline(UPDATE_S))
    set_clock(fleet.lab)
    fleet.lab.shell(f"rm -f {FILL}")
    alarm(fleet)


FAULTS = (kill_agent, kill_server, kill_broker, pull_the_cable, fill_the_storage, cut_the_power)


def test_half_an_hour_of_the_emulated_camera(fleet: Fleet, capsys: pytest.CaptureFixture[str]):
    chance = random.Random(SEED)
    machine, kept, done = fleet.lab.machine, set[int](), dict.fromkeys((fault.__name__ for fault in FAULTS), 0)
    end = time.monotonic() + 60 * MINUTES
    faults: list[Callable[[Fleet, random.Random], None]] = []
    while time.monotonic() < end or not all(done.values()):
        faults = faults or chance.sample(FAULTS, len(FAULTS))
        time.sleep(chance.uniform(0, LONGEST_S))
        fault = faults.pop()
        fault(fleet, chance)
        done[fault.__name__] += 1
        kept.update(int(number) for number in KEPT.findall(machine.console.text()))
        with capsys.disabled():
            print(
                f"\nSEED={SEED}: {fault.__name__}, {len(kept)} kept, {len(stored(fleet))} arrived", end="", flush=True
            )
    kept.update(int(number) for number in KEPT.findall(machine.console.text()))
    wait_until(lambda: kept <= set(stored(fleet)), Deadline(UPDATE_S), "every alarm in the database")
    found = stored(fleet)
    assert len(kept) > ALARMS // 8, "the camera made few alarms"
    assert len(found) == len(set(found)), "twice"
    assert found == sorted(found), "in another order"
    assert count(fleet, "evidence") > 0
    with capsys.disabled():
        print(f"\nSEED={SEED}: {done}, {len(kept)} kept, {len(found)} arrived", end="", flush=True)


def stored(fleet: Fleet) -> list[int]:
    """The numbers of the alarms in the database, in the order of their arrival."""
    found = rows(fleet, "SELECT raw FROM message WHERE type = 'alarm' AND device_id = ? ORDER BY id")
    bodies = (envelope.parse(raw).body for (raw,) in found)
    return [int(body["detail"]) for body in bodies if body.get("code") == "soak"]


def count(fleet: Fleet, kind: str) -> int:
    (found,) = rows(fleet, f"SELECT COUNT(*) FROM message WHERE type = '{kind}' AND device_id = ?")
    return int(found[0])


def rows(fleet: Fleet, query: str) -> list[tuple[bytes]]:
    with closing(sqlite3.connect(f"file:{fleet.operator.server / 'server.db'}?mode=ro", uri=True)) as opened:
        return opened.execute(query, (fleet.device_id,)).fetchall()
