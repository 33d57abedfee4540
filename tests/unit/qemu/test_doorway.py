"""Doors let people in, carry both directions, and close."""

import socket
import threading

import pytest

from firmware_sim.qemu.doorway import Doorway, inherited, open_doors, written
from firmware_sim.qemu.errors import MachineError


def test_what_goes_in_comes_out_until_both_have_said_goodbye():
    with socket.create_server(("127.0.0.1", 0)) as inside:

        def answer() -> None:
            connection, _ = inside.accept()
            with connection:
                said = b""
                while piece := connection.recv(100):
                    said += piece
                connection.sendall(said.upper())

        thread = threading.Thread(target=answer)
        thread.start()
        door = open_doors({"web": 0})["web"]
        doorway = Doorway(door, inside.getsockname()[:2])
        host, port = doorway.address.split(":")
        with socket.create_connection((host, int(port)), timeout=30) as visitor:
            visitor.sendall(b"hello")
            visitor.shutdown(socket.SHUT_WR)
            assert visitor.makefile("rb").read() == b"HELLO"
        thread.join(timeout=30)
        doorway.close()
        with pytest.raises(OSError, match="refused"):
            socket.create_connection((host, int(port)), timeout=30)


def test_nobody_behind_the_door_closes_the_visit():
    with socket.create_server(("127.0.0.1", 0)) as gone:
        target = gone.getsockname()[:2]
    doorway = Doorway(open_doors({"web": 0})["web"], target)
    host, port = doorway.address.split(":")
    with socket.create_connection((host, int(port)), timeout=30) as visitor:
        assert visitor.recv(1) == b""
    doorway.close()


def test_a_taken_port_is_named_and_the_doors_already_open_are_closed():
    with socket.create_server(("127.0.0.1", 0)) as owner:
        port = owner.getsockname()[1]
        with pytest.raises(MachineError, match=str(port)) as caught:
            open_doors({"web": 0, "stream": port})
        assert caught.value.code == "port_taken"


def test_doors_are_written_down_and_taken_over():
    doors = open_doors({"web": 0, "stream": 0})
    text = written(doors)
    ports = {name: door.getsockname()[1] for name, door in doors.items()}
    for door in doors.values():
        door.detach()
    taken = inherited(text)
    assert {name: door.getsockname()[1] for name, door in taken.items()} == ports
    for door in taken.values():
        door.close()
    with pytest.raises(MachineError):
        inherited("web=xyz")
