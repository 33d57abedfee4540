"""The queue of commands on a database: numbers, order, repetition, ends."""

import json

import pytest
from securesystemslib.signer import CryptoSigner
from sqlalchemy import select

from agent.formats import command as formats
from agent.formats import ownership
from agent.formats.command import CommandReport
from tests.fuzz import seeds
from tests.unit.server.conftest import NOW
from tests.unit.server.test_nudge import sign
from update_server.db.models import Audit, Command, Device, Refusal
from update_server.errors import BadInput, Conflict
from update_server.fleet import commands
from update_server.fleet.command_form import with_reason
from update_server.fleet.commands import Commands
from update_server.fleet.ownership import Ownership
from update_server.repository.online import Online
from update_server.serving.nudge import Nudger

ONE, TWO = "a" * 26, "b" * 26
STRANGER = CryptoSigner.generate_ecdsa().public_key.keyval["public"]


class Room:
    """A server's keys and records, and two cameras that were enrolled with them."""

    def __init__(self, database, folder):
        self.database = database
        for name in ("keys", "ownership"):
            (folder / name).mkdir()
        self.online, self.records = Online(folder / "keys"), Ownership(folder / "ownership")
        self.records.publish(ownership.parse(seeds.OWNERSHIP).replace(command_keys=()))
        self.from_before = self.records.current
        self.records.offer_command_key(self.online)
        self.commands = Commands(self.records, self.online, "x")
        with database.write() as session:
            for number, device_id in enumerate((ONE, TWO)):
                session.add(
                    Device(
                        id=device_id, serial=f"S{number}", model="kawa-1", hardware="a", version="1.0.0",
                        ownership_sha256=self.records.current, enrolled_at=NOW, online=True,
                    )
                )  # fmt: skip

    def send(self, name="check", device_id=ONE, valid_s=600, now=NOW):
        with self.database.write() as session:
            row = self.commands.send(session, session.get_one(Device, device_id), name, valid_s, "me", now)
            return row.id, row.seq

    def due(self, now=NOW):
        with self.database.read() as session:
            return [(row.device_id, row.name) for row in commands.due(session, now)]

    def answer(self, event, seq, name="check", code="", now=NOW):
        with self.database.write() as session:
            report = CommandReport(event, seq, name, code, 1)
            self.commands.reported(session, session.get_one(Device, ONE), report, now)

    def states(self):
        with self.database.read() as session:
            return [(row.name, row.state, row.code) for row in session.scalars(select(Command).order_by(Command.id))]


@pytest.fixture
def room(database, tmp_path):
    return Room(database, tmp_path)


def test_numbers_are_the_time_and_rise_within_a_second(room):
    assert [room.send(now=at)[1] for at in (NOW, NOW, NOW, NOW + 9)] == [NOW, NOW + 1, NOW + 2, NOW + 9]


def test_the_command_key_is_made_once_and_stays(room):
    before = room.records.current
    room.records.offer_command_key(room.online)
    assert room.records.current == before != room.from_before


def test_each_camera_gets_the_first_that_it_has_not_answered(room):
    _, first = room.send("evidence")
    room.send("reboot")
    room.send("check", TWO)
    assert room.due() == [(ONE, "evidence"), (TWO, "check")]
    room.answer("accepted", first, "evidence")
    assert room.due() == [(TWO, "check")]
    room.answer("done", first, "evidence")
    assert sorted(room.due()) == [(ONE, "reboot"), (TWO, "check")]


def test_nothing_is_sent_to_a_camera_that_is_away(room):
    room.send()
    with room.database.write() as session:
        session.get_one(Device, ONE).online = False
    assert room.due() == []


def test_it_is_sent_again_at_growing_intervals_and_given_up_at_its_end(room):
    sent = []
    nudger = Nudger(room.database, lambda topic, body: sent.append((topic, body)) or True, room.commands.hasten, NOW)
    room.send(valid_s=3600)
    at = []
    for now in range(NOW, NOW + 4000, 10):
        before = len(sent)
        nudger.deliver(now)
        at += [now - NOW] * (len(sent) - before)
    assert at == [0, 60, 180, 420, 900, 1860]
    assert len({body for _, body in sent}) == 1
    assert sent[0][0] == f"camward/1/{ONE}/down/command"
    assert room.states() == [("check", "expired", "")]


def test_a_broker_that_is_away_loses_nothing(room):
    nudger = Nudger(room.database, lambda *_: False, room.commands.hasten, NOW)
    room.send()
    assert nudger.deliver(NOW) == 0
    assert room.states() == [("check", "queued", "")]


