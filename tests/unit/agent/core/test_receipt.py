"""Time receipts: which ones are believed, and each way to lie with one by its name."""

from json import dumps, loads

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core import receipt
from agent.core.receipt import StaleReceipt
from agent.core.trust_errors import ArbitrarySoftware, FastForward, RevokedKey, WrongDevice
from agent.core.trust_repository import Repository
from agent.formats.errors import FormatError
from agent.formats.receipt import MAX_RECEIPT_BYTES, NONCE_BYTES, parse, signed_part
from firmware_sim.world.repository import LIFE_S, new_operator, signed_file
from tests.scenario.makers import RealSigner, verify_signature

NOW = 1_800_000_000
DEVICE = "a" * 26
NONCE = "0f" * NONCE_BYTES
EXPIRES_AT = NOW + LIFE_S["root"]


@pytest.fixture
def operator():
    made = new_operator(RealSigner, NOW)
    made.adopt(DEVICE)
    return made


def trusted(operator):
    """What the camera has stored of the director."""
    root = operator.director.files[f"{operator.director.versions['root']}.root.json"]
    return Repository("director", {"root": root}, verify_signature, lambda role, body: None)


def verify(body, operator, nonce=NONCE, floor_at=0):
    return receipt.verify(body, DEVICE, nonce, trusted(operator), floor_at)


def test_a_fresh_receipt_says_what_time_it_is(operator):
    assert verify(operator.receipt(NONCE, NOW), operator, floor_at=NOW) == NOW


def test_a_receipt_for_another_nonce_is_stale(operator):
    with pytest.raises(StaleReceipt):
        verify(operator.receipt("00" * NONCE_BYTES, NOW), operator)


def test_a_receipt_from_before_the_floor_is_stale(operator):
    with pytest.raises(StaleReceipt):
        verify(operator.receipt(NONCE, NOW - 1), operator, floor_at=NOW)


def test_a_receipt_for_another_camera_is_refused(operator):
    operator.device_id = "b" * 26
    with pytest.raises(WrongDevice):
        verify(operator.receipt(NONCE, NOW), operator)


@pytest.mark.parametrize(("ahead", "refused"), [(0, False), (LIFE_S["root"] - 1, False), (LIFE_S["root"], True)])
def test_no_receipt_goes_beyond_the_directors_root(operator, ahead, refused):
    body = operator.receipt(NONCE, NOW + ahead)
    if refused:
        with pytest.raises(FastForward):
            verify(body, operator)
    else:
        assert verify(body, operator) == NOW + ahead


def test_an_unsigned_receipt_is_refused(operator):
    with pytest.raises(ArbitrarySoftware):
        verify(signed_file(signed_part(DEVICE, NONCE, NOW), []), operator)


@pytest.mark.parametrize("role", ["root", "targets", "snapshot"])
def test_the_keys_of_other_roles_sign_no_time(operator, role):
    with pytest.raises(ArbitrarySoftware):
        verify(signed_file(signed_part(DEVICE, NONCE, NOW), operator.director.signers[role]), operator)


def test_the_threshold_of_the_timestamp_role_counts(operator):
    director = operator.director
    director.signers["timestamp"].append(RealSigner("second"))
    director.thresholds["timestamp"] = 2
    director.publish_root()
    assert verify(operator.receipt(NONCE, NOW), operator) == NOW
    one = signed_file(signed_part(DEVICE, NONCE, NOW), director.signers["timestamp"][:1])
    with pytest.raises(ArbitrarySoftware):
        verify(one, operator)


def test_a_key_that_the_root_has_revoked_signs_no_time(operator):
    known = trusted(operator)
    stolen = operator.receipt(NONCE, NOW)
    operator.director.signers["timestamp"] = [RealSigner("new")]
    operator.director.publish_root()
    walk = known.walk_root()
    assert next(walk).path == "2.root.json"
    walk.send(operator.director.files["2.root.json"])
    with pytest.raises(RevokedKey):
        receipt.verify(stolen, DEVICE, NONCE, known, 0)
    assert receipt.verify(operator.receipt(NONCE, NOW), DEVICE, NONCE, known, 0) == NOW


@pytest.mark.parametrize(
    "change",
    [{"issued_at": "2099-01-01T00:00:00Z"}, {"nonce": "0e" * NONCE_BYTES}, {"device": "b" * 26}, {"x": 1}],
    ids=lambda change: next(iter(change)),
)
def test_whatever_is_changed_after_signing_is_refused(operator, change):
    body = loads(operator.receipt(NONCE, NOW))
    body["signed"].update(change)
    nonce, device = body["signed"]["nonce"], body["signed"]["device"]
    with pytest.raises(ArbitrarySoftware):
        receipt.verify(dumps(body).encode(), device, nonce, trusted(operator), 0)


def test_members_of_a_later_version_are_kept_in_what_is_signed(operator):
    signed = signed_part(DEVICE, NONCE, NOW)
    signed["later"] = ["something"]
    assert verify(signed_file(signed, operator.director.signers["timestamp"]), operator) == NOW


def test_a_timestamp_is_no_receipt_and_a_receipt_no_timestamp(operator):
    operator.assign(None)
    with pytest.raises(FormatError):
        verify(operator.director.files["timestamp.json"], operator)
    with pytest.raises(FormatError):
        trusted(operator).take_timestamp(operator.receipt(NONCE, NOW), NOW)


@pytest.mark.parametrize(
    "change",
    [
        {"_type": "timestamp"}, {"v": 2}, {"v": "1"}, {"device": "../x"}, {"device": 7}, {"nonce": "0F" * NONCE_BYTES},
        {"nonce": "00"}, {"nonce": None}, {"issued_at": NOW}, {"issued_at": "2026-11-22"},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_no_receipt_is_a_format_error(change):
    body = {"signed": {**signed_part(DEVICE, NONCE, NOW), **change}, "signatures": []}
    with pytest.raises(FormatError):
        parse(dumps(body).encode())


def test_a_receipt_beyond_the_limit_is_not_read(operator):
    body = operator.receipt(NONCE, NOW)
    assert parse(body + b" " * (MAX_RECEIPT_BYTES - len(body))).issued_at == NOW
    with pytest.raises(FormatError):
        parse(body + b" " * (MAX_RECEIPT_BYTES + 1 - len(body)))


@given(st.binary(max_size=200) | st.text().map(str.encode))
def test_random_bytes_are_a_format_error(body):
    with pytest.raises(FormatError):
        parse(body)
