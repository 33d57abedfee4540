"""Which QEMU is installed."""

import re
import subprocess
from functools import cache

from firmware_sim.qemu.errors import MachineError

VERSION_S = 30.0
"""`--version` answers at once; a loaded machine may need to page it in."""


@cache
def qemu_version(program: str) -> str:
    """Return the program's version, e.g. `7.2.22`.

    Raises:
        MachineError: code `missing_tool`.
    """
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=VERSION_S, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        remedy = "run `make setup` or install qemu-system-arm"
        raise MachineError("missing_tool", f"{program} cannot be run", remedy) from error
    found = re.search(r"version (\S+)", done.stdout)
    return found.group(1) if found else done.stdout.strip()
