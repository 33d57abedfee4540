"""Slots: where they lie (`Layout`), and what the boot record shall say next. Pure; adapters read and write.

The boot script (agent/boot/boot.cmd) counts how boots end; the agent arms, commits, rolls back, and announces the ends
that it brings about. Every function here is safe to repeat on its own result.

- An end is *recorded* when the agent has announced it, or when the boot script sees that the machine was reset without
  losing its power: a panic, a watchdog. Three recorded failures end a trial, and make a committed slot give way.
- It is *silent* otherwise: somebody took the power away, and that says little about the firmware. Ten of them do the
  same.
"""

from agent.formats import fields
from agent.formats.boot_record import NO_TRIAL, NUMBER_MAX, BootRecord
from agent.formats.data_area import AREA_BYTES
from agent.formats.errors import FormatError
from agent.formats.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SLOTS = ("a", "b")
AB = "ab"
RECOVERY = "recovery"
KINDS = (AB, RECOVERY)
"""Two slots that take turns; or `a` is the main system and `b` a small one that no update writes (ADR 0018)."""
SILENT_ENDS = 10  # power cuts in a row that a site without a battery does not see within minutes
RECORDED_FAILURES = 3  # one may be chance, and two the same chance again
SECTOR_BYTES = 512
ALIGN_BYTES = 4096
MAX_ERASE_BYTES = 1 << 20  # managed flash has up to 512 KiB; the agent holds one erase block in memory


class Region(Value):
    """A part of the device, in bytes."""

    FIELDS = ("offset", "length")
    offset: int
    length: int


class Layout(Value):
    """The disk layout of `/etc/camward/agent.json`.

    `boot_record` holds the byte offsets of the two copies; `fit_offset` counts from the start of a slot, and may be
    another one in a recovery system's slot: `fit_offset_b`. `encrypted`: the data partition is, behind the
    plain area of agent.formats.data_area.
    """

    FIELDS = (
        "name", "kind", "device", "erase_bytes", "boot_record", "slot_a", "slot_b", "fit_offset", "fit_offset_b",
        "data", "encrypted",
    )  # fmt: skip
    name: str
    kind: str
    device: str
    erase_bytes: int
    boot_record: "tuple[int, int]"
    slot_a: Region
    slot_b: Region
    fit_offset: int
    fit_offset_b: int
    data: Region
    encrypted: bool

    def slot(self, name: str) -> Region:
        """The region of slot `a` or `b`.

        Raises:
            ValueError: there is no such slot.
        """
        if name not in SLOTS:
            raise ValueError("no slot " + name)
        return self.slot_a if name == "a" else self.slot_b

    def target(self, booted: str) -> str:
        """The slot that an update writes; beside a recovery system it may be the booted one, which is left first."""
        return "a" if self.kind == RECOVERY else inactive(booted)

    def in_recovery(self, booted: str) -> bool:
        """Whether the recovery system runs, and the camera application with it does not."""
        return self.kind == RECOVERY and booted == "b"


def parse_layout(source: "dict[str, Any]") -> Layout:
    """Read the `layout` object of the configuration.

    Raises:
        FormatError: a member is missing or malformed, or regions overlap.
    """
    copies = fields.array(source, "boot_record", 2)
    if len(copies) != 2 or not all(fields.is_integer(at) and at >= 0 and at % SECTOR_BYTES == 0 for at in copies):
        raise FormatError("boot_record is no pair of sector offsets")
    slots, data = fields.obj(source, "slots"), fields.obj(source, "data")
    slot_b, fit_offset = fields.obj(slots, "b"), fields.integer(source, "fit_offset")
    layout = Layout(
        name=fields.name(source, "name", 32),
        kind=fields.choice(source, "kind", KINDS) if "kind" in source else AB,
        device=fields.text(source, "device", 64),
        erase_bytes=fields.integer(source, "erase_bytes", 1, MAX_ERASE_BYTES),
        boot_record=(copies[0], copies[1]),
        slot_a=_region(fields.obj(slots, "a")),
        slot_b=_region(slot_b),
        fit_offset=fit_offset,
        fit_offset_b=fields.integer(slot_b, "fit_offset") if "fit_offset" in slot_b else fit_offset,
        data=_region(data),
        encrypted=fields.boolean(data, "encrypted") if "encrypted" in data else False,
    )
    if not layout.device.startswith("/dev/"):
        raise FormatError("device is not under /dev")
    _check_erase_blocks(layout)
    if layout.encrypted and layout.data.length <= AREA_BYTES:
        raise FormatError("the data partition has no room behind its plain area")
    if layout.fit_offset >= layout.slot_a.length or layout.fit_offset_b >= layout.slot_b.length:
        raise FormatError("the FIT lies outside of its slot")
    if layout.kind == AB and (layout.slot_a.length, fit_offset) != (layout.slot_b.length, layout.fit_offset_b):
        raise FormatError("the slots differ, but neither is a recovery system's")
    taken = [Region(at, SECTOR_BYTES) for at in copies]
    taken.extend((layout.slot_a, layout.slot_b, layout.data))
    taken.sort(key=lambda region: region.offset)
    end = 0
    for region in taken:
        if region.offset < end:
            raise FormatError("regions of the layout overlap")
        end = region.offset + region.length
    return layout


