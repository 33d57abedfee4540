"""Judges the disks that a power cut could have left, without booting them: boot record, slots, data partition.

Slots are followed block by block while a log is replayed, so that each of thousands of states costs what it changes.
The data partition is repaired by the file system's own tools on a copy, as the kernel would do it when it mounts.
"""

import hashlib
import mmap
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from agent.app.update_state import FRESH, State, decode
from agent.formats.block_tree import BLOCK_BYTES, HASH_BYTES
from agent.formats.boot_record import NO_TRIAL, RECORD_BYTES, newer
from firmware_sim.image.build import BuiltImage
from firmware_sim.qemu.write_log import Crash, Entry, Replay

TOOL_S = 120
JOURNAL_HEAD_BYTES = 33
STATE_FOLDER = "/camward/update"


class SlotWatch:
    """Which blocks of one slot are not what its release says; kept up to date by `touched`."""

    def __init__(self, disk: mmap.mmap, offset: int, leaves: bytes) -> None:
        self._disk = disk
        self._offset = offset
        self._leaves = leaves
        self._count = len(leaves) // HASH_BYTES
        self.wrong: set[int] = set()
        self.touched(offset, self._count * BLOCK_BYTES)

    def touched(self, offset: int, length: int) -> None:
        """Hash again what lies in this piece of the disk."""
        first = max(0, (offset - self._offset) // BLOCK_BYTES)
        last = min(self._count - 1, (offset + length - 1 - self._offset) // BLOCK_BYTES)
        for block in range(first, last + 1):
            at = self._offset + block * BLOCK_BYTES
            found = hashlib.sha256(self._disk[at : at + BLOCK_BYTES]).digest()
            if found == self._leaves[block * HASH_BYTES : (block + 1) * HASH_BYTES]:
                self.wrong.discard(block)
            else:
                self.wrong.add(block)


class Judge:
    """What must hold in every state of one camera's disk.

    Args:
        disk: the mapped disk, which a replay changes.
        old: the image in slot A, in which the update begins.
        new: the image that is installed into slot B.
    """

    def __init__(self, disk: mmap.mmap, old: BuiltImage, new: BuiltImage, folder: Path) -> None:
        self.disk = disk
        self._layout = old.layout
        self._folder = folder
        self.slots = {
            "a": SlotWatch(disk, old.layout.slot("a"), old.tree.read_bytes()),
            "b": SlotWatch(disk, old.layout.slot("b"), new.tree.read_bytes()),
        }
        self.named: set[tuple[str, str]] = set()  # active and trial slot of every state
        self.head_touched = False  # since `data_is_whole`: what the kernel reads before it replays the journal

    def touched(self, offset: int, length: int) -> None:
        """A piece of the disk has changed."""
        for watch in self.slots.values():
            watch.touched(offset, length)
        if offset < self._layout.data_offset + BLOCK_BYTES and self._layout.data_offset < offset + length:
            self.head_touched = True

    def boots_a_verified_slot(self) -> str:
        """Empty if the boot record is there, and every slot that it may start verifies; else what is wrong."""
        copies = [self.disk[at : at + RECORD_BYTES] for at in self._layout.boot_record]
        record, _ = newer(*copies)
        if record is None:
            return "both copies of the boot record are damaged"
        self.named.add((record.active, record.trial))
        for slot in (record.active, record.trial):
            if slot != NO_TRIAL and self.slots[slot].wrong:
                return f"slot {slot} may be started, and {len(self.slots[slot].wrong)} of its blocks are wrong"
        return ""

    def data_is_whole(self) -> str:
        """Empty if the data partition mounts, its state reads, and its journal names no block that is missing."""
        self.head_touched = False
        data = self._folder / "data.img"
        begin = self._layout.data_offset
        with data.open("wb") as file:
            file.write(self.disk[begin : begin + self._layout.data_bytes])
        replayed = _tool("e2fsck", "-p", data)
        if replayed.returncode > 1:
            return f"the file system cannot be recovered: {replayed.stdout}"
        checked = _tool("e2fsck", "-f", "-n", data)
        if checked.returncode:
            return f"the recovered file system is damaged: {checked.stdout}"
        state, journal = document(data, "state.json"), document(data, "progress.bin")
        if not state:
            return ""
        release = decode(state).release
        if release is None or journal[: HASH_BYTES + 1] != bytes.fromhex(release["tree_root"]) + b"b":
            return ""
        bits = journal[JOURNAL_HEAD_BYTES:]
        lost = [block for block in self.slots["b"].wrong if bits[block // 8] >> block % 8 & 1]
        return f"{len(lost)} journalled blocks are not on the medium" if lost else ""


def document(data: Path, name: str) -> bytes:
    """A document of the update on a recovered data partition; empty if there is none."""
    done = subprocess.run(
        ["debugfs", "-R", f"cat {STATE_FOLDER}/{name}", data], capture_output=True, timeout=TOOL_S, check=False
    )
    return b"" if b"File not found" in done.stderr else done.stdout


def saved_state(data: Path) -> State:
    """The saved state of the update on a data partition that lost its power; its journal is replayed, in this file."""
    replayed = _tool("e2fsck", "-p", data)
    assert replayed.returncode <= 1, f"the file system cannot be recovered: {replayed.stdout}"
    body = document(data, "state.json")
    return decode(body) if body else FRESH


def _tool(*command: object) -> "subprocess.CompletedProcess[str]":
    words = [str(word) for word in command]
    return subprocess.run(words, capture_output=True, text=True, timeout=TOOL_S, check=False)


@contextmanager
def judged(base: Path, old: BuiltImage, new: BuiltImage, folder: Path) -> Iterator[Judge]:
    """A judge of a copy of `base`, the disk as it was when the log began."""
    copy = folder / "replayed.img"
    shutil.copyfile(base, copy)
    with copy.open("r+b") as file, mmap.mmap(file.fileno(), 0) as disk:
        try:
            yield Judge(disk, old, new, folder)
        finally:
            copy.unlink()


def replay(judge: Judge, entries: Sequence[Entry], seed: str, look: Callable[[Crash], bool]) -> bool:
    """Carry the judge's disk from state to state until `look` has seen enough.

    Returns:
        Whether it has; otherwise it looked at all of them.
    """
    return any(look(crash) for crash in Replay(judge.disk, judge.touched, seed).crashes(entries))


__all__ = ["Judge", "SlotWatch", "document", "judged", "replay", "saved_state"]
