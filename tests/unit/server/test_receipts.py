"""How many time receipts a camera gets, and that the server hands out none that the camera would refuse."""

import pytest

from agent.formats.receipt import NONCE_BYTES, parse
from firmware_sim.world.repository import LIFE_S, new_operator
from tests.scenario.makers import RealSigner
from update_server.errors import BadInput, PublishRefused, TooManyAttempts
from update_server.repository.receipts import HOUR_S, PER_HOUR, Receipts

NOW = 1_800_000_000
DEVICE = "a" * 26
NONCE = "0f" * NONCE_BYTES


class Director:
    """As `update_server.repository.director`, as far as receipts go."""

    def __init__(self):
        self.operator = new_operator(RealSigner, NOW)
        self.signed = 0

    def sign_receipt(self, device_id, nonce, now):
        self.signed += 1
        self.operator.device_id = device_id
        return self.operator.receipt(nonce, now)

    def latest_root(self):
        return self.operator.director.files["1.root.json"]


@pytest.fixture
def director():
    return Director()


@pytest.fixture
def given(director):
    return Receipts(director)


def test_a_camera_has_had_enough_until_an_hour_has_passed(given, director):
    for second in range(PER_HOUR):
        assert parse(given.give(DEVICE, NONCE, NOW + second)).issued_at == NOW + second
    with pytest.raises(TooManyAttempts) as refused:
        given.give(DEVICE, NONCE, NOW + PER_HOUR)
    assert refused.value.retry_after_s == HOUR_S - PER_HOUR
    assert director.signed == PER_HOUR
    given.give("b" * 26, NONCE, NOW + PER_HOUR)
    given.give(DEVICE, NONCE, NOW + HOUR_S)
    with pytest.raises(TooManyAttempts):
        given.give(DEVICE, NONCE, NOW + HOUR_S)


def test_a_server_whose_clock_was_ahead_gives_receipts_again(given):
    for _ in range(PER_HOUR):
        given.give(DEVICE, NONCE, NOW + 10 * HOUR_S)
    given.give(DEVICE, NONCE, NOW)


def test_cameras_of_the_past_are_forgotten(director):
    given = Receipts(director, remembered=3)
    for number in range(3):
        given.give(f"{number:026d}", NONCE, NOW)
    given.give(DEVICE, NONCE, NOW + HOUR_S)
    assert list(given._given) == [DEVICE]


@pytest.mark.parametrize("nonce", ["", "0F" * NONCE_BYTES, "0f" * (NONCE_BYTES - 1), "x" * 32])
def test_what_is_no_nonce_is_neither_signed_nor_counted(given, director, nonce):
    with pytest.raises(BadInput):
        given.give(DEVICE, nonce, NOW)
    assert (director.signed, given._given) == (0, {})


def test_a_server_whose_clock_is_beyond_its_root_gives_no_receipt(given):
    with pytest.raises(PublishRefused, match="fast_forward"):
        given.give(DEVICE, NONCE, NOW + LIFE_S["root"])
