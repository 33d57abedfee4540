"""`camward-server` for whoever calls it often: without its imports, which take most of a second."""

import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from firmware_sim.qemu.tether import spawn

ROOT = Path(__file__).resolve().parents[1]
ZYGOTE = str(Path(__file__).with_name("zygote.py"))


@contextmanager
def server_program(folder: Path) -> Iterator[Path]:
    """Make an executable `camward-server` in `folder`; it works while inside.

    Raises:
        RuntimeError: the program does not start.
    """
    socket = str(folder / "socket")
    command = [sys.executable, "-P", ZYGOTE, "serve", socket]
    process = spawn(command, log=sys.__stderr__.fileno(), stdout=subprocess.PIPE, cwd=ROOT)  # type: ignore[union-attr]
    if process.stdout is None or process.stdout.readline() != b"ready\n":
        raise RuntimeError("camward-server does not start")
    program = folder / "camward-server"
    call = shlex.join([sys.executable, "-S", "-E", ZYGOTE, "call", socket])
    program.write_text(f'#!/bin/sh\nexec {call} "$@"\n')
    program.chmod(0o755)
    try:
        yield program
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()
