"""The closed test network: everything emulated runs in a network namespace without a way out.

Run as `python -m firmware_sim.netns -- CMD...` it makes one and runs CMD inside; `camward-sim netns` is the same.
An ordinary user gets one by a user namespace (their own user id is kept, so PostgreSQL and Mosquitto behave as usual).
"""

import fcntl
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from firmware_sim.qemu.errors import MachineError

SIOCGIFFLAGS = 0x8913
SIOCSIFFLAGS = 0x8914
SIOCSIFADDR = 0x8916
SIOCSIFNETMASK = 0x891C
"""netdevice(7)."""
IFF_UP = 0x1
_IFREQ_NAME_BYTES = 16
_IFREQ_BYTES = 40
_ROUTE_UP = 0x1
_ALONE = "255.255.255.255"
ADDRESSES = ("198.51.100.1", "198.51.100.10", "198.51.100.66")
"""Further loopback addresses inside (TEST-NET-2, RFC 5737): the camera's front door, a person, an attacker.

QEMU shows the guest a peer's own address unless it is 127.0.0.0/8, so a person and an attacker who come from two of
these are two sources to the camera.
"""
FRONT_ADDRESS, PERSON_ADDRESS, ATTACKER_ADDRESS = ADDRESSES
CAMERAS_ADDRESSES = ("10.0.2.2", "10.0.2.15")
HOST_FOR_CAMERAS, NEIGHBOUR_ADDRESS = CAMERAS_ADDRESSES
"""What a camera in QEMU's usual network calls the host, and is itself called there. Here they are loopback addresses
as well: from another network, a camera finds the server at the one, and at the other a relay to that camera.
"""
ENTERED = "CAMWARD_CLOSED_NETWORK"
"""Set inside, for messages only; the kernel is what `require_closed_network` asks."""


def open_ways() -> list[str]:
    """List what makes the network we are in open: default routes and interfaces that are up, loopback apart."""
    found = []
    for _, name in socket.if_nameindex():
        if name != "lo" and _flags(name) & IFF_UP:
            found.append(f"interface {name} is up")
    routes = Path("/proc/self/net/route").read_text().splitlines()[1:]
    found += [
        f"default route by {fields[0]}"
        for fields in (line.split() for line in routes)
        if fields[1] == "00000000" and fields[7] == "00000000" and int(fields[3], 16) & _ROUTE_UP
    ]
    return found


def require_closed_network() -> None:
    """Refuse to go on where a packet could leave this machine.

    Raises:
        MachineError: code `open_network`.
    """
    found = open_ways()
    if found:
        raise MachineError(
            "open_network",
            f"this would run outside the closed test network ({', '.join(found)})",
            "run it through `camward-sim netns -- COMMAND`",
        )


def is_closed_network() -> bool:
    """Say whether nothing can leave the network we are in."""
    return not open_ways()


def run_in_closed_network(argv: Sequence[str], pass_fds: Sequence[int] = ()) -> int:
    """Run a command in a new closed network, and end what it left behind there.

    SIGTERM, SIGINT and SIGHUP are passed on. Afterwards every process that is still in the new network is killed: it
    can only be one that the command started.

    Args:
        argv: program and arguments.
        pass_fds: descriptors it inherits, e.g. sockets opened out here as its only doors.

    Returns:
        The command's exit status, 128 + signal if a signal ended it.

    Raises:
        MachineError: code `missing_tool`, or `open_network` if the kernel allows no namespace.
    """
    if shutil.which("unshare") is None:
        raise MachineError("missing_tool", "unshare is not installed", "install util-linux")
    new = ["unshare", "--net"]
    if os.geteuid() != 0:
        new += ["--user", "--map-current-user", "--keep-caps"]
    if subprocess.run([*new, "true"], capture_output=True, check=False).returncode != 0:
        raise MachineError(
            "open_network",
            "the kernel allows no network namespace here",
            "run as root, or allow user namespaces (sysctl kernel.unprivileged_userns_clone=1)",
        )
    ready_read, ready_write = os.pipe()
    inside = [sys.executable, "-m", "firmware_sim.netns", "--inside", str(ready_write), *argv]
    child = subprocess.Popen([*new, "--", *inside], pass_fds=(ready_write, *pass_fds), env=_environment())
    os.close(ready_write)

    def pass_on(number: int, _frame: FrameType | None) -> None:
        # What is typed at a terminal reaches the child by itself.
        if number != signal.SIGINT or not os.isatty(0):
            child.send_signal(number)

    handlers = {number: signal.signal(number, pass_on) for number in _PASSED_ON}
    try:
        with os.fdopen(ready_read, "rb") as ready:
            network = ready.read().decode()
        status = child.wait()
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    if network and network != os.readlink("/proc/self/ns/net"):
        _sweep(network)
    return status if status >= 0 else 128 - status


