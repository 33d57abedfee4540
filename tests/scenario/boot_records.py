"""The agent's own writer of the boot record (agent.adapters.linux.boot_control) on the world's strict disk."""

from collections.abc import Callable
from pathlib import Path

from agent.adapters.linux.boot_control import RawBootControl
from firmware_sim.world.disk import Medium, StrictBlockDevice
from firmware_sim.world.world import World


def on_medium(
    medium: Medium, offsets: tuple[int, int], command_line: Path, restart: Callable[[], None] = lambda: None
) -> RawBootControl:
    """A new handle, as after a boot; it may write the erase blocks of both copies and nothing else."""
    size = medium.erase_bytes
    windows = [(at - at % size, size) for at in offsets]
    return RawBootControl(StrictBlockDevice(medium, windows, size), offsets, command_line, restart, size)


def raw_boot_control(command_line: Path) -> Callable[[World, str, Callable[[], None]], RawBootControl]:
    """For `World.make_boot`; `command_line`: a file that stands for the kernel's, of one world at a time."""

    def make(world: World, slot: str, restart: Callable[[], None]) -> RawBootControl:
        command_line.write_text(f"console=ttyAMA0 camward.slot={slot}\n")
        return on_medium(world.medium, world.geometry.record_offsets(), command_line, restart)

    return make