def test_one_that_was_accepted_and_never_ended_does_not_stay_in_the_way_for_ever(room):
    _, seq = room.send("reboot", valid_s=60)
    room.answer("accepted", seq, "reboot")
    with room.database.write() as session:
        commands.expire(session, NOW + 60)
    assert room.states()[0][1] == "accepted"
    with room.database.write() as session:
        assert commands.must_expire(session, NOW + 60 + commands.UNANSWERED_S)
        commands.expire(session, NOW + 60 + commands.UNANSWERED_S)
    assert room.states() == [("reboot", "expired", "unanswered")]
    room.answer("done", seq, "reboot")
    assert room.states() == [("reboot", "done", "")], "a late answer is an answer"


def test_many_changes_make_one_check(room):
    with room.database.write() as session:
        assert all(room.commands.hasten(session, ONE, NOW) for _ in range(5))
        assert not room.commands.hasten(session, "c" * 26, NOW)
        session.get_one(Device, TWO).ownership_sha256 = room.from_before
        session.flush()
        assert not room.commands.hasten(session, TWO, NOW), "it gets the unsigned message"
    assert room.states() == [("check", "queued", "")]


def test_a_camera_that_takes_no_more_commands_keeps_no_order_from_the_others(room):
    nudger = Nudger(room.database, lambda *_: True, room.commands.hasten, NOW)
    for device_id in (ONE, TWO):
        sign(room.database, device_id, 1, NOW)
    for _ in range(commands.MAX_PENDING - 1):
        room.send("evidence")
    _, seq = room.send()
    room.answer("accepted", seq)  # under way, so another one is wanted; and the queue is full
    assert nudger.run(NOW) == 2
    with room.database.read() as session:
        sent = [row.device_id for row in session.scalars(select(Command)) if row.name == "check"]
    assert sorted(sent) == [ONE, TWO]


def test_a_key_that_the_server_has_no_more_keeps_no_order_from_the_others(room):
    with room.database.write() as session:
        record = ownership.parse(room.records.record(room.records.current)).replace(command_keys=(STRANGER,))
        session.get_one(Device, ONE).ownership_sha256 = room.records.keep(record)
    with room.database.write() as session:
        assert [room.commands.hasten(session, one, NOW) for one in (ONE, TWO)] == [True, True]
    assert room.due() == [(TWO, "check")]


def test_a_damaged_record_keeps_no_order_from_the_others(room):
    damaged = room.records._folder / ("0" * 64 + ".json")
    damaged.write_bytes(b"{")
    with room.database.write() as session:
        session.get_one(Device, ONE).ownership_sha256 = "0" * 64
    for device_id in (ONE, TWO):
        sign(room.database, device_id, 1, NOW)
    told = []
    nudger = Nudger(room.database, lambda topic, _: told.append(topic) or True, room.commands.hasten, NOW)
    assert nudger.run(NOW) == 2
    assert room.states() == [("check", "queued", "")]
    assert room.due() == [(TWO, "check")]
    assert told == [f"camward/1/{ONE}/down/command"], "it gets the message that needs no keys"
    with room.database.read() as session:
        (refusal,) = session.scalars(select(Refusal))
    assert (refusal.device_id, refusal.code) == (ONE, "ownership record")


def test_a_change_that_a_camera_could_not_read_is_not_prepared(room):
    certificate = "-----BEGIN CERTIFICATE-----\n%s\n-----END CERTIFICATE-----\n"
    with room.database.write() as session:
        device = session.get_one(Device, ONE)
        people = [str(CryptoSigner.generate_ecdsa().public_key.keyval["public"]) for _ in range(2)]
        before = ownership.parse(room.records.record(room.records.current)).replace(authority_keys=tuple(people))
        device.ownership_sha256 = room.records.keep(before)
        for chars, fits in ((6000, True), (7000, False)):
            room.records.publish(before.replace(ca=certificate % ("x" * chars)))
            if fits:
                body = room.commands.prepare(session, device, "change_keys", 60, NOW)
                body["signatures"] = [{"keyid": one * 64, "sig": "0" * 144} for one in "01"]
                assert formats.parse(json.dumps(body).encode()).arguments["ca"] == certificate % ("x" * chars)
            else:
                with pytest.raises(Conflict, match="so long a command"):
                    room.commands.prepare(session, device, "change_keys", 60, NOW)


def test_what_the_old_keys_have_signed_does_not_stand_in_the_way_once_they_are_changed(room):
    room.send("reboot", valid_s=30 * 86_400)
    public = str(room.online.new("command").keyval["public"])
    part = formats.signed_part(ONE, 1, NOW, NOW + 60, "change_keys", {"command_keys": [public]})
    with room.database.write() as session:
        session.add(
            Command(
                device_id=ONE, grave=True, seq=1, name="change_keys", issued_at=NOW, expires_at=NOW + 60, who="",
                body=json.dumps({"signed": part, "signatures": []}).encode(), state="delivered", changed_at=NOW,
            )
        )  # fmt: skip
    room.answer("done", 1, "change_keys")
    room.send("check")
    assert room.due() == [(ONE, "check")]
    assert [row for row in room.states() if row[0] == "reboot"] == [("reboot", "expired", "keys_changed")]


