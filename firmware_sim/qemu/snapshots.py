"""Boot once, start every test from there: kept snapshots, found by what the machine is made of.

Mind what `firmware_sim.qemu.machine` says about a machine after `load`.
"""

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from firmware_sim.image.store import locked
from firmware_sim.qemu.errors import MachineError
from firmware_sim.qemu.hardware import CAMERA_FORWARDS, Forward, Hardware
from firmware_sim.qemu.machine import Machine
from firmware_sim.qemu.version import qemu_version
from firmware_sim.qemu.watchdog import WATCHDOG_S

TAG = "camward"
"""The snapshot's name inside the qcow2 files."""
MAX_AGE_S = 3600.0
"""An older one is made anew: its guest's clock stood still, and certificates made since would not be valid yet."""
KEEP = 6
"""Snapshots kept; each is some 100 MB, and an image that changed leaves its own behind."""


class Snapshots:
    """A folder of snapshots, one sub-folder per key. Several processes may use it."""

    def __init__(self, folder: Path, max_age_s: float = MAX_AGE_S, clock: Callable[[], float] = time.time) -> None:
        """Use `folder`, made when first needed.

        Args:
            folder: where the snapshots lie.
            max_age_s: an older snapshot counts as absent.
            clock: Unix seconds, which also stand in the file times.
        """
        self._folder = folder
        self._max_age_s = max_age_s
        self._clock = clock

    def find(self, hardware: Hardware, name: str) -> Path | None:
        """Return the kept snapshot `name` of such a machine, or None.

        Raises:
            MachineError: code `missing_file`, `missing_tool`.
        """
        place = self._place(hardware, name)
        try:
            age_s = self._clock() - (place / "snapshot.json").stat().st_mtime
        except OSError:
            return None
        return place if age_s <= self._max_age_s else None

    def keep(self, machine: Machine, name: str) -> Path:
        """Save the running machine's state and keep a copy; the machine goes on.

        The copy appears whole or not at all (written beside, then renamed).

        Raises:
            MachineError: code `snapshot`, `disk_full`.
        """
        place = self._place(machine.hardware, name)
        machine.save(TAG)
        self._folder.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=".new-", dir=self._folder))
        try:
            with machine.paused():
                for path in machine.overlays.values():
                    shutil.copy2(path, beside / path.name)
            (beside / "snapshot.json").write_text(json.dumps({"name": name, "tag": TAG}))
            if place.exists():
                shutil.rmtree(place)
            beside.rename(place)
        except OSError as error:
            raise MachineError("disk_full", f"the snapshot cannot be kept: {error.strerror}") from error
        finally:
            shutil.rmtree(beside, ignore_errors=True)
        self._forget_old()
        return place

    def machine(
        self,
        hardware: Hardware,
        name: str,
        reach: Callable[[Machine], None],
        *,
        forwards: Sequence[Forward] = CAMERA_FORWARDS,
        watchdog_s: float | None = WATCHDOG_S,
    ) -> Machine:
        """Return a running machine in the state called `name`; the caller closes it.

        Of several processes that want the same state, one makes it and the others wait.

        Args:
            hardware: its parts.
            name: what the state is called.
            reach: brings a fresh machine that has just been switched on into that state; called only when no snapshot
                is kept.
            forwards: ways in from the host.
            watchdog_s: as for `Machine`.

        Raises:
            MachineError: whatever `reach` raises; code `snapshot`.
            ImageError: the folder cannot be written to.
        """
        with locked(self._folder / f".{self._place(hardware, name).name}.lock"):
            place = self.find(hardware, name)
            if place is None:
                with Machine(hardware, forwards=forwards, watchdog_s=watchdog_s) as fresh:
                    fresh.power_on()
                    reach(fresh)
                    place = self.keep(fresh, name)
            machine = Machine(hardware, forwards=forwards, watchdog_s=watchdog_s, snapshot=place)
        try:
            machine.plug_in()
            machine.load(TAG)
            machine.monitor.execute("cont")
        except MachineError:
            machine.close()
            raise
        return machine

    def _place(self, hardware: Hardware, name: str) -> Path:
        return self._folder / f"{hardware.key(qemu_version(hardware.qemu))}-{name}"

    def _forget_old(self) -> None:
        places = [place for place in self._folder.iterdir() if (place / "snapshot.json").is_file()]
        places.sort(key=lambda place: (place / "snapshot.json").stat().st_mtime, reverse=True)
        for place in places[KEEP:]:
            shutil.rmtree(place, ignore_errors=True)
