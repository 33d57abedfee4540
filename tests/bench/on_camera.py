"""What runs on the emulated camera to be measured there: an idle lab camera with a shell, and MicroPython for it."""

import io
import os
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from firmware_sim.demo import images
from firmware_sim.image.provision import provision
from firmware_sim.image.store import default_store, scratch
from firmware_sim.qemu.deadline import Deadline
from firmware_sim.qemu.machine import Machine
from firmware_sim.qemu.provisioned import hardware_of
from tests.emulated.lab_camera import put

ROOT = Path(__file__).resolve().parents[2]
BOOT_S = 240.0
RUN_S = 240.0
PLACE = "/run/bench"
MICROPYTHON = f"cd {PLACE} && ./lib/ld-linux-aarch64.so.1 --library-path {PLACE}/lib ./micropython"
"""Runs what is packed; a `-X heapsize=` and a program follow."""
LIBRARIES = (
    "ld-linux-aarch64.so.1", "libc.so.6", "libm.so.6", "libffi.so.8", "libmbedcrypto.so.16", "libmbedtls.so.21",
    "libmbedx509.so.7",
)  # fmt: skip
SOURCES = (
    "agent/__init__.py",
    "agent/core",
    "agent/formats",
    "agent/adapters/__init__.py",
    "agent/adapters/micropython",
)

Shell = Callable[[str], str]


@contextmanager
def idle_camera(micropython: Path, beside: Mapping[str, Path]) -> Iterator[tuple[Machine, Shell]]:
    """A camera booted from its factory disk, with everything of `packed` in PLACE; yields it and its shell."""
    image = images.load("lab-1.0.0")
    with scratch(default_store()) as folder:
        device = provision(image, "KW1-000001", folder / "camera")
        with Machine(hardware_of(device, shell=True), work_dir=folder / "machine") as machine:
            machine.power_on()
            machine.console.wait_for("camward-agent: ready", Deadline(BOOT_S), unless=("Kernel panic",))

            def shell(command: str) -> str:
                status, text = machine.shell(command, Deadline(RUN_S))
                if status:
                    raise SystemExit(f"{command}: {text}")
                return text.strip()

            shell(f"mkdir -p {PLACE} && mount -t tmpfs -o mode=700,size=64m tmpfs {PLACE}")
            put(machine, f"{PLACE}/all.tar.gz", packed(micropython, beside))
            shell(f"cd {PLACE} && gzip -dc all.tar.gz | tar xf - && rm all.tar.gz")
            yield machine, shell


def packed(micropython: Path, beside: Mapping[str, Path]) -> bytes:
    """A tar of the interpreter, the agent's sources, and what else is needed, by name."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        tar.add(micropython / "usr/bin/micropython", "micropython")
        for name in LIBRARIES:
            tar.add((micropython / "usr/lib/aarch64-linux-gnu" / name).resolve(), f"lib/{name}")
        for name in SOURCES:
            tar.add(ROOT / name, name, filter=lambda item: None if "__pycache__" in item.name else item)
        for name, path in beside.items():
            tar.add(path, name)
    return out.getvalue()


def cpu_s(pid: int) -> float:
    """CPU time of a process and its threads; what else the machine does adds nothing to it."""
    words = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