def reexec_in_closed_network(argv: Sequence[str], pass_fds: Sequence[int] = ()) -> None:
    """Go on inside: return at once if the network is closed, else run `argv` in one and exit with its status.

    Raises:
        MachineError: as `run_in_closed_network`.
        SystemExit: always, out here.
    """
    if not is_closed_network():
        raise SystemExit(run_in_closed_network(argv, pass_fds))


_PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def _environment() -> dict[str, str]:
    home = str(Path(__file__).resolve().parent.parent)
    paths = [home, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)), ENTERED: "1"}


def _flags(name: str) -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours:
        reply = fcntl.ioctl(ours, SIOCGIFFLAGS, struct.pack("16s24x", name.encode()))
    return int(struct.unpack_from("H", reply, _IFREQ_NAME_BYTES)[0])


def _bring_up_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours:
        flags = _flags("lo") | IFF_UP
        fcntl.ioctl(ours, SIOCSIFFLAGS, struct.pack("16sH22x", b"lo", flags))
        for number, address in enumerate((*ADDRESSES, *CAMERAS_ADDRESSES)):
            label = f"lo:{number}".encode()
            settings = [(SIOCSIFADDR, address)]
            if address in CAMERAS_ADDRESSES:  # and not all of 10.0.0.0/8
                settings.append((SIOCSIFNETMASK, _ALONE))
            for what, value in settings:
                request = struct.pack("16sHH4s16x", label, socket.AF_INET, 0, socket.inet_aton(value))
                fcntl.ioctl(ours, what, request)


def _sweep(network: str) -> None:
    """Kill whoever is still in the network with this name; nobody but the command's own children can be."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if os.readlink(entry / "ns/net") == network:
                os.kill(int(entry.name), signal.SIGKILL)
        except OSError:
            continue  # ended meanwhile, or another user's


def _inside(argv: Sequence[str]) -> int:
    ready, command = int(argv[0]), list(argv[1:])
    _bring_up_loopback()
    require_closed_network()
    os.write(ready, os.readlink("/proc/self/ns/net").encode())
    os.close(ready)
    try:
        os.execvp(command[0], command)  # noqa: S606 - becoming the command is the point
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror}\n")
        return 127


def main(argv: Sequence[str]) -> int:
    """Run `-- CMD...` in a closed network, or right here if the network is closed already.

    Returns:
        CMD's exit status; 2 for a wrong call or where no closed network can be had.
    """
    if argv[:1] == ["--inside"]:
        return _inside(argv[1:])
    command = list(argv[1:] if argv[:1] == ["--"] else argv)
    if not command:
        sys.stderr.write("usage: camward-sim netns -- COMMAND [ARGUMENT...]\n")
        return 2
    try:
        if is_closed_network():
            os.execvp(command[0], command)  # noqa: S606 - becoming the command is the point
        return run_in_closed_network(command)
    except MachineError as error:
        sys.stderr.write(f"camward-sim: {error}\n")
        return 2
    except OSError as error:
        sys.stderr.write(f"camward-sim: {command[0]}: {error.strerror}\n")
        return 127


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
