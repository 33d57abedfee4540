"""A camera one can hold: switch it on, cut its power, type on its console, pull its network cable.

What is emulated and what is not:

- **Power cut** is SIGKILL of QEMU. Writes the guest flushed are kept; what it had written without a flush may be kept
  or lost, as on a disk with a cache. U-Boot's writes are all kept.
- **After `load`** the guest's clock stands where the snapshot was taken, its TCP connections are dead, and its random
  numbers repeat: set the clock, reconnect, and never judge the uniqueness of keys from one snapshot.
- **Peers**: the guest sees a connection from 127.0.0.0/8 as coming from 10.0.2.2, others with their own address.
"""

import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from firmware_sim.netns import require_closed_network
from firmware_sim.qemu import overlay, swtpm
from firmware_sim.qemu.console import Console, pair
from firmware_sim.qemu.deadline import Deadline
from firmware_sim.qemu.errors import MachineError
from firmware_sim.qemu.hardware import CAMERA_FORWARDS, NET_ID, WRITABLE, Forward, Hardware, command_line
from firmware_sim.qemu.qmp import Qmp
from firmware_sim.qemu.shell import Shell
from firmware_sim.qemu.tether import spawn
from firmware_sim.qemu.watchdog import WATCHDOG_S, Watchdog

START_S = 60.0
"""QEMU starts in 0.3 s; on a machine that is building something else, in a few."""
SNAPSHOT_S = 120.0
"""savevm takes 0.2 s; the disk under it may be slow."""
_FORWARD = re.compile(r"TCP\[HOST_FORWARD\]\s+\d+\s+(\S+)\s+(\d+)\s+\S+\s+(\d+)")


