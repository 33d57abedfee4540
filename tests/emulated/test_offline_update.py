"""A real emulated camera without an operator is updated from one file at its console; no server runs.

One camera's life, told in order: what is refused first, then the bundle that installs.
"""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from agent.formats.boot_record import NO_TRIAL, newer
from firmware_sim.demo import images
from firmware_sim.demo.operator import Operator
from firmware_sim.demo.steps_camera import patiently
from firmware_sim.image.build import BuiltImage
from firmware_sim.image.provision import Device
from firmware_sim.qemu.deadline import Deadline, wait_until
from tests.emulated.fleet import NEWER, PANIC, RECORD_BYTES, UPDATE_S
from tests.emulated.lab_camera import AGENT, ANSWER_S, BOOT_S, PASSWORD, USER, LabCamera, claimed

USB = "/run/usb"
STICK = f"{USB}/stick.bundle"
"""Where the lab puts what would lie on a stick: memory stands in for it, the data partition has no room."""


@dataclass
class Manufacturer:
    """Whoever has made the bundle, on a machine that the camera never reaches."""

    operator: Operator
    newest: BuiltImage
    bundle: Path


@pytest.fixture(scope="module")
def manufacturer(tmp_path_factory: pytest.TempPathFactory) -> Manufacturer:
    home = tmp_path_factory.mktemp("manufacturer")
    made = images.operator_home()
    for name in ("pristine", "server.offline"):
        shutil.copytree(made / name, home / name)
    shutil.copy2(made / "administrator.json", home)
    operator, newest = Operator(home), images.load(f"product-{NEWER}")
    operator.begin_anew()
    operator.publish(newest.slot, newest.tree, newest.release_json)
    bundle = home / "kawa.bundle"
    command = [sys.executable, "-m", "update_server.main", "bundle", "make", NEWER, "-o", str(bundle)]
    subprocess.run([*command, "--dir", str(operator.server)], check=True, capture_output=True, timeout=UPDATE_S)
    return Manufacturer(operator, newest, bundle)


@pytest.fixture(scope="module")
def lab(camera_of: Callable[[str], Device], tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabCamera]:
    with claimed(camera_of, tmp_path_factory.mktemp("owner")) as found:
        found.shell(f"mkdir -p {USB} && mount -t tmpfs -o size=80m none {USB}")
        yield found


def refused(lab: LabCamera) -> str:
    """What the command line says of the file on the stick."""
    status, text = lab.machine.shell(f"{AGENT} install {STICK}", Deadline(ANSWER_S))
    assert status == 1, text
    return text.strip().splitlines()[-1]


def digests(lab: LabCamera, newest: BuiltImage) -> list[str]:
    """Of the inactive slot and of both copies of the boot record, read from outside."""
    layout = newest.layout
    places = [(layout.slot("b"), newest.slot.stat().st_size), *((at, RECORD_BYTES) for at in layout.boot_record)]
    return [hashlib.sha256(lab.machine.read_disk(at, length)).hexdigest() for at, length in places]


def test_a_bundle_that_was_cut_off_is_refused_at_the_console(lab: LabCamera, manufacturer: Manufacturer) -> None:
    before = digests(lab, manufacturer.newest)
    with manufacturer.bundle.open("rb") as file:
        lab.put(STICK, file.read(512 * 1024))
    assert refused(lab).startswith("camward-agent: format: ")
    assert digests(lab, manufacturer.newest) == before


def test_an_upload_that_the_data_partition_cannot_hold_is_refused_before_it_begins(
    lab: LabCamera, manufacturer: Manufacturer
) -> None:
    """This model's partition is as large as a slot."""
    answer = patiently(partial(lab.person.ask, "/api/login", {"user": USER, "password": PASSWORD}))
    assert answer.ok, answer.text
    answer = lab.person.upload(manufacturer.bundle.read_bytes())
    assert answer.status == 400
    assert answer.body["detail"].startswith(f"no_room: the bundle has {manufacturer.bundle.stat().st_size} bytes")
    assert lab.shell("ls /data/camward/bundle") == ""


def test_a_bundle_is_installed_at_the_console_tried_and_committed(lab: LabCamera, manufacturer: Manufacturer) -> None:
    newest, person, console = manufacturer.newest, lab.person, lab.machine.console
    lab.put(STICK, manufacturer.bundle.read_bytes())
    assert f"{NEWER}: the signatures are good" in lab.shell(f"{AGENT} install {STICK} --no-wait")
    deadline = Deadline(UPDATE_S)
    console.wait_for("camward-boot: starting slot b", deadline, unless=PANIC)
    console.wait_for("camward-agent: healthy", deadline, unless=PANIC)

    def committed() -> bool:
        copies = [lab.machine.read_disk(offset, RECORD_BYTES) for offset in newest.layout.boot_record]
        record, _ = newer(copies[0], copies[1])
        return record is not None and (record.active, record.trial) == ("b", NO_TRIAL)

    wait_until(committed, deadline, "the commit")
    wanted = newest.slot.read_bytes()
    assert lab.machine.read_disk(newest.layout.slot("b"), len(wanted)) == wanted
    person.close()
    person.meet(Deadline(BOOT_S))
    answer = patiently(partial(person.ask, "/api/login", {"user": USER, "password": PASSWORD}))
    assert answer.ok, answer.text
    device = person.ask("/api/device").body
    assert (device["version"], device["slot"], device["server"]) == (NEWER, "b", "")
