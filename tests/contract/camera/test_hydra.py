"""Debian's hydra, with a list whose last entry is right, against the real agent and camera, and against the control."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.core.lockout import FREE_TRIES
from firmware_sim.attacks.spray import mirai_pairs
from tests.contract.camera.camera_process import CameraProcess
from tests.contract.camera.hydra import PATIENT_S, WAYS, hydra
from tests.contract.ports.board import CODE, Board

OWNER = ("kanri", "fk3-Plum-orbit-98")
FACTORY = ("admin", "admin")
GUESSES = 30
JUDGED = FREE_TRIES + 1 + PATIENT_S.bit_length()
"""The fifth wrong try begins a delay of one second, and each one after a delay doubles it, until the relay's patience
ends."""
OWNERS_ADDRESS, STRANGERS_ADDRESS = "127.0.0.2", "127.0.0.3"


def guesses(right: tuple[str, str]) -> list[tuple[str, str]]:
    """Passwords of Mirai's list for the right user, then the right one."""
    wrong = dict.fromkeys(password for _, password in mirai_pairs() if password not in ("", right[1]))
    return [*((right[0], password) for password in list(wrong)[:GUESSES]), right]


@pytest.fixture(scope="module")
def claimed_board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    board = Board(tmp_path_factory.mktemp("board"), b"")
    board.leave_factory(b"\0" * 8192)
    board.power_on()
    board.start_camera()
    reply = board.ask("web", "claim", code=CODE, user=OWNER[0], password=OWNER[1])
    assert reply["ok"], reply
    yield board
    board.stop()


@pytest.fixture
def board(claimed_board: Board) -> Board:
    """The agent has not seen a wrong try."""
    claimed_board.kill()
    (claimed_board.state / "credentials" / "lockout.json").unlink(missing_ok=True)
    claimed_board.console.clear()
    claimed_board.power_on()
    return claimed_board


@pytest.mark.parametrize("way", WAYS)
def test_hydra_is_held_up_long_before_the_right_password(board: Board, tmp_path: Path, way: str) -> None:
    camera = board.camera

    def owner_gets_in() -> bool:
        return hydra(way, camera.ports, OWNERS_ADDRESS, [OWNER], tmp_path).found == [OWNER]

    assert owner_gets_in(), "hydra does not know a right password here: the rest would show nothing"
    attack = hydra(way, camera.ports, STRANGERS_ADDRESS, guesses(OWNER), tmp_path)
    assert attack.found == []
    assert len(attack.statuses) == GUESSES + 1, "hydra has come to the right one"
    assert attack.statuses.count(401) <= JUDGED + 1, "on a slow machine, one more delay may be over"
    assert owner_gets_in(), "the owner's own address is not held up by it"


@pytest.mark.parametrize("way", WAYS)
def test_the_same_hydra_gets_into_the_control(ungated: CameraProcess, tmp_path: Path, way: str) -> None:
    attack = hydra(way, ungated.ports, STRANGERS_ADDRESS, guesses(FACTORY), tmp_path)
    assert attack.found == [FACTORY]
    assert attack.statuses.count(401) == GUESSES
