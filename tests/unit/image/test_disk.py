"""The data partition of a new camera outlives a cut in the middle of its superblock."""

import shutil
import subprocess
from pathlib import Path

import pytest

from firmware_sim.image.disk import make_data
from firmware_sim.image.model import Layout

LAYOUT = Layout("ab-1", "/dev/vda", 4096, [65536, 131072], 1 << 20, 1 << 20, 1 << 19, 8 << 20)
SUPERBLOCK, SECTOR_BYTES = 1024, 512


def run(*command: object) -> int:
    return subprocess.run([str(word) for word in command], capture_output=True, check=False).returncode


def torn(old: Path, new: Path, sector: int) -> bytes:
    """The new superblock, but for one sector."""
    at = SUPERBLOCK + sector * SECTOR_BYTES
    before, after = old.read_bytes(), bytearray(new.read_bytes())
    after[at : at + SECTOR_BYTES] = before[at : at + SECTOR_BYTES]
    return bytes(after)


@pytest.mark.parametrize("sector", [0, 1])
def test_a_superblock_of_which_one_sector_is_older_still_mounts(tmp_path: Path, sector: int):
    old, new = tmp_path / "old.img", tmp_path / "new.img"
    make_data(old, LAYOUT)
    shutil.copyfile(old, new)
    assert run("tune2fs", "-C", "7", "-E", "mount_opts=noatime", new) == 0
    assert new.read_bytes() != old.read_bytes()
    new.write_bytes(torn(old, new, sector))
    assert run("e2fsck", "-f", "-n", new) == 0


def test_control_with_checksums_it_does_not(tmp_path: Path):
    old, new = tmp_path / "old.img", tmp_path / "new.img"
    make_data(old, LAYOUT)
    assert run("tune2fs", "-O", "metadata_csum", old) == 0
    shutil.copyfile(old, new)
    assert run("tune2fs", "-C", "7", new) == 0
    new.write_bytes(torn(old, new, 1))
    assert run("e2fsck", "-f", "-n", new) != 0
