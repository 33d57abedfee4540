"""Slot images for the world's small disk: a root, and behind it a signed system that names the root's hash.

A real slot is an EROFS with its verity tree and a FIT. Here the "FIT" is one block: a tag that only `UNSAFE_BOOT_KEY`
makes, and JSON that says version, security epoch, the root's hash, and how this firmware behaves.
"""

from binascii import hexlify
from hashlib import sha256

from agent.formats import json
from agent.formats.block_tree import BLOCK_BYTES
from agent.formats.errors import FormatError
from agent.formats.value import Value
from firmware_sim.world.chance import Chance

UNSAFE_BOOT_KEY = b"unsafe boot key of the world"
TAG_BYTES = 32
MAX_FIT_BYTES = BLOCK_BYTES - TAG_BYTES

SOUND = "sound"
DEAD_SERVICES = "dead services"  # the camera application crashes: health checks fail
HANGS = "hangs"  # the agent never runs; the watchdog resets the machine
RECOVERY = "recovery"  # nothing but the agent: no service is there, and none is declared
BEHAVIOURS = (SOUND, DEAD_SERVICES, HANGS, RECOVERY)


class Geometry(Value):
    """How the disk is cut, in blocks of 4096 bytes. The system ("FIT") is one block, right behind the root.

    `erase_bytes`: what the medium erases at once. Each copy of the boot record has such a piece for itself, and slots
    begin with one. `recovery_blocks`: slot B is that long and holds a recovery system, exactly full; 0 where two slots
    take turns.
    """

    FIELDS = ("slot_blocks", "root_blocks", "erase_bytes", "recovery_blocks")
    slot_blocks: int
    root_blocks: int
    erase_bytes: int
    recovery_blocks: int

    def __init__(
        self, slot_blocks: int, root_blocks: int, erase_bytes: int = BLOCK_BYTES, recovery_blocks: int = 0
    ) -> None:
        super().__init__(slot_blocks, root_blocks, erase_bytes, recovery_blocks)

    def name(self) -> str:
        """The layout's name: a release is for one."""
        return "recovery-1" if self.recovery_blocks else "ab-1"

    def slot_bytes(self, slot: str = "a") -> int:
        """Length of a slot."""
        return (self.recovery_blocks if self._recovers(slot) else self.slot_blocks) * BLOCK_BYTES

    def fit_offset(self, slot: str = "a") -> int:
        """Where the system begins within a slot, in bytes."""
        return (self.recovery_blocks - 1 if self._recovers(slot) else self.root_blocks) * BLOCK_BYTES

    def target(self, booted: str) -> str:
        """The slot that may be written while this one runs; empty when it is the same."""
        if self.recovery_blocks:
            return "" if booted == "a" else "a"
        return "b" if booted == "a" else "a"

    def _recovers(self, slot: str) -> bool:
        return slot == "b" and self.recovery_blocks > 0

    def image_bytes(self) -> int:
        """Length of a slot image."""
        return self.fit_offset() + BLOCK_BYTES

    def slot_offset(self, slot: str) -> int:
        """Where a slot begins on the disk, in bytes; the boot record's copies are before the slots."""
        return 4 * self.erase_bytes + (0 if slot == "a" else self.slot_bytes())

    def disk_bytes(self) -> int:
        """Length of the whole disk; one block at the end stands for the data partition."""
        return self.slot_offset("b") + self.slot_bytes("b") + BLOCK_BYTES

    def record_offsets(self) -> "tuple[int, int]":
        """Where the two copies of the boot record are."""
        return self.erase_bytes, 2 * self.erase_bytes

    def layout(self) -> "dict[str, object]":
        """The `layout` member of agent.json."""
        slots = {slot: {"offset": self.slot_offset(slot), "length": self.slot_bytes(slot)} for slot in ("a", "b")}
        layout: dict[str, object] = {}
        if self.recovery_blocks:
            layout["kind"] = "recovery"
            slots["b"]["fit_offset"] = self.fit_offset("b")
        layout.update(
            {
                "name": self.name(),
                "device": "/dev/vda",
                "erase_bytes": self.erase_bytes,
                "boot_record": list(self.record_offsets()),
                "slots": slots,
                "fit_offset": self.fit_offset(),
                "data": {"offset": self.disk_bytes() - BLOCK_BYTES, "length": BLOCK_BYTES},
            }
        )
        return layout


class Firmware(Value):
    """What a system says about itself once its tag fits."""

    FIELDS = ("version", "security_epoch", "root_sha256", "behaviour")
    version: str
    security_epoch: int
    root_sha256: str
    behaviour: str


def build(geometry: Geometry, version: str, security_epoch: int = 1, behaviour: str = SOUND, slot: str = "a") -> bytes:
    """An image for a slot. Every third block of the root is the same in all versions, as unchanged files are."""
    blocks = []
    for index in range(geometry.fit_offset(slot) // BLOCK_BYTES):
        seed = "common" if index % 3 == 0 else version + behaviour
        blocks.append(_block(seed + str(index)))
    root = b"".join(blocks)
    about = {
        "version": version,
        "security_epoch": security_epoch,
        "root_sha256": hexlify(sha256(root).digest()).decode(),
        "behaviour": behaviour,
    }
    body = json.dump(about)
    body += b" " * (MAX_FIT_BYTES - len(body))
    return root + sha256(UNSAFE_BOOT_KEY + body).digest() + body


def system(geometry: Geometry, slot: bytes, name: str = "a") -> "Firmware | None":
    """What the boot loader finds in a slot; None where the tag does not fit."""
    begin = geometry.fit_offset(name)
    block = slot[begin : begin + BLOCK_BYTES]
    tag, body = block[:TAG_BYTES], block[TAG_BYTES:]
    if sha256(UNSAFE_BOOT_KEY + body).digest() != tag:
        return None
    try:
        about = json.parse_object(body.rstrip(b" "), MAX_FIT_BYTES)  # the padding of `build`
    except FormatError:
        return None
    return Firmware(about["version"], about["security_epoch"], about["root_sha256"], about["behaviour"])


def verified(geometry: Geometry, slot: bytes, name: str = "a") -> "Firmware | None":
    """The slot's firmware if every byte of system and root is as it was signed; None otherwise."""
    found = system(geometry, slot, name)
    if found is None or hexlify(sha256(slot[: geometry.fit_offset(name)]).digest()).decode() != found.root_sha256:
        return None
    return found


def _block(seed: str) -> bytes:
    piece = Chance(seed).bytes(32)
    return piece * (BLOCK_BYTES // len(piece))
