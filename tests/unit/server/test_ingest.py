"""Ingest on a real database: what one camera can do to the others, to the disk, and to the server itself."""

import threading
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from sqlalchemy import func, select, text
from sqlalchemy.exc import OperationalError

from agent.formats import envelope as envelopes
from agent.formats import messages, taken
from agent.formats.envelope import Envelope
from tests.unit.server.conftest import NOW
from update_server.db.models import Device, Message
from update_server.db.session import Database
from update_server.fleet import history, ingest
from update_server.fleet.ingest import Answer, Incoming, Ingest, take_batch
from update_server.fleet.sealed import SealingKeys
from update_server.keyfiles import new_key, public_pem

CAMERA = "a" * 26
DAY_S = 86_400


class World:
    """A database with one camera, and an ingest that hears reports; `folder` holds the sealing keys."""

    def __init__(self, database, folder):
        self.database, self.key, self.seq = database, new_key(), 0
        self.on_report = lambda *_: None
        self.sealing = SealingKeys(folder)
        self.ingest = Ingest(self.heard, lambda *_: None, self.sealing)
        with database.write() as session:
            session.add(
                Device(
                    id=CAMERA, serial="S1", model="kawa-1", hardware="a", version="1.0.0", ownership_sha256="",
                    enrolled_at=NOW, evidence_key=public_pem(self.key.public_key()),
                )
            )  # fmt: skip

    def heard(self, *report):
        self.on_report(*report)

    def envelope(self, kind, body, at=NOW):
        self.seq += 1
        made = Envelope(type=kind, id=CAMERA, boot="b1", seq=self.seq, at=at, body=body, signature=b"")
        if kind == "report":
            der = self.key.sign(envelopes.message(made), ec.ECDSA(hashes.SHA256()))
            made = made.replace(signature=b"".join(part.to_bytes(32, "big") for part in decode_dss_signature(der)))
        return Incoming(f"camward/1/{CAMERA}/up/{kind}", envelopes.encode(made))

    def telemetry(self, version, at=NOW, **more):
        return self.envelope("telemetry", {"version": version, "slot": "a", "phase": "idle", **more}, at)

    def report(self, at=NOW, code=""):
        return self.envelope(
            "report", messages.report_body(messages.Report("failed", "1.0.0", "1.1.0", code, "", "b", None)), at
        )

    def take(self, *batch, now=NOW):
        return take_batch(self.database, self.ingest, batch, now)

    def device(self):
        with self.database.read() as session:
            return session.get_one(Device, CAMERA)

    def stored(self):
        with self.database.read() as session:
            return session.scalar(select(func.count()).select_from(Message))

    def refused(self):
        with self.database.read() as session:
            return [row.code for row in history.refusals(session, CAMERA)]

    def fill(self, kind, count, received_at):
        """So many were taken before, that day."""
        with self.database.write() as session:
            device = session.get_one(Device, CAMERA)
            device.day, device.day_counts = received_at // DAY_S, {kind: count}


@pytest.fixture
def world(database, tmp_path):
    return World(database, tmp_path / "sealing")


def test_a_message_that_our_code_fails_on_is_recorded_and_what_is_behind_it_arrives(world, caplog):
    def fail(*_):
        raise ZeroDivisionError

    world.on_report = fail
    world.take(world.telemetry("1.0.1"), world.report(), world.telemetry("1.0.2"))
    assert world.device().version == "1.0.2"
    assert (world.stored(), world.refused()) == (2, ["error"])
    assert "ZeroDivisionError" in caplog.text


def test_when_the_database_takes_nothing_the_batch_stays_whole_and_may_come_again(world):
    def fail(*_):
        raise OperationalError("INSERT", {}, OSError("disk full"))

    batch = world.telemetry("1.0.1"), world.report()
    world.on_report = fail
    with pytest.raises(OperationalError):
        world.take(*batch)
    assert (world.stored(), world.refused()) == (0, [])
    world.on_report = lambda *_: None
    world.take(*batch)
    assert world.stored() == 2


