"""Runs the full verification under MicroPython on the emulated camera; inside the closed network, prints a JSON list.

`trust_camera.py MICROPYTHON FIXTURES NOW`: the folder with MicroPython and its libraries, and what to verify.
"""

import io
import json
import os
import sys
import tarfile
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
HEAPS = ("2m", "384k")  # the interpreter's own default on 64 bits, and about the least that suffices
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


def packed(micropython: Path, fixtures: Path) -> bytes:
    """A tar of the interpreter, the agent's sources and the fixtures."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        tar.add(micropython / "usr/bin/micropython", "micropython")
        for name in LIBRARIES:
            tar.add((micropython / "usr/lib/aarch64-linux-gnu" / name).resolve(), f"lib/{name}")
        for name in SOURCES:
            tar.add(ROOT / name, name, filter=lambda item: None if "__pycache__" in item.name else item)
        tar.add(ROOT / "tests/bench/trust_device.py", "trust_device.py")
        tar.add(fixtures, "fixtures")
    return out.getvalue()


def cpu_s(pid: int) -> float:
    """CPU time of a process and its threads; what else the machine does adds nothing to it."""
    words = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def main(micropython: Path, fixtures: Path, now: str) -> None:
    """Boot a camera from its factory disk, wait until it is idle, and run."""
    image = images.load("lab-1.0.0")
    with scratch(default_store()) as folder:
        device = provision(image, "KW1-000001", folder / "camera")
        hardware = hardware_of(device, shell=True)
        with Machine(hardware, work_dir=folder / "machine") as machine:
            machine.power_on()
            machine.console.wait_for("camward-agent: ready", Deadline(BOOT_S), unless=("Kernel panic",))

            def shell(command: str) -> str:
                status, text = machine.shell(command, Deadline(RUN_S))
                if status:
                    raise SystemExit(f"{command}: {text}")
                return text.strip()

            shell(f"mkdir -p {PLACE} && mount -t tmpfs -o mode=700,size=64m tmpfs {PLACE}")
            put(machine, f"{PLACE}/all.tar.gz", packed(micropython, fixtures))
            shell(f"cd {PLACE} && gzip -dc all.tar.gz | tar xf - && rm all.tar.gz")
            run = f"cd {PLACE} && ./lib/ld-linux-aarch64.so.1 --library-path {PLACE}/lib ./micropython"
            found = []
            for heap in HEAPS:
                begun_s = cpu_s(machine.pid)
                line = shell(f"{run} -X heapsize={heap} trust_device.py fixtures {now}").splitlines()[-1]
                found.append({**json.loads(line), "heap": heap, "cpu_s": cpu_s(machine.pid) - begun_s})
            print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
