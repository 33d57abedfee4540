"""Which keys of a camera count while its identity gets another one."""

import types

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from sqlalchemy import select

from agent.formats import ownership
from agent.formats.command import CommandReport
from tests.unit.server.conftest import NOW
from tests.unit.server.test_signed_commands import ONE, TWO, Room
from update_server.db.models import Command, Device
from update_server.errors import Conflict, Forbidden
from update_server.fleet import devices, rotation
from update_server.pki import enrolment
from update_server.pki.authority import key_sha256

OLD, NEW, NEWER = "0" * 64, "1" * 64, "2" * 64


@pytest.fixture
def room(database, tmp_path):
    return Room(database, tmp_path)


def counting(room):
    """Which of the keys the server takes."""
    found = []
    with room.database.read() as session:
        for key in (OLD, NEW, NEWER):
            try:
                devices.known(session, ONE, key)
                found.append(key)
            except Forbidden:
                pass
    return found


def certified(room, key):
    with room.database.write() as session:
        session.get_one(Device, ONE).next_key = key


def ordered(room, now=NOW):
    with room.database.read() as session:
        return rotation.ordered(session, session.get_one(Device, ONE), now)


def test_another_key_is_certified_from_the_delivery_to_the_answer_and_not_after_the_end(room):
    assert not ordered(room)
    number, seq = room.send("rotate_identity")
    assert not ordered(room), "queued: the camera cannot know"
    with room.database.write() as session:
        session.get_one(Command, number).state = "delivered"
    assert ordered(room)
    assert not ordered(room, NOW + 600)
    room.answer("accepted", seq, "rotate_identity")
    assert ordered(room)
    room.answer("done", seq, "rotate_identity")
    assert not ordered(room)


def test_both_keys_count_until_the_camera_says_done_and_then_the_new_one_alone(room):
    assert counting(room) == [OLD, NEW, NEWER], "a camera that never had another key: the certificate's name is enough"
    _, seq = room.send("rotate_identity")
    certified(room, NEW)
    assert set(counting(room)) >= {OLD, NEW}
    room.answer("done", seq, "rotate_identity")
    assert counting(room) == [NEW]
    _, seq = room.send("rotate_identity")
    certified(room, NEWER)
    assert counting(room) == [NEW, NEWER]
    room.answer("refused", seq, "rotate_identity", "failed")
    assert counting(room) == [NEW]


def test_a_done_without_a_key_changes_nothing(room):
    _, seq = room.send("rotate_identity")
    with room.database.write() as session:
        report = CommandReport("done", seq, "rotate_identity", "", 1)
        room.commands.reported(session, session.get_one(Device, ONE), report, NOW)
    assert counting(room) == [OLD, NEW, NEWER]
    with room.database.read() as session:
        assert session.scalars(select(Device.identity_key).where(Device.id == ONE)).one() is None


def test_the_old_key_gets_the_name_back_by_no_token(room):
    old, new = (types.SimpleNamespace(key=generate_private_key(SECP256R1()).public_key()) for _ in "ab")
    with room.database.write() as session:
        device = session.get_one(Device, ONE)
        enrolment._admit(device, old)  # whose identity never had another key: the name is made of it
        device.identity_key = key_sha256(new.key)
        enrolment._admit(device, new)
        with pytest.raises(Forbidden, match="another key"):
            enrolment._admit(device, old)


def test_a_camera_that_another_est_server_certifies_is_not_told_to(room):
    """It would ask this server, which does not certify it, and answer `failed` after half an hour."""
    record = ownership.parse(room.records.record(room.records.current))
    other = room.records.keep(record.replace(est_url="https://est.example/.well-known/est/cameras"))
    with room.database.write() as session:
        session.get_one(Device, ONE).ownership_sha256 = other
    with pytest.raises(Conflict, match="another EST server"):
        room.send("rotate_identity")
    room.send("reboot")  # the controls
    room.send("rotate_identity", TWO)