def test_a_postgresql_server_that_ends_in_the_middle_of_a_batch_gets_it_again(postgresql, tmp_path):
    database = Database(postgresql)
    world = World(database, tmp_path / "sealing")
    batch = world.telemetry("1.0.1"), world.report(), world.envelope("alarm", {"code": "x"})
    world.on_report = lambda session, *_: session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
    with pytest.raises(OperationalError):
        world.take(*batch)
    assert (world.stored(), world.refused()) == (0, [])
    world.on_report = lambda *_: None
    assert len(world.take(*batch)) == 2
    assert (world.stored(), world.refused()) == (3, [])
    database.close()


def test_two_at_once_take_one_message_once_and_others_beside_each_other(database, tmp_path):
    """As two processes do that the broker gives one message: at the end of one's session, and by the share's other."""
    world = World(database, tmp_path / "sealing")
    messages_ = [world.telemetry(f"1.0.{number}") for number in range(20)]
    alarms = [world.envelope("alarm", {"code": str(number)}) for number in range(20)]
    answers, errors = [], []

    def work():
        try:
            for message, alarm in zip(messages_, alarms, strict=True):
                world.take(message)
                answers.extend(world.take(message, alarm))
        except Exception as error:  # noqa: BLE001  (told below)
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (errors, world.stored(), world.refused()) == ([], 40, [])
    assert len(answers) == 80, "each is told, once for each that has it"
    assert world.device().day_counts == {"telemetry": 20, "alarm": 20}


@pytest.mark.parametrize("kind", ["alarm", "report"])
def test_a_camera_that_floods_is_cut_off_for_the_day_and_heard_again_later(world, kind):
    most, _ = ingest.LIMITS[kind]

    def one(at):
        return world.report(at) if kind == "report" else world.envelope("alarm", {"code": "x"}, at)

    world.fill(kind, most - 1, NOW)
    world.take(one(NOW))
    assert (world.stored(), world.refused()) == (1, [])
    world.take(one(NOW), world.telemetry("1.0.7"))
    assert (world.stored(), world.refused()) == (2, ["flood"])
    assert world.device().version == "1.0.7"
    world.take(one(NOW + DAY_S), now=NOW + DAY_S)
    assert (world.stored(), world.refused()) == (3, ["flood"])


def test_an_alarm_that_is_over_clears_its_own_attention_and_no_other(world):
    def alarm(**body):
        world.take(world.envelope("alarm", body))
        return world.device().attention

    assert alarm(code="accounts_found", detail="keys in /root") == "accounts_found: keys in /root"
    assert alarm(code="accounts_mended", clears="other", detail="x") == "accounts_found: keys in /root"
    assert alarm(code="accounts_mended", clears="accounts", detail="x") == "accounts_found: keys in /root"
    assert alarm(code="accounts_mended", clears="accounts_found", detail="x") == ""
    assert alarm(code="other", detail="y") == "other: y"
    assert alarm(code="accounts_mended", clears="accounts_found", detail="x") == "other: y"
    assert alarm(code="accounts_mended", clears="", detail="x") == "other: y"
    assert world.refused() == []


def test_a_message_that_is_delivered_again_is_no_flood(world):
    world.fill("alarm", ingest.LIMITS["alarm"][0] - 1, NOW)
    last = world.envelope("alarm", {"code": "x"})
    for _ in range(3):
        world.take(last)
    assert world.refused() == []


def test_several_samples_are_one_message_and_the_last_one_is_shown(world):
    at = {"version": "1.0.1", "slot": "a", "phase": "idle"}
    body = {"samples": [at | {"at": NOW - 600, "uptime_s": 5}, at | {"at": NOW - 300, "uptime_s": 305}]}
    message = world.envelope("telemetry", body)
    assert message.payload[:1] != b"{"
    assert world.take(message, message) == []
    device = world.device()
    assert (device.telemetry, device.telemetry_at) == (at | {"uptime_s": 305}, NOW - 300)
    assert (world.stored(), device.online, device.last_seen_at, world.refused()) == (1, True, NOW, [])
    world.take(world.telemetry("1.0.2"))
    assert world.device().telemetry["version"] == "1.0.2", "as cameras from before send it"


