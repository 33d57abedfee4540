"""`camward-sim run`: a provisioned camera for a person, its console on the terminal, its services on local ports."""

import os
import select
import sys
import termios
import tty
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from firmware_sim import netns
from firmware_sim.image.provision import load_device
from firmware_sim.qemu import doorway
from firmware_sim.qemu.hardware import Forward
from firmware_sim.qemu.machine import Machine
from firmware_sim.qemu.provisioned import hardware_of

DOORS = "CAMWARD_RUN_DOORS"
"""Set for the run inside: the sockets opened outside."""
LEAVE = b"\x1d"
"""Ctrl-], as telnet has it."""
LOOK_S = 0.05
READ_BYTES = 1024
NAMES = {443: "web", 322: "rtsps"}


def run(folder: Path, ports: Mapping[int, int]) -> int:
    """Run the camera in `folder` until Ctrl-] or its power-off; its disk keeps what happened.

    Args:
        folder: what `camward-sim provision` made.
        ports: host port by guest port; 0 lets the system choose.

    Returns:
        Exit status.

    Raises:
        ImageError: `folder` is no camera.
        MachineError: QEMU is missing, or a port is taken.
    """
    load_device(folder)
    if netns.is_closed_network():
        return _inside(folder, ports)
    doors = doorway.open_doors({NAMES[guest]: host for guest, host in ports.items()})
    os.environ[DOORS] = doorway.written(doors)
    command = [sys.executable, "-m", "firmware_sim.main", "run", str(folder)]
    return netns.run_in_closed_network(command, [door.fileno() for door in doors.values()])


def _inside(folder: Path, ports: Mapping[int, int]) -> int:
    device = load_device(folder)
    doors = doorway.inherited(os.environ.get(DOORS, ""))
    # With doors, the ports outside are what was asked for; in here any will do.
    forwards = tuple(Forward(guest, 0 if doors else host) for guest, host in ports.items())
    work = folder / "machine"
    with Machine(hardware_of(device), forwards=forwards, work_dir=work, watchdog_s=None) as machine:
        machine.plug_in()
        for guest in ports:
            name = NAMES[guest]
            where = f"127.0.0.1:{machine.port(guest)}"
            if name in doors:
                where = doorway.Doorway(doors[name], ("127.0.0.1", machine.port(guest))).address
            scheme = "https" if guest == 443 else "rtsps"
            sys.stdout.write(f"{name:>6}  {scheme}://{where}{'/stream' if guest == 322 else ''}\r\n")
        sys.stdout.write(f" label  {device.label_txt}\r\n  stop  Ctrl-]\r\n")
        sys.stdout.flush()
        machine.power_on()
        with _raw_terminal():
            _talk(machine)
    sys.stdout.write("\r\n")
    return 0


def _talk(machine: Machine) -> None:
    """Carry keys to the console and its output to the terminal."""
    shown = 0
    listening = True
    while machine.is_on():
        text = machine.console.text()
        if len(text) < shown:  # the console's record was cut
            shown = 0
        sys.stdout.write(text[shown:])
        sys.stdout.flush()
        shown = len(text)
        if not listening:
            select.select([], [], [], LOOK_S)
            continue
        ready, _, _ = select.select([sys.stdin], [], [], LOOK_S)
        if ready:
            typed = os.read(sys.stdin.fileno(), READ_BYTES)
            if LEAVE in typed:
                return
            listening = bool(typed)
            if typed:
                machine.console.send(typed.decode(errors="replace"))


@contextmanager
def _raw_terminal() -> Iterator[None]:
    """Give every key to the camera; a standard input that is no terminal is left as it is."""
    if not sys.stdin.isatty():
        yield
        return
    before = termios.tcgetattr(sys.stdin)
    tty.setraw(sys.stdin)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
