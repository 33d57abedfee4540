"""Times the policy check on the emulated camera, on both interpreters; inside the closed network, prints JSON.

`credentials_camera.py MICROPYTHON`: the folder with MicroPython and its libraries. CPython is the camera's own, with
the agent as it is installed there.
"""

import json
import sys
from pathlib import Path

from tests.bench.on_camera import MICROPYTHON, PLACE, ROOT, idle_camera
from tests.emulated.lab_camera import PYTHON_ROOT

PROGRAM = "credentials_device.py"


def main(micropython: Path) -> None:
    """Boot a camera from its factory disk, wait until it is ready, and run."""
    with idle_camera(micropython, {PROGRAM: ROOT / "tests/bench" / PROGRAM}) as (_, shell):
        commands = {
            "CPython": f"python3 -s -S -P {PLACE}/{PROGRAM} {PYTHON_ROOT}",
            "MicroPython": f"{MICROPYTHON} -X heapsize=2m {PROGRAM} {PLACE}",
        }
        print(json.dumps({name: json.loads(shell(command).splitlines()[-1]) for name, command in commands.items()}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