class Machine:
    """One emulated camera. Use it as a context manager: leaving it leaves no process and no file.

    A machine is *off* until `power_on`. Power may be cut and given again at will; the disk stays what it was.
    """

    def __init__(
        self,
        hardware: Hardware,
        *,
        forwards: Sequence[Forward] = CAMERA_FORWARDS,
        work_dir: Path | None = None,
        watchdog_s: float | None = WATCHDOG_S,
        snapshot: Path | None = None,
        write_log: Path | None = None,
    ) -> None:
        """Put a machine together, switched off.

        Args:
            hardware: its parts; the files are only read.
            forwards: ways in from the host. A host port that the system chose stays the same over power cuts.
            work_dir: folder for what the machine writes, empty, new, or left by the same machine, which then goes on
                with its disks; a temporary one, removed by `close`, if None.
            watchdog_s: after this many seconds from the first power-on QEMU is killed, whatever happens.
            snapshot: folder of kept overlays (`firmware_sim.qemu.snapshots`) to start from instead of fresh ones.
            write_log: file in which every write of the disk is logged (`firmware_sim.qemu.write_log`), emptied at each
                power-on. Such a machine takes no snapshots.

        Raises:
            MachineError: code `open_network`, `missing_tool`, `missing_file`, `disk_full`.
        """
        require_closed_network()
        hardware.require()
        self.hardware = hardware
        self.console = Console()
        self._forwards = tuple(forwards)
        self._temporary = work_dir is None
        self.work_dir = work_dir or Path(tempfile.mkdtemp(prefix="camward-machine-"))
        self.work_dir.mkdir(parents=True, exist_ok=True)
        self._watchdog = Watchdog(watchdog_s)
        self._process: subprocess.Popen[bytes] | None = None
        self._chip: subprocess.Popen[bytes] | None = None
        self._qmp: Qmp | None = None
        self._shell_console = Console()
        self._captures = 0
        self._write_log = write_log
        self.qemu_version = ""
        self.power_cycles = 0
        try:
            self._overlays = (
                overlay.copy(snapshot, self.work_dir) if snapshot else overlay.create(hardware, self.work_dir)
            )
        except MachineError:
            self._remove_files()
            raise

    # Power

    def power_on(self) -> None:
        """Switch on: start QEMU if need be, then let the machine run.

        Raises:
            MachineError: code `port_taken`, `qemu_failed`, `monitor`.
        """
        self.plug_in()
        self.monitor.execute("cont")

    def plug_in(self) -> None:
        """Start QEMU with the machine paused before its first instruction; nothing happens if it runs already.

        Raises:
            MachineError: code `port_taken`, `qemu_failed`, `monitor`.
        """
        if self.is_on():
            return
        self._forget_process()
        ours, theirs = self._sockets()
        if self._write_log is not None:
            self._write_log.write_bytes(b"")
        argv = command_line(
            self.hardware,
            self._overlays,
            self._forwards,
            {name: end.fileno() for name, end in theirs.items()},
            self.work_dir / "console.log",
            self._write_log,
        )
        with (self.work_dir / "qemu.log").open("ab") as log:
            self._process = spawn(argv, log=log, pass_fds=[end.fileno() for end in theirs.values()])
        if self.hardware.tpm is not None:
            self._chip = swtpm.for_machine(self.hardware.tpm, ours["tpm"])
            ours["tpm"].close()
        for end in theirs.values():
            end.close()
        self._watchdog.guard(self._process)
        self._qmp = Qmp(ours["qmp"])
        self.console.attach(ours["console"])
        if "shell" in ours:
            self._shell_console.attach(ours["shell"])
        try:
            self.qemu_version = self._qmp.negotiate(Deadline(START_S))
            self._learn_ports()
        except MachineError as error:
            self.power_cut()
            raise self._explained(error) from error
        self.power_cycles += 1

    def power_cut(self) -> None:
        """Take the power away at once. What "at once" keeps is said in this module's docstring."""
        for process in (self._process, self._chip):
            if process is not None:
                process.kill()
                process.wait()
        self._forget_process()

    def reset(self) -> None:
        """Press the reset button.

        Raises:
            MachineError: code `not_running`.
        """
        self.monitor.execute("system_reset")

    def is_on(self) -> bool:
        """Say whether QEMU is there (running or paused)."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """QEMU's process id.

        Raises:
            MachineError: code `not_running`.
        """
        if self._process is None or not self.is_on():
            raise self._not_running()
        return self._process.pid

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Hold the machine still; QEMU flushes its disks first, so that they can be read from outside.

        Raises:
            MachineError: code `not_running`.
        """
        self.monitor.execute("stop")
        try:
            yield
        finally:
            self.monitor.execute("cont")

    # Network

    def port(self, guest_port: int) -> int:
        """Return the host port that leads to `guest_port`.

        Raises:
            MachineError: code `not_running` before the first `plug_in`, or without such a forward.
        """
        for forward in self._forwards:
            if forward.guest_port == guest_port and forward.host_port:
                return forward.host_port
        raise MachineError("not_running", f"no host port leads to the guest's port {guest_port} yet")

    def link(self, up: bool) -> None:
        """Plug the network cable in or out. Out, packets are lost in silence in both directions.

        Raises:
            MachineError: code `not_running`.
        """
        self.monitor.execute("set_link", {"name": NET_ID, "up": up})

    @contextmanager
    def capture(self, pcap: Path) -> Iterator[Path]:
        """Write every frame on the guest's cable to `pcap` while inside.

        Raises:
            MachineError: code `not_running`.
        """
        self._captures += 1
        name = f"capture{self._captures}"
        properties = {"qom-type": "filter-dump", "id": name, "netdev": NET_ID, "file": str(pcap)}
        self.monitor.execute("object-add", properties)
        try:
            yield pcap
        finally:
            if self.is_on():
                self.monitor.execute("object-del", {"id": name})

    # Disk

    def read_disk(self, offset: int, length: int, part: str = "disk") -> bytes:
        """Return bytes of the disk (or `flash1`) as the machine would find them after a power cut now.

        A running machine is held still for the reading.

        Raises:
            MachineError: code `qemu_failed`.
        """
        if self.is_on() and self.monitor.execute("query-status")["running"]:
            with self.paused():
                return overlay.read(self._overlays[part], offset, length)
        return overlay.read(self._overlays[part], offset, length)

    def write_disk(self, offset: int, data: bytes, part: str = "disk") -> None:
        """Change bytes of the disk (or `flash1`) of a machine that is off.

        Raises:
            MachineError: code `not_running` if it is on (the wording says so); `qemu_failed`.
        """
        if self.is_on():
            raise MachineError(
                "not_running", "the disk of a machine that is on cannot be written", "cut the power first"
            )
        overlay.write(self._overlays[part], offset, data)

    # Snapshots

    def save(self, tag: str) -> None:
        """Keep the whole state, memory and disks, under `tag` inside the machine's own overlays.

        Raises:
            MachineError: code `snapshot`.
        """
        self._snapshot("snapshot-save", tag)

    def load(self, tag: str) -> None:
        """Go back to `tag`. A running machine goes on running from there; mind the module's docstring.

        Raises:
            MachineError: code `snapshot`.
        """
        self._snapshot("snapshot-load", tag)

    @property
    def overlays(self) -> dict[str, Path]:
        """The files with everything the machine has written, by part."""
        return dict(self._overlays)

    # Console, shell, monitor

    def shell(self, command: str, deadline: Deadline) -> tuple[int, str]:
        """Run a command on the lab variant's console; needs `Hardware.shell`.

        Returns:
            Exit status and output.

        Raises:
            MachineError: as `Shell.run`.
        """
        return Shell(self._shell_console).run(command, deadline)

    @property
    def monitor(self) -> Qmp:
        """The running QEMU's monitor.

        Raises:
            MachineError: code `not_running`, saying how it ended.
        """
        if self._qmp is None or not self.is_on():
            raise self._not_running()
        return self._qmp

    def resets(self) -> int:
        """Count how often the machine has reset since QEMU started.

        Raises:
            MachineError: code `not_running`.
        """
        return sum(1 for event in self.monitor.events() if event["event"] == "RESET")

    # Life

    def close(self) -> None:
        """Cut the power and remove the temporary folder. Safe to repeat."""
        self.power_cut()
        self._watchdog.cancel()
        self._remove_files()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # Inside

    def _sockets(self) -> tuple[dict[str, socket.socket], dict[str, socket.socket]]:
        ours, theirs = {}, {}
        shell, chip = self.hardware.shell, self.hardware.tpm is not None
        for name in ("qmp", "console", *["shell"] * shell, *["tpm"] * chip):
            ours[name], theirs[name] = pair()
        return ours, theirs

    def _learn_ports(self) -> None:
        """Ask QEMU which host ports the system chose, and keep them for the next power-on."""
        lines = _FORWARD.findall(self.monitor.human("info usernet"))
        chosen = {(address, int(guest)): int(host) for address, host, guest in lines}
        self._forwards = tuple(
            Forward(old.guest_port, chosen.get((old.host_address, old.guest_port), old.host_port), old.host_address)
            for old in self._forwards
        )

    def _snapshot(self, command: str, tag: str) -> None:
        devices = [part for part in WRITABLE if part in self._overlays]
        if not devices or self.hardware.tpm is not None:
            raise MachineError(
                "snapshot", "a machine without a disk has no place for it, and a TPM keeps its own state"
            )
        arguments = {"job-id": f"{command}-{tag}", "tag": tag, "vmstate": devices[0], "devices": devices}
        try:
            self.monitor.run_job(command, arguments, Deadline(SNAPSHOT_S))
        except MachineError as error:
            raise MachineError("snapshot", f"{command} {tag!r}: {error.what}") from error

    def _forget_process(self) -> None:
        if self._qmp is not None:
            self._qmp.close()
            self._qmp = None
        self.console.detach()
        self._shell_console.detach()
        self._process = self._chip = None

    def _explained(self, error: MachineError) -> MachineError:
        log = self.work_dir / "qemu.log"
        said = log.read_text(errors="replace").strip().splitlines()[-3:] if log.is_file() else []
        text = " ".join(said)
        if "Could not set up host forwarding rule" in text:
            ports = ", ".join(str(forward.host_port) for forward in self._forwards if forward.host_port)
            return MachineError("port_taken", f"a host port is taken (one of {ports})", "end its owner")
        if "Failed to get" in text and "lock" in text:
            return MachineError("qemu_failed", f"another machine uses {self.work_dir}", "end it first")
        return MachineError("qemu_failed", f"QEMU did not start: {text or error.what}")

    def _not_running(self) -> MachineError:
        if self._watchdog.fired:
            return MachineError(
                "not_running", f"the harness watchdog ended the machine after {self._watchdog.seconds:.0f} s"
            )
        return MachineError("not_running", "the machine is off", "switch it on first")

    def _remove_files(self) -> None:
        if self._temporary:
            shutil.rmtree(self.work_dir, ignore_errors=True)
