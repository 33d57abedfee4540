"""A root shell on the lab variant's virtio console: how a test breaks something on the live camera."""

import re
import secrets

from firmware_sim.qemu.console import Console
from firmware_sim.qemu.deadline import Deadline
from firmware_sim.qemu.errors import MachineError

PROMPT = "# "
"""The end of a root shell's prompt."""
_MARK_BYTES = 6
"""Random bytes of the end marker: nothing a command prints looks like it."""


class Shell:
    """Runs one command at a time and knows its exit status."""

    def __init__(self, console: Console) -> None:
        """Use the virtio console `console`."""
        self._console = console

    def run(self, command: str, deadline: Deadline) -> tuple[int, str]:
        """Run `command` in the guest's shell.

        Args:
            command: one line for `sh`; its standard input is empty, both its outputs are returned.
            deadline: when to give up; the command then goes on in the guest.

        Returns:
            Exit status and output.

        Raises:
            MachineError: code `shell` for more than one line; `deadline`; `console`.
        """
        if "\n" in command:
            raise MachineError("shell", "a shell command is one line")
        mark = secrets.token_hex(_MARK_BYTES)
        # The terminal echoes what we type, so the marks are put together by the guest: they are not in the typed line.
        begin, end = f"<{mark}>", f"</{mark}:"
        self._console.skip()
        line = f"printf '<%s>\\n' {mark}; ( {command} ) </dev/null 2>&1; printf '</%s:%d>\\n' {mark} $?\n"
        self._console.send(line)
        self._console.wait_for(begin, deadline)
        text = self._console.wait_for(end, deadline)
        status = self._console.wait_for(">", deadline)
        # What is typed while the shell prepares its prompt can be lost.
        self._console.wait_for(PROMPT, deadline)
        number = re.match(r"\d+", status)
        if number is None:
            raise MachineError("shell", f"the guest's shell answered with {status!r}")
        return int(number.group()), text.removesuffix(end).replace("\r", "").removeprefix("\n")
