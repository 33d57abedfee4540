"""Times the policy check on the emulated camera, on both interpreters; inside the closed network, prints JSON.

`credentials_camera.py MICROPYTHON`: the folder with MicroPython and its libraries. CPython is the camera's own, with
the agent as it is installed there.
"""

import json
import sys
from pathlib import Path

from tests.bench.on_camera import MICROPYTHON, PLACE, ROOT, cpu_s, idle_camera
from tests.emulated.lab_camera import PYTHON_ROOT

PROGRAM = "credentials_device.py"
COUNTED = 40
"""Checks whose CPU time is taken from outside; the same with none of them is taken off."""


def main(micropython: Path) -> None:
    """Boot a camera from its factory disk, wait until it is ready, and run."""
    with idle_camera(micropython, {PROGRAM: ROOT / "tests/bench" / PROGRAM}) as (machine, shell):
        commands = {
            "CPython": f"python3 -s -S -P {PLACE}/{PROGRAM} {PYTHON_ROOT}",
            "MicroPython": f"{MICROPYTHON} -X heapsize=2m {PROGRAM} {PLACE}",
        }

        def cost_s(command: str, count: int) -> float:
            begun_s = cpu_s(machine.pid)
            shell(f"{command} {count}")
            return cpu_s(machine.pid) - begun_s

        found = {}
        for name, command in commands.items():
            found[name] = json.loads(shell(command).splitlines()[-1])
            found[name]["cpu_ms"] = (cost_s(command, COUNTED) - cost_s(command, 0)) / COUNTED * 1000
        print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