def test_a_check_that_is_under_way_may_have_looked_already(room):
    room.send()
    with room.database.write() as session:
        commands.sent(session, [1], NOW)
        room.commands.hasten(session, ONE, NOW)
    assert [state for _, state, _ in room.states()] == ["delivered", "queued"]


def test_what_the_server_signs_is_what_the_camera_takes(room):
    room.send("evidence")
    with room.database.read() as session:
        (row,) = session.scalars(select(Command))
        found = formats.parse(row.body)
    assert (found.device, found.name, found.expires_at) == (ONE, "evidence", NOW + 600)


@pytest.mark.parametrize("name", ["erase", "change_keys", "sing", ""])
def test_what_people_sign_is_not_signed_here(room, name):
    with pytest.raises(BadInput):
        room.send(name)


def test_a_camera_from_before_takes_none(room):
    with room.database.write() as session:
        session.get_one(Device, ONE).ownership_sha256 = room.from_before
    with pytest.raises(Conflict):
        room.send()


def test_what_ended_long_ago_goes(room):
    _, seq = room.send()
    room.send()
    room.answer("done", seq)
    with room.database.write() as session:
        commands.prune(session, NOW + commands.KEPT_S + 1)
    assert room.states() == [("check", "queued", "")]


def test_a_queue_ends_somewhere(room):
    for _ in range(commands.MAX_PENDING):
        room.send()
    with pytest.raises(Conflict):
        room.send()
    room.send(device_id=TWO)


def test_a_quarantine_shows_from_the_cameras_signed_answer_until_that_of_its_release(room):
    def known():
        with room.database.read() as session:
            return session.get_one(Device, ONE).telemetry

    with room.database.write() as session:
        device = session.get_one(Device, ONE)
        device.telemetry = {"slot": "a"}
        arguments = with_reason("quarantine", "ticket 7")
        row = room.commands.send(session, device, "quarantine", 600, "me", NOW, arguments)
        commands.audit(session, "me", row, NOW, "ticket 7")
        seq = row.seq
        assert formats.parse(row.body).arguments == {"reason": "ticket 7"}
    room.answer("refused", seq, "quarantine", "arguments")
    assert known() == {"slot": "a"}
    _, seq = room.send("quarantine")
    room.answer("done", seq, "quarantine", "no_firewall", NOW + 5)
    assert known() == {"slot": "a", "quarantined_at": NOW + 5}
    assert room.states()[-1] == ("quarantine", "done", "no_firewall")
    _, seq = room.send("release")
    assert known()["quarantined_at"], "nothing is over before the camera has said so"
    room.answer("done", seq, "release")
    assert known() == {"slot": "a"}
    with room.database.read() as session:
        assert session.scalars(select(Audit.detail)).one().endswith(": ticket 7")


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("check", {"reason": "x"}), ("quarantine", {"reason": "x" * 201}), ("quarantine", {"reason": "a\nb"})],
)
def test_what_every_camera_would_refuse_is_not_sent(room, name, arguments):
    with room.database.write() as session, pytest.raises(BadInput, match="would refuse"):
        room.commands.send(session, session.get_one(Device, ONE), name, 600, "me", NOW, arguments)


def settings_sent(room, **said):
    with room.database.write() as session:
        device = session.get_one(Device, ONE)
        row = room.commands.send(session, device, "settings", 600, "me", NOW, said)
        return row.seq, formats.parse(row.body).arguments


def test_settings_bring_a_camera_what_this_server_says_now_and_its_record_follows_the_answer(room):
    with pytest.raises(Conflict, match="Nothing to change"):
        settings_sent(room)
    old = room.records.current
    room.records.publish(ownership.parse(room.records.record(old)).replace(line="wired", telemetry_interval_s=300))
    seq, said = settings_sent(room)
    assert said == {"line": "wired", "telemetry_interval_s": 300}
    with room.database.read() as session:
        assert session.get_one(Device, ONE).ownership_sha256 == old, "not before the camera has said so"
    room.answer("done", seq, "settings")
    with room.database.read() as session:
        assert session.get_one(Device, ONE).ownership_sha256 == room.records.current
    assert settings_sent(room, line="mobile")[1] == {"line": "mobile"}


@pytest.mark.parametrize("said", [{"line": "x"}, {"telemetry_interval_s": 5}, {"ca": "x"}])
def test_settings_that_a_camera_would_refuse_are_not_sent(room, said):
    with pytest.raises(BadInput, match="would refuse"):
        settings_sent(room, **said)
