"""What the boot tests share: images, disks made of them piece by piece, and waiting for markers."""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agent.formats.boot_record import BootRecord, encode, newer
from firmware_sim.demo import images
from firmware_sim.image import BuiltImage, build
from firmware_sim.image.disk import copy_sparse
from firmware_sim.qemu.deadline import Deadline
from firmware_sim.qemu.hardware import Hardware
from firmware_sim.qemu.machine import Machine

BOOT_S = 240.0
"""A boot takes 8 s alone; other tests may run beside it."""
WATCHDOG_S = 1500.0
PROMPT = "=> "
"""U-Boot's; it must never be seen."""
UP = "camward-boot: system up"


def ready(slot: str) -> str:
    """What the initramfs prints when the verified root of a slot is there."""
    return f"camward-init: slot {slot} verified root ready"


def image() -> BuiltImage:
    """The usual image: the same boot chain, and no agent that writes the boot record by itself."""
    return images.load("ungated-1.0.0")


def successor() -> BuiltImage:
    """Another release of the same keys and epoch, for slot B where it matters whose root or FIT lies there."""
    return images.load("product-1.1.0")


@functools.cache
def made(version: str, variant: str, epoch: int = 1, boot_key: int = 1, fault: str | None = None) -> BuiltImage:
    """An image that `make images` does not make; some seconds each."""
    return build("kawa-1", version, variant=variant, security_epoch=epoch, boot_key=boot_key, fault=fault)


def without_agent() -> BuiltImage:
    """A camera with a shell on a virtio console, and an agent that ends at once: the system alone is looked at."""
    return made("1.0.0", "lab", fault="agent-crashes")


def of_epoch_2() -> BuiltImage:
    """A release of the next security epoch, signed with the second boot key."""
    return made("2.0.0", "ungated", epoch=2, boot_key=2)


class Disk:
    """A camera's disk that a test puts together; slot A as from the factory, slot B empty, boot record given."""

    def __init__(self, folder: Path, built: BuiltImage, record: BootRecord | None = None) -> None:
        self.built = built
        self.path = folder / "disk.img"
        copy_sparse(built.disk, self.path)
        if record is not None:
            self.records(encode(record), encode(record.replace(generation=max(record.generation - 1, 0))))

    def records(self, *copies: bytes) -> None:
        """Write both boot record copies."""
        for offset, data in zip(self.built.layout.boot_record, copies, strict=True):
            self.put(offset, data)

    def slot(self, letter: str, source: BuiltImage) -> None:
        """Put another image's slot in."""
        data = source.slot.read_bytes()
        self.put(self.built.layout.slot(letter), data + bytes(self.built.layout.slot_bytes - len(data)))

    def fit(self, letter: str, data: bytes) -> None:
        """Replace the FIT of a slot."""
        layout = self.built.layout
        room = layout.slot_bytes - layout.fit_offset
        self.put(layout.slot(letter) + layout.fit_offset, data + bytes(room - len(data)))

    def flip(self, letter: str, offset: int) -> None:
        """Flip one bit of a slot."""
        place = self.built.layout.slot(letter) + offset
        with self.path.open("r+b") as file:
            file.seek(place)
            old = file.read(1)[0]
            file.seek(place)
            file.write(bytes([old ^ 0x10]))

    def put(self, offset: int, data: bytes) -> None:
        """Write bytes anywhere."""
        with self.path.open("r+b") as file:
            file.seek(offset)
            file.write(data)

    @contextmanager
    def machine(self, *, shell: bool = False) -> Iterator[Machine]:
        """A camera with this disk, switched on."""
        built = self.built
        hardware = Hardware(
            firmware=built.pflash0,
            environment=built.pflash1,
            disk=self.path,
            dtb=built.dtb,
            board=built.machine_args,
            shell=shell,
        )
        with Machine(hardware, watchdog_s=WATCHDOG_S) as machine:
            machine.power_on()
            yield machine


def record_of(machine: Machine, built: BuiltImage) -> BootRecord:
    """The boot record that counts now, read from outside."""
    copies = [machine.read_disk(offset, 512) for offset in built.layout.boot_record]
    record, _ = newer(copies[0], copies[1])
    assert record is not None
    return record


def wait(machine: Machine, marker: str, *unless: str) -> str:
    """Wait for a marker on the console; a U-Boot prompt on the way fails the test."""
    return machine.console.wait_for(marker, Deadline(BOOT_S), unless=(PROMPT, *unless))


def starts(machine: Machine, slot: str) -> str:
    """Wait until U-Boot hands over to a kernel it has verified, and check whose. All it decides is decided then.

    Returns:
        Everything printed since the last wait.
    """
    text = wait(machine, "Starting kernel")
    assert text.rpartition("camward-boot: starting slot ")[2][0] == slot, text
    return text
