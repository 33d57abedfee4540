"""The qcow2 overlays a machine writes to, so that its parts stay untouched and snapshots have a place."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from firmware_sim.qemu.errors import MachineError
from firmware_sim.qemu.hardware import FLASH_BYTES, Hardware

TOOL_S = 120.0
"""qemu-img on a loaded machine: it moves 300 MB at most."""


def create(hardware: Hardware, folder: Path) -> dict[str, Path]:
    """Make an overlay for each part that is a block device; one that is in `folder` already is gone on with.

    Returns:
        Overlay files by part name.

    Raises:
        MachineError: code `disk_full`, `missing_file` or `qemu_failed`.
    """
    overlays: dict[str, Path] = {}
    for name, base in hardware.files().items():
        if name == "dtb":
            continue
        overlay = folder / f"{name}.qcow2"
        size = [str(FLASH_BYTES)] if name.startswith("flash") else []
        backing = ["-b", str(base.resolve()), "-F", "raw"]
        overlays[name] = overlay
        if overlay.is_file():
            continue
        _tool(["qemu-img", "create", "-q", "-f", "qcow2", *backing, str(overlay), *size])
    return overlays


def copy(source: Path, folder: Path) -> dict[str, Path]:
    """Copy the overlays kept in `source` (holes stay holes) into `folder`.

    Raises:
        MachineError: code `disk_full`, `missing_file` or `qemu_failed`.
    """
    overlays: dict[str, Path] = {}
    for path in sorted(source.glob("*.qcow2")):
        target = folder / path.name
        _tool(["cp", "--sparse=always", "--reflink=auto", str(path), str(target)])
        overlays[path.stem] = target
    return overlays


def read(overlay: Path, offset: int, length: int) -> bytes:
    """Return `length` bytes of the device from byte `offset`.

    A running machine must be paused, which also flushes what QEMU holds back. Beyond the device's end nothing is
    returned.

    Raises:
        MachineError: code `qemu_failed`.
    """
    target = overlay.with_suffix(".read")
    # One block is the greatest common step, so that any 512-byte aligned range is read in few operations.
    block = next(size for size in (1 << 20, 4096, 512, 1) if offset % size == 0 and length % size == 0)
    # `qemu-img dd` counts from the start of the device, not from where it begins to read.
    place = [f"bs={block}", f"skip={offset // block}", f"count={(offset + length) // block}"]
    _tool(["qemu-img", "dd", "-U", "-f", "qcow2", "-O", "raw", *place, f"if={overlay}", f"of={target}"])
    try:
        return target.read_bytes()[:length]
    finally:
        target.unlink()


def write(overlay: Path, offset: int, data: bytes) -> None:
    """Write `data` at byte `offset` of a machine that is switched off.

    Raises:
        MachineError: code `qemu_failed`, also when a running machine holds the overlay.
    """
    source = overlay.with_suffix(".write")
    source.write_bytes(data)
    try:
        _tool(["qemu-io", "-f", "qcow2", "-c", f"write -q -s {source} {offset} {len(data)}", str(overlay)])
    finally:
        source.unlink()


def _tool(argv: Sequence[str]) -> str:
    if shutil.which(argv[0]) is None:
        raise MachineError("missing_tool", f"{argv[0]} is not installed", "run `make setup` or install qemu-utils")
    try:
        done = subprocess.run(list(argv), capture_output=True, text=True, timeout=TOOL_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise MachineError("qemu_failed", f"{argv[0]} did not end in {TOOL_S:.0f} s") from error
    if done.returncode != 0:
        output = (done.stderr or done.stdout).strip()
        if "No space left" in output:
            raise MachineError("disk_full", "the disk is full", "free some space, e.g. `make clean`")
        if "No such file" in output:
            raise MachineError("missing_file", output, "run `make images`")
        raise MachineError("qemu_failed", f"{argv[0]} failed: {output}")
    return done.stdout
