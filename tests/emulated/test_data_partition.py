"""A camera whose data partition is encrypted and authenticated, its key in the TPM; beside it one with a plain one.

The machines start cold: a machine with a TPM takes no snapshots.
"""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from agent.formats import data_area
from firmware_sim.demo import images
from firmware_sim.demo.person import Person, is_jpeg
from firmware_sim.image.build import BuiltImage
from firmware_sim.image.provision import Device
from firmware_sim.netns import PERSON_ADDRESS
from firmware_sim.qemu.deadline import Deadline
from firmware_sim.qemu.hardware import Hardware
from firmware_sim.qemu.machine import Machine
from firmware_sim.qemu.provisioned import hardware_of
from tests.emulated.conftest import FRONT, WATCHDOG_S, until_ready
from tests.emulated.lab_camera import AGENT, BOOT_S, PASSWORD, USER, LabCamera, claim, place_of, put

CANARY_FILE = "/data/camward/evidence/KANARIENVOGEL"
CANARY = b"ein Kanarienvogel singt. " * 400  # some blocks
NEEDLES = (b"KANARIENVOGEL", b"ein Kanarienvogel singt", b'"' + USER.encode() + b'"', b"rollback_index", b"web.json")
"""The canary's name and content, a user's name in a document, and names of files."""
SECTOR_BYTES = 512
PADDING_BYTES = 128 * 1024  # of a run of dm-integrity's metadata, without its option fix_padding
LOCKED = "the data partition does not mount; the camera is locked"
ANEW = "camward-data: the data partition is made anew"
FORMATTED = "camward-data: the data partition was formatted"
BLOCK_OF = """
import fcntl, struct, sys
with open(sys.argv[1], "rb") as file:
    print("block", struct.unpack("i", fcntl.ioctl(file, 1, struct.pack("i", 0)))[0])
"""
"""FIBMAP (linux/fs.h): where a file's first block lies in its file system."""


@contextmanager
def on(hardware: Hardware, work_dir: Path) -> Iterator[Machine]:
    with Machine(hardware, forwards=FRONT, watchdog_s=WATCHDOG_S, work_dir=work_dir) as machine:
        machine.power_on()
        yield machine


def guarded(camera_of: Callable[[str], Device], folder: Path) -> Hardware:
    return hardware_of(camera_of("tpm-1.0.0"), shell=True, tpm=folder / "chip")


def plain(camera_of: Callable[[str], Device]) -> Hardware:
    return hardware_of(camera_of("lab-1.0.0"), shell=True)


def sh(machine: Machine, command: str) -> str:
    status, text = machine.shell(command, Deadline(BOOT_S))
    assert status == 0, f"{command}: {text}"
    return text.strip()


def settled(machine: Machine) -> None:
    """Write everything where it belongs: the power is cut, and the next start has replayed the journals."""
    sh(machine, "sync")
    for _ in range(2):
        machine.power_cut()
        machine.console.skip()
        machine.power_on()
        until_ready(machine)
        sh(machine, "sync")
    machine.power_cut()
    machine.console.skip()


def partition(machine: Machine, layout_of: BuiltImage) -> bytes:
    """What lies on the data partition of a machine without power."""
    layout = layout_of.layout
    return machine.read_disk(layout.data_offset, layout.data_bytes)


def with_canary(machine: Machine, device: Device, folder: Path) -> None:
    until_ready(machine)
    claim(machine, device, folder)
    put(machine, CANARY_FILE, CANARY)
    sh(machine, f"chmod 600 {CANARY_FILE}")


def is_claimed(machine: Machine, folder: Path) -> bool:
    with Person(place_of(machine), PERSON_ADDRESS, folder) as person:
        person.meet(Deadline(BOOT_S))
        return is_jpeg(person.snapshot(USER, PASSWORD))


