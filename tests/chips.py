"""TPMs for tests: each is a folder that swtpm serves, and stays the same chip over power cuts."""

import socket
import subprocess
from pathlib import Path
from types import SimpleNamespace

from agent.adapters.linux.device_secret import TpmDeviceSecret
from agent.adapters.linux.store import FileStore
from agent.adapters.linux.tpm import Tpm
from agent.adapters.linux.tpm_keys import TpmKeyStore
from firmware_sim.qemu import swtpm

TLS = ("tls", "next")
CLEAR = bytes.fromhex("8002" + "0000001b" + "00000126" + "4000000a" + "00000009" + "40000009" + "0000" + "00" + "0000")
"""TPM2_Clear by the lockout hierarchy, which has no password: what a BIOS does for a new owner."""


class Chip:
    """One TPM. `connect` is what `Tpm` takes: it gives the chip power anew."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def connect(self) -> int:
        """Power the chip, as a start of the camera does; what was loaded in it is gone."""
        self.unplug()
        ours, theirs = socket.socketpair()
        self._process = swtpm.for_commands(self.folder, theirs)
        theirs.close()
        return ours.detach()

    def unplug(self) -> None:
        """Take its power away."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def guarded(folder: Path, tpm: Tpm) -> SimpleNamespace:
    """The secrets of a camera with this state folder and this chip, as after a start."""
    store = FileStore(folder)
    secret = TpmDeviceSecret(tpm)
    return SimpleNamespace(
        store=store, tpm=tpm, secret=secret, keys=TpmKeyStore(store, tpm, secret, tls=TLS, unsealing="unseal")
    )
