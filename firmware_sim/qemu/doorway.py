"""Doors into the closed network: a socket that listens outside, whose connections are answered inside.

A socket belongs to the network it was opened in. So a listener opened outside and inherited inside lets people in
without giving anything inside a way out.
"""

import socket
import threading
from collections.abc import Mapping, Sequence

from firmware_sim.qemu.errors import MachineError

PIECE_BYTES = 65536
BACKLOG = 16
REACH_S = 10.0
"""The target is in the same network namespace; a port that nobody listens on refuses at once."""


def open_doors(wanted: Mapping[str, int], address: str = "127.0.0.1") -> dict[str, socket.socket]:
    """Listen outside, one door per name.

    Args:
        wanted: port by name; 0 lets the system choose.
        address: of this machine.

    Raises:
        MachineError: code `port_taken`.
    """
    doors: dict[str, socket.socket] = {}
    for name, port in wanted.items():
        door = socket.socket()
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            door.bind((address, port))
        except OSError as error:
            for opened in (door, *doors.values()):
                opened.close()
            raise MachineError("port_taken", f"port {port} is taken", "choose another or end its owner") from error
        door.listen(BACKLOG)
        doors[name] = door
    return doors


def written(doors: Mapping[str, socket.socket]) -> str:
    """Write doors down for the process that inherits them: `web=5,stream=6`."""
    return ",".join(f"{name}={door.fileno()}" for name, door in doors.items())


def inherited(text: str) -> dict[str, socket.socket]:
    """Take over the doors that `written` wrote down.

    Raises:
        MachineError: code `port_taken` if a descriptor is no listening socket.
    """
    doors: dict[str, socket.socket] = {}
    for item in filter(None, text.split(",")):
        name, _, number = item.partition("=")
        try:
            doors[name] = socket.socket(fileno=int(number))
        except (OSError, ValueError) as error:
            raise MachineError("port_taken", f"the door {item!r} was not inherited") from error
    return doors


class Doorway:
    """Leads whoever comes through `door` to `target` in here, until closed."""

    def __init__(self, door: socket.socket, target: tuple[str, int]) -> None:
        """Start answering."""
        self.address: str = "{}:{}".format(*door.getsockname()[:2])
        self._door = door
        self._target = target
        threading.Thread(target=self._answer, name="doorway", daemon=True).start()

    def close(self) -> None:
        """Close the door; who is in stays until they leave."""
        try:
            self._door.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._door.close()

    def _answer(self) -> None:
        while True:
            try:
                visitor, _ = self._door.accept()
            except OSError:
                return
            threading.Thread(target=self._guide, args=(visitor,), name="doorway", daemon=True).start()

    def _guide(self, visitor: socket.socket) -> None:
        with visitor:
            try:
                host = socket.create_connection(self._target, timeout=REACH_S)
            except OSError:
                return
            with host:
                host.settimeout(None)
                back = threading.Thread(target=_carry, args=(host, visitor), name="doorway", daemon=True)
                back.start()
                _carry(visitor, host)
                back.join()


def _carry(source: socket.socket, target: socket.socket) -> None:
    """Carry bytes one way until the source ends, then say so to the other side."""
    try:
        while piece := source.recv(PIECE_BYTES):
            target.sendall(piece)
    except OSError:
        pass
    for end, how in ((target, socket.SHUT_WR), (source, socket.SHUT_RD)):
        try:
            end.shutdown(how)
        except OSError:
            pass


def join(doors: Mapping[str, socket.socket], targets: Sequence[tuple[str, tuple[str, int]]]) -> list[Doorway]:
    """Open a doorway for every named target that has a door."""
    return [Doorway(doors[name], target) for name, target in targets if name in doors]