def test_a_message_with_one_bad_sample_is_refused_whole(world):
    at = {"version": "1.0.1", "slot": "a", "phase": "idle", "at": NOW}
    for wrong in (at | {"slot": "c"}, {"at": NOW}, at | {"rss_bytes": -1}, at | {"address": "x"}):
        for body in ([at, wrong], [wrong, at]):
            world.take(world.envelope("telemetry", {"samples": body}))
    assert (world.stored(), world.device().telemetry) == (0, {})
    assert set(world.refused()) == {"format"}


def test_no_other_kind_has_such_a_form(world):
    made = world.envelope("telemetry", {"samples": [{"at": NOW, "version": "1", "slot": "a", "phase": "idle"}]})
    for kind in ("alarm", "report", "evidence"):
        assert world.take(Incoming(f"camward/1/{CAMERA}/up/{kind}", made.payload)) == []
    assert (world.stored(), world.refused()) == (0, ["format"] * 3)


def test_telemetry_is_short(world):
    world.take(world.telemetry("1.0.1", padding="x" * 9000))
    assert (world.stored(), world.refused()) == (0, ["format"])


def test_a_time_that_no_calendar_has_is_refused(world):
    world.take(world.report(at=ingest.MAX_AT + 1))
    assert (world.stored(), world.refused()) == (0, ["format"])
    world.take(world.report(at=ingest.MAX_AT))
    assert world.stored() == 1


def test_a_clock_that_ran_ahead_once_does_not_freeze_the_telemetry(world):
    world.take(world.telemetry("1.0.1", at=NOW + 400 * DAY_S))
    assert world.device().telemetry_at == NOW
    world.take(world.telemetry("1.0.2", at=NOW + 60), now=NOW + 60)
    assert world.device().telemetry["version"] == "1.0.2"
    world.take(world.telemetry("1.0.1", at=NOW + 30), now=NOW + 90)
    assert world.device().telemetry["version"] == "1.0.2"


def test_of_two_messages_of_one_second_the_higher_number_is_newer_whichever_comes_first(world):
    first, second = world.telemetry("1.0.1"), world.telemetry("1.0.2")
    world.take(second)
    world.take(first)
    assert world.device().telemetry["version"] == "1.0.2"
    assert world.stored() == 2


def test_telemetry_from_before_the_last_will_shows_nobody_online(world):
    """Another process of the ingest may be behind with a camera's telemetry."""

    def state(online, now):
        said = messages.encode_state(messages.State(online, "1.0.0" if online else "", "a" if online else "", ""))
        world.take(Incoming(f"camward/1/{CAMERA}/state", said), now=now)

    state(True, NOW)
    state(False, NOW + 100)
    world.take(world.telemetry("1.0.1", at=NOW + 50), now=NOW + 101)
    assert (world.device().online, world.device().version) == (False, "1.0.1")
    world.take(world.telemetry("1.0.1", at=NOW + 200), now=NOW + 200)
    assert world.device().online


def test_a_long_code_fits_its_column(world):
    world.take(world.report(code="c" * 64))
    with world.database.read() as session:
        assert [event.code for event in history.updates(session, CAMERA)] == ["c" * 32]


# --- what the camera is told


def one(message, code=""):
    """The answer to a message."""
    seq = envelopes.parse(message.payload).seq
    return Answer(CAMERA, taken.One(seq, sha256(message.payload).hexdigest(), code))


def test_alarms_and_reports_are_answered_and_telemetry_is_not(world):
    alarm, report = world.envelope("alarm", {"code": "x"}), world.report()
    assert world.take(alarm, world.telemetry("1.0.1"), report) == [one(alarm), one(report)]
    assert world.stored() == 3


