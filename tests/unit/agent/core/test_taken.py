"""Receipts for messages: which ones are believed, and each way to lie with one by its name."""

from json import dumps, loads

import pytest

from agent.core import receipt, taken
from agent.core.trust_errors import ArbitrarySoftware, RevokedKey, WrongDevice
from agent.core.trust_repository import Repository
from agent.formats.errors import FormatError
from agent.formats.taken import MAX_MESSAGES, MAX_SIGNATURES, One, signed_part
from firmware_sim.world.repository import new_operator, signed_file
from tests.scenario.makers import RealSigner, verify_signature

NOW = 1_800_000_000
DEVICE = "a" * 26
MESSAGES = (One(5, "0a" * 32, ""), One(7, "ff" * 32, "format"))


@pytest.fixture
def operator():
    made = new_operator(RealSigner, NOW)
    made.adopt(DEVICE)
    return made


def trusted(operator):
    """What the camera has stored of the director."""
    root = operator.director.files[f"{operator.director.versions['root']}.root.json"]
    return Repository("director", {"root": root}, verify_signature, lambda role, body: None)


def verify(body, operator):
    return taken.verify(body, DEVICE, trusted(operator))


def changed(body, change):
    document = loads(body)
    change(document)
    return dumps(document).encode()


def test_what_the_director_has_signed_is_believed(operator):
    assert verify(operator.taken(DEVICE, MESSAGES), operator) == MESSAGES


def test_a_receipt_for_another_camera_is_refused(operator):
    with pytest.raises(WrongDevice):
        verify(operator.taken("b" * 26, MESSAGES), operator)


@pytest.mark.parametrize("role", ["root", "targets", "snapshot"])
def test_another_role_signs_none(operator, role):
    body = signed_file(signed_part(DEVICE, MESSAGES), operator.director.signers[role])
    with pytest.raises(ArbitrarySoftware):
        verify(body, operator)


def test_a_stranger_signs_none(operator):
    with pytest.raises(ArbitrarySoftware):
        verify(new_operator(RealSigner, NOW).taken(DEVICE, MESSAGES), operator)


@pytest.mark.parametrize(
    "change",
    [
        lambda document: document["signed"]["messages"][0].__setitem__(0, 6),
        lambda document: document["signed"]["messages"][0].__setitem__(1, "0b" * 32),
        lambda document: document["signed"]["messages"][0].__setitem__(2, "format"),
        lambda document: document["signed"]["messages"].append([9, "00" * 32, ""]),
        lambda document: document["signatures"].clear(),
    ],
)
def test_an_altered_one_is_refused(operator, change):
    with pytest.raises(ArbitrarySoftware):
        verify(changed(operator.taken(DEVICE, MESSAGES), change), operator)


def test_a_key_that_the_root_has_revoked_signs_none_any_more(operator):
    known = trusted(operator)
    stolen = operator.taken(DEVICE, MESSAGES)
    operator.director.signers["timestamp"] = [RealSigner("new")]
    operator.director.publish_root()
    walk = known.walk_root()
    assert next(walk).path == "2.root.json"
    walk.send(operator.director.files["2.root.json"])
    with pytest.raises(RevokedKey):
        taken.verify(stolen, DEVICE, known)
    assert taken.verify(operator.taken(DEVICE, MESSAGES), DEVICE, known) == MESSAGES


def test_a_time_receipt_is_none_and_this_is_no_time_receipt(operator):
    with pytest.raises(FormatError):
        verify(operator.receipt("0f" * 16, NOW), operator)
    with pytest.raises(FormatError):
        receipt.verify(operator.taken(DEVICE, MESSAGES), DEVICE, "0f" * 16, trusted(operator), 0)


@pytest.mark.parametrize(
    "change",
    [
        lambda document: document["signed"].__setitem__("v", 2),
        lambda document: document["signed"].__setitem__("messages", [[1, "0a" * 32, ""]] * (MAX_MESSAGES + 1)),
        lambda document: document["signed"].__setitem__("messages", [[1, "0a" * 32]]),
        lambda document: document["signed"].__setitem__("messages", [[-1, "0a" * 32, ""]]),
        lambda document: document["signed"].__setitem__("messages", [[1, "0A" * 32, ""]]),
        lambda document: document["signed"].__setitem__("messages", [[1, "0a" * 32, "x" * 33]]),
        lambda document: document.__setitem__(
            "signatures", [{"keyid": str(number), "sig": "00"} for number in range(MAX_SIGNATURES + 1)]
        ),
    ],
)
def test_what_is_malformed_or_costs_too_much_is_not_looked_at(operator, change):
    with pytest.raises(FormatError):
        verify(changed(operator.taken(DEVICE, MESSAGES), change), operator)


def test_a_full_one_fits_into_a_packet(operator):
    most = tuple(One(2**31, "0a" * 32, "") for _ in range(MAX_MESSAGES))
    assert verify(operator.taken(DEVICE, most), operator) == most
