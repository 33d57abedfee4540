"""What boots at all: signatures over kernel and initramfs, verity under the root. The untampered twins boot."""

import json
import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.formats.boot_record import FRESH
from firmware_sim.image import BuiltImage
from firmware_sim.image.bootkeys import make_key
from firmware_sim.image.model import BLOCK_BYTES
from firmware_sim.image.store import default_store
from firmware_sim.image.verity import hash_tree
from tests.emulated.boot_helpers import UP, Disk, image, of_epoch_2, ready, record_of, starts, successor, wait

COMMITTED_A = FRESH.replace(generation=7, rollback_index=1)
KERNEL_AT = 1 << 20  # inside the kernel: it begins 200 bytes into the FIT and has 31 MB
INITRAMFS_AT = 31 << 20


def fit_of(built: BuiltImage) -> bytes:
    return built.slot.read_bytes()[built.layout.fit_offset :]


def kernel_flipped(fit: bytes) -> bytes:
    return fit[:KERNEL_AT] + bytes([fit[KERNEL_AT] ^ 1]) + fit[KERNEL_AT + 1 :]


def initramfs_flipped(fit: bytes) -> bytes:
    return fit[:INITRAMFS_AT] + bytes([fit[INITRAMFS_AT] ^ 1]) + fit[INITRAMFS_AT + 1 :]


def _with_tool(fit: bytes, folder: Path, *command: str) -> bytes:
    path = folder / "work.itb"
    path.write_bytes(fit)
    subprocess.run([command[0], *command[1:]], check=True, cwd=folder, capture_output=True)
    return path.read_bytes()


def rollback_index_raised(fit: bytes, folder: Path) -> bytes:
    return _with_tool(fit, folder, "fdtput", "-t", "i", "work.itb", "/", "rollback-index", "9")


def signature_removed(fit: bytes, folder: Path) -> bytes:
    return _with_tool(fit, folder, "fdtput", "-r", "work.itb", "/configurations/conf/signature-1")


def signed_by_a_stranger(fit: bytes, folder: Path) -> bytes:
    for name in ("boot1", "boot2"):
        make_key(folder / f"{name}.key", folder / f"{name}.crt")
    unsigned = signature_removed(fit, folder)
    (folder / "work.itb").write_bytes(unsigned)
    for words in (
        ["-p", "work.itb", "/configurations/conf/signature-1", "algo", "-t", "s", "sha256,rsa2048"],
        ["work.itb", "/configurations/conf/signature-1", "key-name-hint", "-t", "s", "boot1"],
        ["work.itb", "/configurations/conf/signature-1", "sign-images", "-t", "s", "kernel", "ramdisk"],
    ):
        options = [word for word in words if word.startswith("-p")]
        rest = [word for word in words if word not in ("-p", "-t", "s")]
        subprocess.run(["fdtput", *options, "-t", "s", *rest], check=True, cwd=folder)
    subprocess.run(["mkimage", "-F", "-k", ".", "-r", "work.itb"], check=True, cwd=folder, capture_output=True)
    return (folder / "work.itb").read_bytes()


TAMPERED: dict[str, Callable[[bytes, Path], bytes]] = {
    "kernel bit flipped": lambda fit, _: kernel_flipped(fit),
    "initramfs bit flipped": lambda fit, _: initramfs_flipped(fit),
    "rollback index raised": rollback_index_raised,
    "signature removed": signature_removed,
    "signed by a stranger": signed_by_a_stranger,
    "header destroyed": lambda fit, _: b"\xd0\x0d\xfe\xed" + b"\xff" * 4096 + fit[4100:],
    "size beyond the memory": lambda fit, _: fit[:4] + b"\x7f\xff\xff\xf0" + fit[8:],
    "empty": lambda fit, _: b"",
}


@pytest.mark.parametrize("what", TAMPERED)
def test_a_tampered_fit_is_refused_and_the_other_slot_boots(tmp_path: Path, what: str):
    disk = Disk(tmp_path, image(), COMMITTED_A)
    disk.slot("b", image())
    disk.fit("a", TAMPERED[what](fit_of(disk.built), tmp_path))
    with disk.machine() as machine:
        assert "slot a refused" in starts(machine, "b")


def test_the_untampered_twin_boots(tmp_path: Path):
    disk = Disk(tmp_path, image(), COMMITTED_A)
    disk.slot("b", image())
    disk.fit("a", fit_of(disk.built))
    with disk.machine() as machine:
        assert "refused" not in starts(machine, "a")