def test_what_a_camera_knows_is_not_on_its_flash_and_a_changed_sector_is_not_read(
    camera_of: Callable[[str], Device], tmp_path: Path
):
    built, device = images.load("tpm-1.0.0"), camera_of("tpm-1.0.0")
    with on(guarded(camera_of, tmp_path), tmp_path / "machine") as machine:
        machine.console.wait_for(FORMATTED, Deadline(BOOT_S), unless=(LOCKED, "Kernel panic"))
        with_canary(machine, device, tmp_path)
        with Person(place_of(machine), PERSON_ADDRESS, tmp_path) as person:
            facts = LabCamera(machine, device, person).evidence()
        found = facts["facts"]["data_encryption"]
        assert (found["encrypted"], found["authenticated"]) == (True, True)
        assert len(found["not_resisted"]) == 5
        assert "the wires of the TPM are listened to" in found["not_resisted"]
        assert next(one for one in facts["findings"] if one["criterion"] == "S1.1-11")["verdict"] == "PASS"
        settled(machine)
        data = partition(machine, built)
        assert [needle for needle in NEEDLES if needle in data[data_area.AREA_BYTES :]] == []
        before_area = data[: data_area.AREA_BYTES]
        assert [needle for needle in NEEDLES if needle in before_area] == []
        assert device.serial.encode() in before_area, "the label lies in the clear, as printed on the case"

        machine.power_on()
        until_ready(machine)
        assert is_claimed(machine, tmp_path), "a restart keeps it"
        assert sh(machine, f"cat {CANARY_FILE}").encode() == CANARY.strip()
        at = built.layout.data_offset + data_area.AREA_BYTES + physical(machine)
        sh(machine, "sync")
        machine.power_cut()
        flip(machine, at)
        machine.console.skip()
        machine.power_on()
        until_ready(machine)
        status, text = machine.shell(f"cat {CANARY_FILE}", Deadline(BOOT_S))
        assert status != 0, "refused"
        assert "Kanarienvogel" not in text
        assert is_claimed(machine, tmp_path), "what was not touched goes on"
        machine.power_cut()

        # dm-integrity's superblock: nothing opens, and nothing is formatted by itself.
        flip(machine, built.layout.data_offset + data_area.AREA_BYTES)
        machine.console.skip()
        machine.power_on()
        machine.console.wait_for(LOCKED, Deadline(BOOT_S), unless=(ANEW,))
        until_ready(machine)
        status, text = machine.shell(f"{AGENT} status", Deadline(BOOT_S))
        assert "data_damaged" in text
        with Person(place_of(machine), PERSON_ADDRESS, tmp_path) as person:
            person.meet(Deadline(BOOT_S))
            answer = person.ask("/api/claim", {"code": device.code, "user": USER, "password": PASSWORD})
            assert not answer.ok, "locked, never unclaimed"
        press(machine)
        for told in ("the button was pressed five times", ANEW, FORMATTED):
            machine.console.wait_for(told, Deadline(BOOT_S), unless=(LOCKED, "Kernel panic"))
        with_canary(machine, device, tmp_path)


def test_on_a_plain_partition_the_same_is_found_and_the_changed_sector_is_read(
    camera_of: Callable[[str], Device], tmp_path: Path
):
    """The control of the test before."""
    built, device = images.load("lab-1.0.0"), camera_of("lab-1.0.0")
    with on(plain(camera_of), tmp_path / "machine") as machine:
        with_canary(machine, device, tmp_path)
        with Person(place_of(machine), PERSON_ADDRESS, tmp_path) as person:
            found = LabCamera(machine, device, person).evidence()["facts"]["data_encryption"]
        assert found == {"encrypted": False, "authenticated": False, "not_resisted": ["the whole storage is read"]}
        settled(machine)
        data = partition(machine, built)
        assert [needle for needle in NEEDLES if needle not in data] == []
        machine.power_on()
        until_ready(machine)
        at = built.layout.data_offset + block_of(machine) * data_area.FS_BLOCK_BYTES
        machine.power_cut()
        flip(machine, at)
        machine.power_on()
        until_ready(machine)
        status, text = machine.shell(f"cat {CANARY_FILE}", Deadline(BOOT_S))
        assert status == 0
        assert text.strip().encode() != CANARY.strip(), "altered, and read all the same"


