"""Measures power-on to `camward-agent: ready`; runs inside the closed network, prints seconds as a JSON list."""

import json
import sys
import tempfile
import time
from pathlib import Path

from firmware_sim.demo import images
from firmware_sim.image.provision import provision
from firmware_sim.qemu.deadline import Deadline
from firmware_sim.qemu.machine import Machine
from firmware_sim.qemu.provisioned import hardware_of

BOOT_S = 240.0  # a loaded machine may need long; this is where measuring gives up


def main(times: int) -> None:
    """Boot the product 1.0.0 from its factory disk `times` times, one after the other."""
    image = images.load("product-1.0.0")
    measured = []
    for number in range(times):
        with tempfile.TemporaryDirectory(prefix="camward-bench-") as folder:
            device = provision(image, f"KW1-{number:06d}", Path(folder) / "camera")
            with Machine(hardware_of(device), work_dir=Path(folder) / "machine") as machine:
                machine.plug_in()
                begin = time.monotonic()
                machine.power_on()
                machine.console.wait_for("camward-agent: ready", Deadline(BOOT_S))
                measured.append(round(time.monotonic() - begin, 2))
    print(json.dumps(measured))


if __name__ == "__main__":
    main(int(sys.argv[1]))
