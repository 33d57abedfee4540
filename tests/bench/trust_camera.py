"""Runs the full verification under MicroPython on the emulated camera; inside the closed network, prints a JSON list.

`trust_camera.py MICROPYTHON FIXTURES NOW`: the folder with MicroPython and its libraries, and what to verify.
"""

import json
import sys
from pathlib import Path

from tests.bench.on_camera import MICROPYTHON, ROOT, cpu_s, idle_camera

HEAPS = ("2m", "384k")  # the interpreter's own default on 64 bits, and about the least that suffices


def main(micropython: Path, fixtures: Path, now: str) -> None:
    """Boot a camera from its factory disk, wait until it is ready, and run."""
    program = ROOT / "tests/bench/trust_device.py"
    with idle_camera(micropython, {"trust_device.py": program, "fixtures": fixtures}) as (machine, shell):
        found = []
        for heap in HEAPS:
            begun_s = cpu_s(machine.pid)
            line = shell(f"{MICROPYTHON} -X heapsize={heap} trust_device.py fixtures {now}").splitlines()[-1]
            found.append({**json.loads(line), "heap": heap, "cpu_s": cpu_s(machine.pid) - begun_s})
        print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
