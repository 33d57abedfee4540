"""What an emulated camera is made of, and the QEMU command line that follows from it."""

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from firmware_sim.qemu.errors import MachineError
from firmware_sim.qemu.swtpm import SWTPM

QEMU = "qemu-system-aarch64"
BOARD_ARGS = ("-machine", "virt", "-cpu", "cortex-a53", "-smp", "2", "-m", "256")
"""The board of model kawa-1. U-Boot's control device tree must be dumped with exactly these (and both flashes)."""
FLASH_BYTES = 64 << 20
"""The size of each flash bank of `-M virt`; QEMU takes no other."""
USUAL_NETWORK = "10.0.2.0"
DEFAULT_MAC = "52:54:00:12:34:56"
NET_ID = "net0"
"""Name of the guest's only network card, for the monitor."""
WRITABLE = ("disk", "flash1")
"""Parts that change while the machine runs; overlay files and QEMU's block nodes carry these names."""
_HASH_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Hardware:
    """One camera's parts. The files are never written: a machine works on overlays of them.

    Attributes:
        firmware: U-Boot, for flash bank 0.
        environment: U-Boot's environment, for flash bank 1; None leaves the bank out.
        disk: raw disk; None leaves it out.
        dtb: control device tree with the boot keys; None lets QEMU make one.
        mac: of the network card.
        board: arguments that shape the device tree.
        qemu: program.
        shell: whether a virtio console is plugged in, on which the lab variant offers a shell.
        extra: further QEMU arguments, e.g. `("-device", "i6300esb", "-action", "watchdog=reset")`.
        network: the /24 that QEMU's own network has, in which the camera is .15.
        tpm: folder of a TPM 2.0 chip (`firmware_sim.qemu.swtpm`), which is written; None leaves it out. The control
            device tree has to say where it is, as that of the variant `tpm` does. Such a machine takes no snapshots.
    """

    firmware: Path
    environment: Path | None = None
    disk: Path | None = None
    dtb: Path | None = None
    mac: str = DEFAULT_MAC
    board: tuple[str, ...] = BOARD_ARGS
    qemu: str = QEMU
    shell: bool = False
    extra: tuple[str, ...] = field(default=())
    network: str = USUAL_NETWORK
    tpm: Path | None = None

    def files(self) -> dict[str, Path]:
        """Return the parts that are files, by name."""
        every = {"flash0": self.firmware, "flash1": self.environment, "disk": self.disk, "dtb": self.dtb}
        return {name: path for name, path in every.items() if path is not None}

    def require(self) -> None:
        """Look whether everything is there.

        Raises:
            MachineError: code `missing_tool` or `missing_file`.
        """
        tools = [(self.qemu, "qemu-system-arm"), ("qemu-img", "qemu-utils")]
        if self.tpm is not None:
            tools.append((SWTPM, "swtpm"))
        for tool, package in tools:
            if shutil.which(tool) is None:
                raise MachineError("missing_tool", f"{tool} is not installed", f"run `make setup` or install {package}")
        for name, path in self.files().items():
            if not path.is_file():
                raise MachineError("missing_file", f"{name} of the machine is missing: {path}", "run `make images`")

    def key(self, qemu_version: str) -> str:
        """Name a snapshot of this machine: two machines with one key can exchange snapshots.

        Hashes the parts' contents, the arguments and QEMU's version. Reads every file once.

        Raises:
            MachineError: code `missing_file`.
        """
        digest = hashlib.sha256()
        words = (qemu_version, self.qemu, *self.board, self.mac, str(self.shell), *self.extra)
        digest.update("\0".join(words).encode())
        for name, path in sorted(self.files().items()):
            digest.update(f"\0{name}\0".encode())
            try:
                with path.open("rb") as file:
                    while chunk := file.read(_HASH_CHUNK_BYTES):
                        digest.update(chunk)
            except OSError as error:
                raise MachineError("missing_file", f"{path}: {error.strerror}", "run `make images`") from error
        return digest.hexdigest()[:32]


@dataclass(frozen=True)
class Forward:
    """A way from the host into the guest, as QEMU's user networking makes it."""

    guest_port: int
    host_port: int = 0
    host_address: str = "127.0.0.1"

    def rule(self) -> str:
        """Return QEMU's `hostfwd` rule; port 0 lets the system choose."""
        return f"tcp:{self.host_address}:{self.host_port}-:{self.guest_port}"


CAMERA_FORWARDS = (Forward(443), Forward(322), Forward(554))
"""Ways to what the camera may offer: web and ONVIF, RTSPS, RTSP."""


def command_line(
    hardware: Hardware,
    overlays: dict[str, Path],
    forwards: Sequence[Forward],
    sockets: dict[str, int],
    console_log: Path,
    write_log: Path | None = None,
) -> list[str]:
    """Return the command that starts the machine, paused.

    Args:
        hardware: the parts.
        overlays: qcow2 files by part name.
        forwards: ways into the guest.
        sockets: inherited descriptors for `qmp`, `console` and, with a shell or a TPM, `shell` and `tpm`.
        console_log: file to which QEMU appends everything the console prints.
        write_log: existing file in which QEMU logs every write and flush of the disk.
    """
    argv = [hardware.qemu, "-nodefaults", "-no-user-config", "-display", "none", "-S", *hardware.board]
    argv += ["-chardev", f"socket,id=qmp,fd={sockets['qmp']}", "-mon", "chardev=qmp,mode=control"]
    argv += ["-chardev", f"socket,id=console,fd={sockets['console']},logfile={console_log},logappend=on"]
    argv += ["-serial", "chardev:console"]
    for name in ("flash0", "flash1"):
        if name in overlays:
            read_only = "on" if name == "flash0" else "off"
            argv += ["-blockdev", _blockdev(name, overlays[name], read_only), "-machine", f"pflash{name[-1]}={name}"]
    if "disk" in overlays:
        argv += _disk(overlays["disk"], write_log)
    if hardware.dtb is not None:
        argv += ["-dtb", str(hardware.dtb)]
    rules = "".join(f",hostfwd={forward.rule()}" for forward in forwards)
    argv += ["-netdev", f"user,id={NET_ID},net={hardware.network}/24{rules}"]
    argv += ["-device", f"virtio-net-device,netdev={NET_ID},mac={hardware.mac}"]
    argv += ["-device", "virtio-rng-device"]
    if hardware.shell:
        argv += ["-chardev", f"socket,id=shell,fd={sockets['shell']}", "-device", "virtio-serial-device"]
        argv += ["-device", "virtconsole,chardev=shell"]
    if hardware.tpm is not None:
        argv += ["-chardev", f"socket,id=tpm,fd={sockets['tpm']}", "-tpmdev", "emulator,id=tpm0,chardev=tpm"]
        argv += ["-device", "tpm-tis-device,tpmdev=tpm0"]
    return argv + list(hardware.extra)


def _disk(overlay: Path, write_log: Path | None) -> list[str]:
    card = ["-device", "virtio-blk-device,drive=disk"]
    if write_log is None:
        return ["-blockdev", _blockdev("disk", overlay, "off"), *card]
    return [
        *("-blockdev", _blockdev("disk-below", overlay, "off")),
        *("-blockdev", f"node-name=write-log,driver=file,filename={write_log}"),
        *("-blockdev", "node-name=disk,driver=blklogwrites,file=disk-below,log=write-log"),
        *card,
    ]


def _blockdev(name: str, path: Path, read_only: str) -> str:
    return f"node-name={name},driver=qcow2,read-only={read_only},file.driver=file,file.filename={path}"
