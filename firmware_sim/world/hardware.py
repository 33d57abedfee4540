"""The camera without its software: disk, documents, clock and power, the boot loader, and what is seen from outside.

All of it is there without power. `firmware_sim.world.world` puts the running agent and the operator's side around it.
"""

from hashlib import sha256

from agent.formats import boot_record
from agent.formats.boot_record import FRESH
from agent.formats.errors import Unavailable
from firmware_sim.world import factory
from firmware_sim.world.boot import COMMITTED, SILENT, TRIAL, RecordSectors, Save, boot_pass
from firmware_sim.world.disk import SECTOR_BYTES, Medium, StrictBlockDevice
from firmware_sim.world.firmware import RECOVERY, Firmware, Geometry, build, system, verified
from firmware_sim.world.machine import WorldClock
from firmware_sim.world.power import Power
from firmware_sim.world.store import Documents

RECOVERY_VERSION = "0.1.0"  # of its own count, below every release


class Booted:
    """One boot that reached a system: for `World.boots`."""

    def __init__(self, slot: str, firmware: Firmware, on_trial: bool, sound: bool) -> None:
        self.slot = slot
        self.version: str = firmware.version
        self.behaviour: str = firmware.behaviour
        self.on_trial = on_trial
        self.sound = sound  # every byte of the slot verified; otherwise the kernel panicked


class Hardware:
    """One camera's hardware.

    Args:
        geometry: of the disk.
        now_s: what time it is.
        seed: of what survives a power cut.
    """

    def __init__(self, geometry: Geometry, now_s: int, seed: int) -> None:
        self.geometry = geometry
        self.power = Power(seed)
        self.medium = Medium(geometry.disk_bytes(), self.power, geometry.erase_bytes)
        self.documents = Documents(self.power)
        self.clock = WorldClock(now_s)
        self.marker = SILENT  # the boot loader's word in memory: kept over a reset, lost with the power

    # --- the factory, and looks from outside

    def put(self, slot: str, image: bytes) -> None:
        """Write a slot image from outside, as the factory does."""
        offset = self.geometry.slot_offset(slot)
        self.medium.content[offset : offset + len(image)] = image

    def leave_factory(self, version: str = "1.0.0", security_epoch: int = 1) -> None:
        """Slot A holds this version and is committed; the recovery system and the label are there."""
        self.put("a", build(self.geometry, version, security_epoch))
        if self.geometry.recovery_blocks:
            self.put("b", build(self.geometry, RECOVERY_VERSION, security_epoch, RECOVERY, "b"))
        record = boot_record.encode(FRESH.replace(generation=1, rollback_index=security_epoch))
        first = self.geometry.record_offsets()[0]
        self.medium.content[first : first + len(record)] = record
        self.documents.content["factory/label.json"] = factory.label_body()

    def slot_bytes(self, slot: str) -> bytes:
        """What a slot holds on the medium."""
        offset = self.geometry.slot_offset(slot)
        return bytes(self.medium.content[offset : offset + self.geometry.slot_bytes(slot)])

    def firmware(self, slot: str) -> "Firmware | None":
        """The slot's firmware if every byte verifies."""
        return verified(self.geometry, self.slot_bytes(slot), slot)

    def record(self) -> boot_record.BootRecord:
        """The boot record that counts, as on the medium.

        Raises:
            Unavailable: both copies are damaged.
        """
        first, second = (bytes(self.medium.content[at : at + SECTOR_BYTES]) for at in self.geometry.record_offsets())
        record, _ = boot_record.newer(first, second)
        if record is None:
            raise Unavailable("both copies of the boot record are damaged")
        return record

    def digest(self) -> "dict[str, str]":
        """Hashes, from outside, of what an attack must not change: both slots, the boot record, every document."""
        geometry = self.geometry
        found = {slot: self.medium.digest(geometry.slot_offset(slot), geometry.slot_bytes(slot)) for slot in "ab"}
        for index, at in enumerate(self.geometry.record_offsets()):
            found["record " + str(index)] = self.medium.digest(at, SECTOR_BYTES)
        for name in self.documents.content:
            found[name] = factory.hexadecimal(sha256(self.documents.content[name]).digest())
        return found

    # --- the boot loader

    def boot_loader(self) -> "Booted | None":
        """One pass from reset to a started slot; None where it ends in the next reset.

        Raises:
            PowerCut: the cut that was planned.
        """
        sectors = self.sectors()
        slots = {slot: system(self.geometry, self.slot_bytes(slot), slot) for slot in ("a", "b")}

        def accepts(slot: str, index: int) -> bool:
            found = slots[slot]
            return found is not None and found.security_epoch >= index

        first, second = sectors.copies()
        ended, self.marker = self.marker, SILENT
        steps = boot_pass(first, second, accepts, ended)
        saved: bool | None = None
        while True:
            try:
                step = steps.send(saved)
            except StopIteration:
                return None
            if isinstance(step, Save):
                saved = self._save(sectors, step)
                continue
            firmware = slots[step.slot]
            if firmware is None:
                return None
            self.marker = TRIAL if step.on_trial else COMMITTED
            sound = self.firmware(step.slot) is not None
            return Booted(step.slot, firmware, step.on_trial, sound)

    def _save(self, sectors: RecordSectors, step: Save) -> bool:
        try:
            sectors.save(step.copy, step.record)
        except Unavailable:
            return False
        return True

    def sectors(self) -> RecordSectors:
        """A new handle on the two sectors of the boot record."""
        first, second = self.geometry.record_offsets()
        windows = [(first, SECTOR_BYTES), (second, SECTOR_BYTES)]
        return RecordSectors(StrictBlockDevice(self.medium, windows, SECTOR_BYTES), (first, second))