def test_a_fit_signed_again_with_our_key_boots(tmp_path: Path):
    # The control of "signed by a stranger": the same steps with the right key.
    keys = default_store().keys
    disk = Disk(tmp_path, image(), COMMITTED_A)
    for path in keys.iterdir():
        shutil.copy(path, tmp_path)
    (tmp_path / "work.itb").write_bytes(fit_of(disk.built))
    subprocess.run(["mkimage", "-F", "-k", ".", "-r", "work.itb"], check=True, cwd=tmp_path, capture_output=True)
    disk.fit("a", (tmp_path / "work.itb").read_bytes())
    with disk.machine() as machine:
        assert "refused" not in starts(machine, "a")


def test_the_second_boot_key_is_accepted(tmp_path: Path):
    disk = Disk(tmp_path, of_epoch_2(), COMMITTED_A)
    with disk.machine() as machine:
        text = starts(machine, "a")
        assert "slot a refused" not in text
        assert "sha256,rsa2048:boot2+ OK" in text


@pytest.mark.parametrize("where", ["superblock", "root folder", "verity tree"])
def test_a_flipped_bit_under_the_root_ends_a_trial_and_the_old_slot_boots(tmp_path: Path, where: str):
    other = successor()
    disk = Disk(tmp_path, image(), COMMITTED_A.replace(trial="b", left=10, fails=2))
    disk.slot("b", other)
    root_bytes = _root_bytes(other)
    place = {"superblock": 1064, "root folder": _root_folder(other), "verity tree": root_bytes + 100}[where]
    disk.flip("b", place)
    with disk.machine() as machine:
        starts(machine, "b")
        wait(machine, "is corrupted", "starting slot a")
        starts(machine, "a")
        assert (record_of(machine, disk.built).fails, record_of(machine, disk.built).resets) == (3, 0)


def test_a_committed_slot_that_fails_verity_gives_way_after_three_panics(tmp_path: Path):
    disk = Disk(tmp_path, image(), COMMITTED_A.replace(resets=2))
    disk.slot("b", image())
    disk.flip("a", 40)
    with disk.machine() as machine:
        starts(machine, "a")
        assert record_of(machine, disk.built).resets == 2
        wait(machine, "is corrupted", "starting slot b")
        text = starts(machine, "b")
        assert "slot a was reset three times without a word" in text
        now = record_of(machine, disk.built)
        assert (now.active, now.gave, now.tries, now.resets) == ("b", "r", 1, 0)


def test_the_root_hash_of_another_image_is_of_no_use(tmp_path: Path):
    # The FIT is genuine, the root is genuine, but they are not of one release.
    disk = Disk(tmp_path, image(), COMMITTED_A.replace(trial="b", left=10, fails=2))
    disk.slot("b", successor())
    disk.fit("b", fit_of(disk.built))
    with disk.machine() as machine:
        starts(machine, "b")
        wait(machine, "is corrupted", "starting slot a")
        starts(machine, "a")


def test_typing_on_the_console_does_not_stop_the_boot(tmp_path: Path):
    disk = Disk(tmp_path, image(), COMMITTED_A)
    with disk.machine() as machine:
        machine.console.send("\x03\x03 \n\r\x1b \x03" * 20)
        for marker in (
            "Loading Environment",
            "Net:",
            "camward-boot: starting slot a",
            "Loading kernel",
            "Starting kernel",
            ready("a"),
            UP,
        ):
            wait(machine, marker)
            machine.console.send("\x03 \r\nboot\r\n\x1b\x03 reset\r\n" * 20)
        text = machine.console.text()
        assert "Hit any key" not in text
        assert text.count("U-Boot 20") == 1


def _root_bytes(built: BuiltImage) -> int:
    return int(json.loads(built.release_json.read_text())["root_bytes"])


def _root_folder(built: BuiltImage) -> int:
    """Where the inode of the root folder lies (EROFS on-disk format: number and first block in the superblock)."""
    with built.slot.open("rb") as slot:
        slot.seek(1024)
        superblock = slot.read(128)
    number, first_block = struct.unpack_from("<H", superblock, 14)[0], struct.unpack_from("<I", superblock, 40)[0]
    return int(first_block * BLOCK_BYTES + number * 32)


def test_the_slots_tree_is_what_the_initramfs_trusts(tmp_path: Path):
    # veritysetup, written by others, agrees with our tree over the root.
    built = image()
    size = _root_bytes(built)
    root, tree = tmp_path / "root", tmp_path / "tree"
    with built.slot.open("rb") as slot:
        root.write_bytes(slot.read(size))
        nodes = hash_tree(root).nodes
        assert slot.read(len(nodes)) == nodes
    done = subprocess.run(
        ["veritysetup", "format", "--no-superblock", "--salt=-", "--hash=sha256", root, tree],
        check=True,
        capture_output=True,
        text=True,
    )
    assert hash_tree(root).root.hex() in done.stdout
    assert tree.read_bytes() == nodes
