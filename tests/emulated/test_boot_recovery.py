"""A camera with one main slot beside a recovery system, on the real boot chain; then a second one of the same site.

One story, told in order: each test goes on where the one before has ended. Both cameras enrol by factory vouchers, so
nobody has to log in. `tests/scenario/test_recovery.py` and `test_neighbours.py` have every power cut and every lie.

Runs before the first test of `enrolled_fleet`, whose server keeps the ports for the rest of the session.
"""

import json
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agent.formats.boot_record import NO_TRIAL, encode
from agent.formats.neighbours import DEFAULT_PORT
from firmware_sim.demo import images
from firmware_sim.demo.operator import Operator
from firmware_sim.demo.wire import Capture, tls_records
from firmware_sim.faults.relay import Relay
from firmware_sim.image.build import BuiltImage
from firmware_sim.image.disk import factory_record
from firmware_sim.image.provision import provision
from firmware_sim.image.store import sha256_file
from firmware_sim.image.verity import hash_tree
from firmware_sim.netns import HOST_FOR_CAMERAS, NEIGHBOUR_ADDRESS
from firmware_sim.qemu.deadline import Deadline
from firmware_sim.qemu.hardware import USUAL_NETWORK, Forward
from firmware_sim.qemu.machine import Machine
from firmware_sim.qemu.provisioned import hardware_of
from tests.emulated.boot_helpers import ready, record_of
from tests.emulated.conftest import WATCHDOG_S
from tests.emulated.fleet import NEWER, PANIC, UPDATE_S

BAD = "1.0.9"
RECOVERY = "0.1.0"
FIRST, SECOND = "KW1-000051", "KW1-000052"
SERVER, NEIGHBOUR = (HOST_FOR_CAMERAS, 8443), (NEIGHBOUR_ADDRESS, DEFAULT_PORT)
OTHER_NETWORK, SECOND_ADDRESS = "10.0.3.0", "10.0.3.15"


@dataclass(frozen=True)
class Seen:
    """A camera as the server knows it; `events` are pairs of what was reported and about which version."""

    id: str
    version: str
    online: bool
    telemetry: dict[str, Any]
    events: tuple[tuple[str, str], ...]


@dataclass
class Site:
    """The operator's server with two releases published, and the first camera of the site."""

    operator: Operator
    built: BuiltImage
    newest: BuiltImage
    folder: Path
    first: Machine

    @property
    def wire(self) -> Path:
        """Every frame on the first camera's cable."""
        return self.folder / "first.pcap"

    def look(self, serial: str) -> Seen:
        """What the server knows of a camera; a look through its command line costs a second of one core."""
        path = self.operator.server / "server.db"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            query = "SELECT id, version, online, telemetry FROM device WHERE serial = ?"
            row = database.execute(query, (serial,)).fetchone()
            if row is None:
                return Seen("", "", False, {}, ())
            query = "SELECT event, to_version FROM update_event WHERE device_id = ?"
            events = tuple(database.execute(query, row[:1]))
        return Seen(row[0], row[1], bool(row[2]), json.loads(row[3]), events)

    def until(self, serial: str, wanted: Callable[[Seen], bool], what: str) -> Seen:
        """Look at a camera on the server until it is as wanted."""
        found = self.operator.wait_for(lambda: self.look(serial), wanted, Deadline(UPDATE_S), what)
        assert isinstance(found, Seen)
        return found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    home = folder / "operator"
    home.mkdir()
    for name in ("pristine", "server.offline"):
        shutil.copytree(images.operator_home() / name, home / name)
    shutil.copy2(images.operator_home() / "administrator.json", home)
    built, newest = images.load("main-1.0.0"), images.load(f"main-{NEWER}")
    with Operator(home) as operator:
        operator.begin_anew()
        without_deltas(operator.server / "server.toml")
        operator.serve()
        operator.publish(*refused_by_the_boot_loader(newest, folder))
        operator.publish(newest.slot, newest.tree, newest.release_json)
        with camera(operator, built, folder, FIRST) as first:
            found = Site(operator, built, newest, folder, first)
            first.plug_in()
            with first.capture(found.wire):
                first.power_on()
                yield found


def without_deltas(settings: Path) -> None:
    """Have the server make none: one takes as long as a boot, and is of no use here."""
    text, found = re.subn(r"(?m)^from_versions = \d+$", "from_versions = 0", settings.read_text())
    assert found == 1, "camward-server init no longer writes deltas.from_versions"
    settings.write_text(text)


@contextmanager
def camera(
    operator: Operator, built: BuiltImage, folder: Path, serial: str, network: str = USUAL_NETWORK
) -> Iterator[Machine]:
    """A new camera with a voucher, plugged in and not yet running."""
    device = provision(built, serial, folder / serial, voucher=operator.voucher(serial))
    hardware = hardware_of(device, network=network)
    with Machine(hardware, forwards=(Forward(DEFAULT_PORT),), watchdog_s=WATCHDOG_S) as machine:
        yield machine