def test_after_an_erase_an_older_copy_opens_nothing_and_so_does_any_copy_beside_another_tpm(
    camera_of: Callable[[str], Device], tmp_path: Path
):
    device, hardware = camera_of("tpm-1.0.0"), guarded(camera_of, tmp_path)
    with on(hardware, tmp_path / "machine") as machine:
        with_canary(machine, device, tmp_path)
        index = sh(machine, "cat /data/camward/trust/rollback_index")
        sh(machine, "sync")
        machine.power_cut()
        for name in ("control", "older", "foreign"):
            shutil.copytree(tmp_path / "machine", tmp_path / name)
        with on(hardware, tmp_path / "control") as control:
            until_ready(control)
            assert sh(control, f"cat {CANARY_FILE}").encode() == CANARY.strip(), (
                "the control: before the erase it opens"
            )
        with on(replace(hardware, tpm=tmp_path / "the-thiefs-chip"), tmp_path / "foreign") as foreign:
            nothing_opens(foreign)

        machine.console.skip()
        machine.power_on()
        until_ready(machine)
        sh(machine, f"{AGENT} erase --yes")
        for told in (ANEW, FORMATTED, "camward-agent: erase is done", "camward-agent: ready"):
            machine.console.wait_for(told, Deadline(BOOT_S), unless=(LOCKED, "Kernel panic"))
        assert sh(machine, f"ls {CANARY_FILE} || echo none").endswith("none")
        assert sh(machine, "cat /data/camward/trust/rollback_index") == index
        assert '"erase"' in sh(machine, "cat /data/camward/evidence/history.json")
        claim(machine, device, tmp_path)
        machine.power_cut()
        with on(hardware, tmp_path / "older") as older:
            nothing_opens(older)
        machine.console.skip()
        machine.power_on()
        until_ready(machine)
        assert is_claimed(machine, tmp_path), "what the next owner has set lasts"


def test_a_power_cut_at_any_moment_of_the_first_formatting_leaves_one_that_begins_again(
    camera_of: Callable[[str], Device], tmp_path: Path
):
    device, cut_in_the_middle = camera_of("tpm-1.0.0"), 0
    with Machine(
        guarded(camera_of, tmp_path), forwards=FRONT, watchdog_s=WATCHDOG_S, work_dir=tmp_path / "machine"
    ) as machine:
        for delay_s in (0.0, 0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 9.0):
            machine.console.skip()
            machine.power_on()
            machine.console.wait_for(ANEW, Deadline(BOOT_S), unless=(LOCKED, "Kernel panic"))
            time.sleep(delay_s)
            machine.power_cut()
            if FORMATTED in machine.console.text():
                break  # as is: a camera that may have been cut off right behind its end
            cut_in_the_middle += 1
        assert cut_in_the_middle >= 3, "or the cuts came too late to show anything"
        machine.console.skip()
        machine.power_on()
        with_canary(machine, device, tmp_path)
        machine.power_cut()
        machine.console.skip()
        machine.power_on()
        until_ready(machine)
        assert is_claimed(machine, tmp_path)


def nothing_opens(machine: Machine) -> None:
    """It says so, is locked, and has not been formatted: put back beside its TPM, it would open."""
    machine.console.wait_for(LOCKED, Deadline(BOOT_S), unless=(ANEW, "Kernel panic"))
    machine.console.wait_for("camward-agent: ready", Deadline(BOOT_S), unless=("Kernel panic",))
    assert sh(machine, f"ls {CANARY_FILE} || echo none").endswith("none")


def block_of(machine: Machine) -> int:
    """Of the canary's first block, in its file system."""
    put(machine, "/run/block.py", BLOCK_OF.encode())
    return int(sh(machine, f"python3 /run/block.py {CANARY_FILE}").split("block")[1])


def physical(machine: Machine) -> int:
    """Where dm-integrity keeps the canary's first block, in bytes behind the plain area (its metadata lies between)."""
    options = dict(
        word.split(":") for word in sh(machine, "dmsetup table data-integrity").split() if word.count(":") == 1
    )
    interleave = int(options["interleave_sectors"])
    sector = block_of(machine) * data_area.FS_BLOCK_BYTES // SECTOR_BYTES
    area, offset = divmod(sector, interleave)
    tags = interleave * SECTOR_BYTES // data_area.FS_BLOCK_BYTES * 48
    run = (tags + PADDING_BYTES - 1) // PADDING_BYTES * PADDING_BYTES // SECTOR_BYTES
    first = 8 + int(options["journal_sectors"])  # behind superblock and journal
    return (first + (area + 1) * run + area * interleave + offset) * SECTOR_BYTES


def flip(machine: Machine, at: int) -> None:
    """Change one sector of a machine without power."""
    before = machine.read_disk(at, SECTOR_BYTES)
    machine.write_disk(at, bytes([before[0] ^ 1]) + before[1:])


def press(machine: Machine) -> None:
    """Five presses of the button."""
    machine.console.skip()
    for _ in range(5):
        machine.monitor.execute("system_powerdown")
        time.sleep(0.5)
