"""Slots: where they lie (`Layout`), and what the boot record shall say next. Pure; adapters read and write.

The boot script counts `left` down during a trial and `tries` up for the committed slot
(agent/formats/boot_record.py); the agent arms, commits and rolls back. Every function here is safe to repeat on its
own result.
"""

from agent.formats import fields
from agent.formats.boot_record import NO_TRIAL, NUMBER_MAX, BootRecord
from agent.formats.errors import FormatError
from agent.formats.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SLOTS = ("a", "b")
TRIAL_BOOTS = 3  # a power cut during the trial costs one and must not condemn the new system
SECTOR_BYTES = 512
ALIGN_BYTES = 4096


class Region(Value):
    """A part of the device, in bytes."""

    FIELDS = ("offset", "length")
    offset: int
    length: int


class Layout(Value):
    """The disk layout of `/etc/camward/agent.json`.

    `boot_record` holds the byte offsets of the two copies; `fit_offset` counts from the start of a slot.
    """

    FIELDS = ("name", "device", "erase_bytes", "boot_record", "slot_a", "slot_b", "fit_offset", "data")
    name: str
    device: str
    erase_bytes: int
    boot_record: "tuple[int, int]"
    slot_a: Region
    slot_b: Region
    fit_offset: int
    data: Region

    def slot(self, name: str) -> Region:
        """The region of slot `a` or `b`.

        Raises:
            ValueError: there is no such slot.
        """
        if name not in SLOTS:
            raise ValueError("no slot " + name)
        return self.slot_a if name == "a" else self.slot_b


def parse_layout(source: "dict[str, Any]") -> Layout:
    """Read the `layout` object of the configuration.

    Raises:
        FormatError: a member is missing or malformed, or regions overlap.
    """
    copies = fields.array(source, "boot_record", 2)
    if len(copies) != 2 or not all(fields.is_integer(at) and at >= 0 and at % SECTOR_BYTES == 0 for at in copies):
        raise FormatError("boot_record is no pair of sector offsets")
    slots = fields.obj(source, "slots")
    layout = Layout(
        name=fields.name(source, "name", 32),
        device=fields.text(source, "device", 64),
        erase_bytes=fields.integer(source, "erase_bytes", 1),
        boot_record=(copies[0], copies[1]),
        slot_a=_region(fields.obj(slots, "a")),
        slot_b=_region(fields.obj(slots, "b")),
        fit_offset=fields.integer(source, "fit_offset"),
        data=_region(fields.obj(source, "data")),
    )
    if not layout.device.startswith("/dev/"):
        raise FormatError("device is not under /dev")
    if layout.slot_a.length != layout.slot_b.length or layout.fit_offset >= layout.slot_a.length:
        raise FormatError("the slots differ in length, or the FIT lies outside")
    taken = [Region(at, SECTOR_BYTES) for at in copies]
    taken.extend((layout.slot_a, layout.slot_b, layout.data))
    taken.sort(key=lambda region: region.offset)
    end = 0
    for region in taken:
        if region.offset < end:
            raise FormatError("regions of the layout overlap")
        end = region.offset + region.length
    return layout


def _region(source: "dict[str, Any]") -> Region:
    region = Region(fields.integer(source, "offset"), fields.integer(source, "length", 1))
    if region.offset % ALIGN_BYTES or region.length % ALIGN_BYTES:
        raise FormatError("a region is not aligned to " + str(ALIGN_BYTES) + " bytes")
    return region


def other(slot: str) -> str:
    """The slot that is not this one.

    Raises:
        ValueError: there is no such slot.
    """
    if slot not in SLOTS:
        raise ValueError("no slot " + slot)
    return "b" if slot == "a" else "a"


def inactive(booted: str) -> str:
    """The slot that may be written: the one this system does not run from."""
    return other(booted)


def arm(record: BootRecord, slot: str) -> BootRecord:
    """Put a slot on trial.

    Raises:
        ValueError: it is the committed slot, which needs no trial.
    """
    if slot not in SLOTS or slot == record.active:
        raise ValueError("slot " + slot + " cannot be put on trial")
    return record.replace(trial=slot, left=TRIAL_BOOTS)


def commit(record: BootRecord, booted: str) -> BootRecord:
    """Make the booted slot the committed one and end any trial; it has just been seen healthy.

    Raises:
        ValueError: there is no such slot.
    """
    if booted not in SLOTS:
        raise ValueError("no slot " + booted)
    return record.replace(active=booted, trial=NO_TRIAL, left=0, tries=0)


def roll_back(record: BootRecord) -> BootRecord:
    """End the trial; the committed slot boots next."""
    return record.replace(trial=NO_TRIAL, left=0)


def seen_healthy(record: BootRecord) -> BootRecord:
    """The committed slot has reached its health checks: start counting its boots again."""
    return record.replace(tries=0)


def raise_index(record: BootRecord, epoch: int) -> BootRecord:
    """Raise the rollback index; it never falls.

    Raises:
        ValueError: the epoch does not fit the record.
    """
    if not 0 <= epoch <= NUMBER_MAX:
        raise ValueError("no such epoch")
    return record.replace(rollback_index=max(record.rollback_index, epoch))


def on_trial(record: BootRecord, booted: str) -> bool:
    """Whether this boot is a trial boot."""
    return record.trial == booted and record.active != booted