def _check_erase_blocks(layout: Layout) -> None:
    """Nothing that must survive a power cut shares an erase block with what is being written.

    The boot record is written 4096 bytes at a time, also where the medium erases less.

    Raises:
        FormatError: it does, or the erase size is none.
    """
    if layout.erase_bytes & (layout.erase_bytes - 1):
        # Then none lies across the border of two of the pieces of 1 MiB that agent.app.medium surveys a slot by.
        raise FormatError("erase_bytes is no power of two")
    size = max(layout.erase_bytes, ALIGN_BYTES)
    for region in (layout.slot_a, layout.slot_b):
        if region.offset % size or region.length % size:
            raise FormatError("a slot is not aligned to erase_bytes")
    first, second = layout.boot_record[0] // size, layout.boot_record[1] // size
    begin, end = layout.data.offset // size, (layout.data.offset + layout.data.length - 1) // size
    if first == second or begin <= first <= end or begin <= second <= end:
        raise FormatError("a copy of the boot record is not alone in its erase block, or in its 4096 bytes")


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
    return record.replace(trial=slot, left=SILENT_ENDS, fails=0, gave="-")


def commit(record: BootRecord, booted: str) -> BootRecord:
    """Make the booted slot the committed one, with nothing counted yet, and end any trial.

    Raises:
        ValueError: there is no such slot.
    """
    if booted not in SLOTS:
        raise ValueError("no slot " + booted)
    return roll_back(record).replace(active=booted, tries=0, resets=0, gave="-")


def roll_back(record: BootRecord) -> BootRecord:
    """End the trial; the committed slot boots next."""
    return record.replace(trial=NO_TRIAL, left=0, fails=0)


def settle(record: BootRecord, booted: str) -> BootRecord:
    """The system is healthy and no update is under way: it is the one to keep, also where another gave way to it.

    Silent ends are forgotten, recorded resets are not: a system may be healthy and panic an hour later each time.

    Raises:
        ValueError: there is no such slot.
    """
    return commit(record, booted).replace(resets=record.resets)


def seen_healthy(record: BootRecord) -> BootRecord:
    """The same while an update is under way: only the silent ends are forgotten."""
    return record.replace(tries=0)


def quiet(record: BootRecord) -> BootRecord:
    """The system has run for long without a reset: forget those before."""
    return record.replace(resets=0)


def switch_over(record: BootRecord, slot: str) -> BootRecord:
    """Let this slot run from the next boot on, without a trial, and announce the restart.

    Raises:
        ValueError: there is no such slot.
    """
    return announce(commit(record, slot))


def announce(record: BootRecord) -> BootRecord:
    """The agent is about to restart the machine: that reset is no failure."""
    return record.replace(said=1)


def fail(record: BootRecord, booted: str) -> BootRecord:
    """Record that this boot has failed its health checks, once per boot; the agent restarts next."""
    if record.said:
        return record
    if on_trial(record, booted):
        return announce(record).replace(fails=min(record.fails + 1, RECORDED_FAILURES))
    return announce(record).replace(resets=min(record.resets + 1, RECORDED_FAILURES))


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


def why_ended(record: BootRecord, slot: str, checks_failed: int, detail: str) -> str:
    """Why the trial of `slot` has ended without a commit, by what was recorded.

    Args:
        record: the boot record, before it is settled.
        slot: the one that was on trial.
        checks_failed: how many of the recorded failures were failed health checks.
        detail: the last of them, in words.
    """
    parts = []
    if checks_failed:
        parts.append(_times(checks_failed, "health check") + " failed, the last: " + detail)
    if record.trial != slot:
        return "; ".join(parts) or "the boot loader refused the slot, or lost its record"
    resets = record.fails - checks_failed
    if resets > 0:
        parts.append(_times(resets, "reset") + " without a word: watchdog or panic")
    if record.left == 0 and record.fails < RECORDED_FAILURES:
        parts.append("ten boots without a recorded end")
    return "; ".join(parts)


def why_gave_way(record: BootRecord, booted: str) -> str:
    """Why this system runs in place of the committed one; empty where it does not."""
    if record.gave == "r":
        return "three resets of the committed system without a word: watchdog or panic"
    if record.gave == "s":
        return "ten boots of the committed system without a recorded end"
    if record.active != booted:
        return "the boot loader refused the committed slot"
    return ""


def _times(count: int, what: str) -> str:
    return str(count) + " " + what + ("" if count == 1 else "s")


def trial_due(record: BootRecord) -> bool:
    """Whether the boot loader starts the slot on trial next, if it can."""
    return record.trial != NO_TRIAL and record.left > 0 and record.fails < RECORDED_FAILURES
