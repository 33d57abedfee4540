"""A TPM 2.0 chip in software (swtpm): what a folder holds is the chip, and who has the folder has the chip."""

import socket
import subprocess
from pathlib import Path

from firmware_sim.qemu.tether import spawn

SWTPM = "swtpm"


def for_machine(state: Path, control: socket.socket) -> "subprocess.Popen[bytes]":
    """Serve QEMU's `-tpmdev emulator` on the other end of `control`; ends with that connection.

    Raises:
        OSError: it cannot be started.
    """
    return _spawn(state, control, ["--ctrl", f"type=unixio,clientfd={control.fileno()}", "--terminate"])


def for_commands(state: Path, data: socket.socket) -> "subprocess.Popen[bytes]":
    """Answer plain commands on the other end of `data`, as a started TPM does; ends with that connection.

    Raises:
        OSError: it cannot be started.
    """
    return _spawn(state, data, ["--fd", str(data.fileno()), "--flags", "not-need-init,startup-clear"])


def _spawn(state: Path, end: socket.socket, arguments: list[str]) -> "subprocess.Popen[bytes]":
    state.mkdir(parents=True, exist_ok=True)
    argv = [SWTPM, "socket", "--tpm2", "--tpmstate", f"dir={state}", *arguments]
    with (state / "swtpm.log").open("ab") as log:
        return spawn(argv, log=log, pass_fds=[end.fileno()])