def refused_by_the_boot_loader(good: BuiltImage, folder: Path) -> tuple[Path, Path, Path]:
    """A release that everybody has signed but the holder of the boot keys: one bit of its kernel is another.

    U-Boot refuses it at once, so that its failed trial costs no boot.
    """
    image = bytearray(good.slot.read_bytes())
    described = json.loads(good.release_json.read_text())
    image[good.layout.fit_offset + described["fit_bytes"] // 2] ^= 1
    slot, tree = folder / f"kawa-1-{BAD}.slot", folder / f"kawa-1-{BAD}.tree"
    slot.write_bytes(image)
    whole = hash_tree(slot)
    tree.write_bytes(whole.leaves)
    described["target"] |= {"name": slot.name, "sha256": sha256_file(slot)}
    described["custom"]["camward"]["version"] = BAD
    component = described["custom"]["camward"]["components"][0]
    component["tree_root"] = whole.root.hex()
    component["tree"] |= {"name": tree.name, "sha256": sha256_file(tree)}
    manifest = folder / "bad.json"
    manifest.write_text(json.dumps(described))
    return slot, tree, manifest


def pass_by(machine: Machine, *markers: str) -> None:
    """Wait for the markers, in this order."""
    for marker in markers:
        machine.console.wait_for(marker, Deadline(UPDATE_S), unless=PANIC)


def boots(machine: Machine) -> list[str]:
    """The slots whose verified root was reached since the machine was new."""
    lines = (machine.work_dir / "console.log").read_text(errors="replace").splitlines()
    return [line.split()[2] for line in lines if line.startswith("camward-init: slot") and "ready" in line]


def installed(machine: Machine, newest: BuiltImage) -> None:
    """The main slot is committed."""
    record = record_of(machine, newest)
    assert (record.active, record.trial) == ("a", NO_TRIAL)
    holds(machine, newest)


def holds(machine: Machine, newest: BuiltImage) -> None:
    """The main slot is the release to the byte; the recovery system is what the factory wrote."""
    wanted = newest.slot.read_bytes()
    assert machine.read_disk(newest.layout.slot("a"), len(wanted)) == wanted
    untouched(machine, newest)


def untouched(machine: Machine, built: BuiltImage) -> None:
    """The recovery system's slot, read from outside, is what the factory wrote."""
    place, length = built.layout.slot("b"), built.layout.length("b")
    with built.disk.open("rb") as file:
        file.seek(place)
        assert machine.read_disk(place, length) == file.read(length)


def carried(wire: Capture, source: tuple[str, int], target: str) -> int:
    """Bytes of all TCP streams from `source` to an address."""
    return sum(len(one.data) for one in wire.streams if one.source == source and one.target[0] == target)


def test_a_release_that_does_not_boot_leaves_the_camera_in_its_recovery_system(site: Site) -> None:
    first = site.first
    pass_by(first, ready("a"))
    seen = site.until(FIRST, lambda seen: seen.online and seen.version == "1.0.0", "the first camera")
    site.operator.place(seen.id, "river")
    site.operator.assign(seen.id, BAD)
    pass_by(first, "camward-boot: starting slot b", ready("b"))
    pass_by(first, "camward-boot: trial boot of slot a", "camward-boot: slot a refused", ready("b"))
    seen = site.until(FIRST, lambda seen: ("rolled_back", BAD) in seen.events, "the failed trial on the server")
    assert seen.version == RECOVERY
    record = record_of(first, site.built)
    assert (record.active, record.trial) == ("b", NO_TRIAL)
    untouched(first, site.built)
    assert boots(first) == ["a", "b", "b"]


def test_the_recovery_system_installs_the_next_order_which_is_tried_and_committed(site: Site) -> None:
    site.operator.assign(site.look(FIRST).id, NEWER)
    pass_by(site.first, "camward-boot: trial boot of slot a", ready("a"))
    site.until(FIRST, runs_newer, f"{NEWER} on the server")
    installed(site.first, site.newest)
    assert boots(site.first) == ["a", "b", "b", "a"]


def test_the_second_camera_of_the_site_fetches_the_release_from_the_first(site: Site) -> None:
    """It is in its recovery system already, as after a failed trial; its own trial is left out. Both save a boot."""
    sha256 = sha256_file(site.newest.slot)
    site.until(FIRST, lambda seen: seen.telemetry.get("serves") == sha256, "the first camera's offer")
    cost = carried(Capture(site.wire), SERVER, NEIGHBOUR[0])
    with ExitStack() as stack:
        stack.enter_context(Relay(NEIGHBOUR, ("127.0.0.1", site.first.port(DEFAULT_PORT))))
        second = stack.enter_context(camera(site.operator, site.built, site.folder, SECOND, OTHER_NETWORK))
        record = factory_record(site.built.security_epoch).replace(active="b")
        for offset in site.built.layout.boot_record:
            second.write_disk(offset, encode(record))
        second.plug_in()
        pcap = stack.enter_context(second.capture(site.folder / "second.pcap"))
        second.power_on()
        seen = site.until(SECOND, lambda seen: seen.online and seen.version == RECOVERY, "the second camera")
        site.operator.place(seen.id, "river")
        before = carried(Capture(pcap), SERVER, SECOND_ADDRESS)  # the enrolment
        site.operator.assign(seen.id, NEWER)
        pass_by(second, "camward-boot: trial boot of slot a")
        holds(second, site.newest)
        assert boots(second) == ["b"]
    wire = Capture(pcap)
    from_server, from_first = (carried(wire, source, SECOND_ADDRESS) for source in (SERVER, NEIGHBOUR))
    assert from_first > 4 * (from_server - before), (from_first, from_server, before)
    assert from_server - before < 0.2 * cost, (from_server, before, cost)
    assert "source_lied" not in dict(site.look(SECOND).events)
    assert all(tls_records(one.data) for one in wire.of_port(NEIGHBOUR[1]))


def runs_newer(seen: Seen) -> bool:
    """The newer release runs, and has been reported as committed."""
    return seen.version == NEWER and ("committed", NEWER) in seen.events