def test_what_comes_again_is_answered_again_and_stored_once(world):
    alarm = world.envelope("alarm", {"code": "x"})
    assert world.take(alarm, alarm) == [one(alarm), one(alarm)]
    assert world.take(alarm) == [one(alarm)]
    assert (world.stored(), world.refused()) == (1, [])


def test_another_message_of_the_same_number_is_no_duplicate(world):
    genuine = world.envelope("alarm", {"code": "door"})
    world.seq -= 1
    forged = world.envelope("alarm", {"code": "nothing"})
    assert world.take(forged, genuine) == [one(forged)], "the camera keeps what was not taken"
    assert (world.stored(), world.refused()) == (1, ["conflict"])


def test_a_number_that_somebody_took_with_an_unsigned_message_goes_to_the_signed_one(world):
    forged = world.telemetry("9.9.9")
    world.seq -= 1
    genuine = world.report()
    assert world.take(forged, genuine, genuine, forged) == [one(genuine), one(genuine)]
    with world.database.read() as session:
        assert [row.raw for row in session.scalars(select(Message))] == [genuine.payload]
        assert len(history.updates(session, CAMERA)) == 1
    assert world.refused() == ["conflict"]


@pytest.mark.parametrize("first", ["telemetry", "report"])
def test_a_signature_that_does_not_verify_takes_no_number(world, first):
    stored = world.telemetry("1.0.1") if first == "telemetry" else world.report()
    world.seq -= 1
    good = world.report(code="x")
    world.take(stored, Incoming(good.topic, good.payload.replace(b'"1.1.0"', b'"1.1.1"')))
    with world.database.read() as session:
        assert [row.raw for row in session.scalars(select(Message))] == [stored.payload]


@pytest.mark.parametrize(("kind", "other"), [("alarm", "report"), ("alarm", "evidence"), ("report", "alarm")])
def test_a_genuine_message_under_another_topic_gets_no_receipt_that_would_delete_it(world, kind, other):
    genuine = world.report() if kind == "report" else world.envelope(kind, {"code": "x"})
    assert world.take(Incoming(f"camward/1/{CAMERA}/up/{other}", genuine.payload)) == []
    assert world.take(genuine) == [one(genuine)]
    assert world.refused() == ["format"]


def test_what_will_never_be_taken_is_answered_with_its_code(world):
    malformed = world.envelope("report", {"kind": "update"})
    good = world.report()
    wrong = Incoming(good.topic, good.payload.replace(b'"1.1.0"', b'"1.1.1"'))
    assert world.take(malformed, wrong) == [one(malformed, "format"), one(wrong, "signature")]
    assert world.stored() == 0


def test_what_may_be_taken_later_is_not_answered(world):
    flood = world.envelope("alarm", {"code": "x"})
    world.fill("alarm", ingest.LIMITS["alarm"][0], NOW)
    assert world.take(flood) == []
    assert world.take(flood, now=NOW + DAY_S) == [one(flood)]
    with world.database.write() as session:
        session.get_one(Device, CAMERA).evidence_key = None
    assert world.take(world.report()) == []
    assert sorted(world.refused()) == ["flood", "signature"]


def test_nobody_is_answered_who_is_not_known_or_cannot_be_read(world):
    stranger = Incoming(f"camward/1/{'b' * 26}/up/alarm", world.envelope("alarm", {"code": "x"}).payload)
    assert world.take(stranger, Incoming(f"camward/1/{CAMERA}/up/alarm", b"{}")) == []


def test_what_our_code_fails_on_is_not_answered_and_the_rest_is(world):
    def fail(*_):
        raise ZeroDivisionError

    world.on_report = fail
    alarm, report, more = world.envelope("alarm", {"code": "x"}), world.report(), world.envelope("alarm", {"code": "y"})
    assert world.take(alarm, report, more) == [one(alarm), one(more)]
    world.on_report = lambda *_: None
    assert world.take(report) == [one(report)]
