"""Sealed messages at the server: opened for the camera, topic and number that they come from, once, with every key."""

import json

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from sqlalchemy import select, text

from agent.formats import alarm, cose, envelope, evidence, messages
from tests.sealed import CameraSealer
from tests.unit.server.conftest import NOW
from tests.unit.server.test_ingest import CAMERA, World
from update_server.db.models import Device, Message
from update_server.errors import Misconfigured
from update_server.fleet import alarms, history, ingest
from update_server.fleet.ingest import Incoming
from update_server.fleet.sealed import SealingKeys, key_id
from update_server.keyfiles import new_key, parse_public, public_pem

OTHER = "b" * 26
ATTACK = alarm.Alarm("started", NOW, 30, 1, "203.0.113.5", "administrator")
FINDING = evidence.Finding("S1.1-01", evidence.PASS, evidence.MEASURED, ("logins",), "61 known pairs got in nowhere")
PROOF = evidence.body(evidence.Report(NOW, CAMERA, "kawa-1", "a", "1.0.0", "star1", (FINDING,), {"logins": {"in": 0}}))


class Fleet(World):
    """The same camera, which seals what it says."""

    def __init__(self, database, folder):
        super().__init__(database, folder)
        self.public = self.sealing.public()
        self.sealer = CameraSealer(self.public)

    def signed(self, kind, body, key=None, **changes):
        self.seq += 1
        made = envelope.Envelope(kind, CAMERA, "b1", self.seq, NOW, body, b"").replace(**changes)
        r, s = decode_dss_signature((key or self.key).sign(envelope.message(made), ec.ECDSA(hashes.SHA256())))
        return made.replace(signature=r.to_bytes(32, "big") + s.to_bytes(32, "big"))

    def sealed(self, made, topic=None, **number):
        topic = topic or f"camward/1/{made.id}/up/{made.type}"
        numbered = {"boot": made.boot, "seq": made.seq, **number}
        return Incoming(topic, cose.encode(self.sealer.seal(topic, wire=envelope.encode(made), **numbered)))

    def alarms(self):
        with self.database.read() as session:
            return alarms.history(session, CAMERA)


@pytest.fixture
def fleet(database, tmp_path):
    return Fleet(database, tmp_path / "sealing")


def test_what_is_sealed_arrives_as_what_comes_in_the_clear(fleet):
    fleet.take(fleet.sealed(fleet.signed("alarm", alarm.body(ATTACK))), fleet.sealed(fleet.signed("evidence", PROOF)))
    assert (fleet.stored(), fleet.refused()) == (2, [])
    assert fleet.device().attention == "attack: 30 wrong passwords, sources: 1"
    assert [one.source for one in fleet.alarms()] == ["203.0.113.5"]
    with fleet.database.read() as session:
        row = history.evidence(session, CAMERA)
        assert row.report == PROOF
        assert envelope.parse(row.envelope).signature, "what is kept can be verified without the sealing key"
        assert all(message.raw[:1] == b"{" for message in session.scalars(select(Message)))


def test_what_comes_in_the_clear_is_still_taken(fleet):
    """From cameras whose record names no sealing key, and from those whose software knows none."""
    fleet.take(fleet.telemetry("1.0.1"), fleet.report(), fleet.envelope("alarm", alarm.body(ATTACK)))
    assert (fleet.stored(), fleet.refused()) == (3, [])


def test_of_a_camera_that_seals_nothing_unsigned_is_taken_any_more_and_telemetry_is(fleet):
    """Or a broker could make its alarms, and take them back."""
    fleet.take(fleet.sealed(fleet.signed("alarm", alarm.body(ATTACK))))
    forged = fleet.envelope("alarm", {"clears": "attack"})
    assert fleet.take(forged) == [], "it is told nothing, so that a camera with older software keeps it"
    assert fleet.device().attention.startswith("attack: 30 wrong")
    assert fleet.take(fleet.telemetry("1.0.1"), fleet.report()) != [], "a signed report is the camera's own"
    assert (fleet.stored(), fleet.refused()) == (3, ["clear"])


def test_what_only_claims_to_be_sealed_by_a_camera_does_not_shut_it_out(fleet):
    """Anybody can seal to the public key."""
    fleet.take(fleet.sealed(fleet.signed("alarm", alarm.body(ATTACK), key=new_key())))
    fleet.take(fleet.envelope("alarm", alarm.body(ATTACK)))
    assert (fleet.stored(), fleet.refused()) == (1, ["signature"])
    assert not fleet.device().seals


def test_what_was_sealed_does_not_get_into_the_log(fleet, caplog):
    with fleet.database.write() as session:
        session.execute(text("CREATE UNIQUE INDEX one_each ON update_event (device_id)"))
    report = messages.Report("failed", "1.0.0", "1.1.0", "code", "harbour lantern", "b", None)
    for _ in range(2):
        fleet.take(fleet.sealed(fleet.signed("report", messages.report_body(report))))
    assert "IntegrityError" in caplog.text
    assert "harbour lantern" not in caplog.text


def test_messages_open_alone_in_any_order_and_each_counts_once(fleet):
    made = [fleet.sealed(fleet.signed("alarm", {"code": "x"})) for _ in range(5)]
    fleet.take(made[3])
    fleet.take(made[0], made[3], made[4])
    fleet.take(*made, *made)
    assert (fleet.stored(), fleet.refused()) == (5, [])


@pytest.fixture
def two(fleet):
    """A second camera beside the first."""
    with fleet.database.write() as session:
        session.add(
            Device(
                id=OTHER, serial="S2", model="kawa-1", hardware="a", version="1.0.0", ownership_sha256="",
                enrolled_at=NOW, evidence_key=public_pem(fleet.key.public_key()),
            )
        )  # fmt: skip
    return fleet


@pytest.mark.parametrize("topic", [f"camward/1/{OTHER}/up/alarm", f"camward/1/{CAMERA}/up/report"])
def test_a_message_under_another_topic_does_not_open(two, topic):
    genuine = two.sealed(two.signed("alarm", {"code": "x"}))
    two.take(Incoming(topic, genuine.payload))
    with two.database.read() as session:
        assert [row.code for row in history.refusals(session, topic.split("/")[2])] == ["sealed"]
    assert two.stored() == 0
    two.take(genuine)
    assert two.stored() == 1


@pytest.mark.parametrize("change", [{"seq": 999}, {"boot": "b2"}])
def test_a_message_under_another_number_does_not_open(fleet, change):
    genuine = fleet.sealed(fleet.signed("alarm", {"code": "x"}))
    renumbered = cose.encode(cose.parse(genuine.payload).replace(**change))
    fleet.take(Incoming(genuine.topic, renumbered))
    assert (fleet.stored(), fleet.refused()) == (0, ["sealed"])


@pytest.mark.parametrize("change", [{"seq": 999}, {"boot": "b2"}])
def test_a_number_outside_that_is_not_the_one_inside_is_refused(fleet, change):
    fleet.take(fleet.sealed(fleet.signed("alarm", {"code": "x"}), **change))
    assert (fleet.stored(), fleet.refused()) == (0, ["format"])


def test_every_bit_counts(fleet):
    genuine = fleet.sealed(fleet.signed("alarm", {"code": "x"}))
    flipped = []
    for at in range(len(genuine.payload)):
        body = bytearray(genuine.payload)
        body[at] ^= 1
        flipped.append(Incoming(genuine.topic, bytes(body)))
    fleet.take(*flipped)
    assert fleet.stored() == 0
    assert set(fleet.refused()) <= {"sealed", "format"}
    fleet.take(genuine)
    assert fleet.stored() == 1


def test_anybody_can_seal_but_only_the_camera_can_sign(fleet):
    unsigned = fleet.signed("alarm", {"code": "x"}).replace(signature=b"")
    forged = fleet.signed("alarm", {"code": "x"}, key=new_key())
    altered = fleet.signed("alarm", {"code": "x"}).replace(body={"code": "y"})
    for made in (unsigned, forged, altered):
        fleet.take(fleet.sealed(made))
    telemetry = json.loads(fleet.telemetry("1.0.1").payload)
    topic = f"camward/1/{CAMERA}/up/telemetry"
    wire = cose.encode(fleet.sealer.seal(topic, "b1", telemetry["seq"], json.dumps(telemetry).encode()))
    fleet.take(Incoming(topic, wire))
    assert (fleet.stored(), fleet.refused()) == (0, ["signature"] * 4)


def test_a_key_that_is_not_here_is_said(fleet, tmp_path):
    stranger = SealingKeys(tmp_path / "elsewhere")
    fleet.sealer = CameraSealer(stranger.public())
    made = fleet.sealed(fleet.signed("alarm", {"code": "x"}))
    fleet.take(made)
    assert (fleet.stored(), fleet.refused()) == (0, ["sealed"])
    (tmp_path / "elsewhere" / f"{stranger.current}.key.pem").rename(tmp_path / f"sealing/{stranger.current}.key.pem")
    fleet.take(made)
    assert fleet.stored() == 1, "and it opens when the key is brought"


def test_a_key_under_anothers_name_opens_nothing_and_is_named_to_nobody(fleet, tmp_path):
    names = fleet.sealing.current, fleet.sealing.renew()
    folder = tmp_path / "sealing"
    (folder / f"{names[0]}.key.pem").replace(folder / f"{names[1]}.key.pem")
    fleet.ingest = ingest.Ingest(fleet.heard, lambda *_: None, SealingKeys(folder))
    fleet.take(fleet.sealed(fleet.signed("alarm", {"code": "x"})))
    assert (fleet.stored(), fleet.refused()) == (0, ["sealed"])
    with pytest.raises(Misconfigured, match="another one"):
        SealingKeys(folder).public()


def test_a_sealed_message_is_no_way_around_the_limits(fleet):
    for size, stored in ((9000, 0), (7000, 1)):
        fleet.take(fleet.sealed(fleet.signed("alarm", {"code": "x" * size})))
        assert fleet.stored() == stored
    assert fleet.refused() == ["format"]
    fleet.take(Incoming(f"camward/1/{CAMERA}/up/alarm", b"\xd8\x60" + bytes(cose.MAX_SEALED_BYTES)))
    assert fleet.refused() == ["format", "format"]


def test_after_a_rotation_both_keys_open(fleet):
    before = fleet.sealed(fleet.signed("alarm", {"code": "before"}))
    first = fleet.sealing.current
    assert fleet.sealing.renew() != first
    fleet.sealer = CameraSealer(fleet.sealing.public())
    after = fleet.sealed(fleet.signed("alarm", {"code": "after"}))
    assert cose.parse(after.payload).session.kid.hex() == fleet.sealing.current != first
    fleet.take(after, before)
    assert (fleet.stored(), fleet.refused()) == (2, [])
    assert fleet.sealing.ids() == sorted([first, fleet.sealing.current])


def test_the_current_key_is_made_once_and_never_silently_again(tmp_path):
    keys = SealingKeys(tmp_path / "sealing")
    assert (keys.current, keys.ids()) == (None, [])
    pem = keys.public()
    assert SealingKeys(tmp_path / "sealing").public() == keys.public() == pem
    assert keys.current == key_id(parse_public(pem.encode(), ""))
    assert keys.ids() == [keys.current]
    file = tmp_path / f"sealing/{keys.current}.key.pem"
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    file.unlink()
    with pytest.raises(Misconfigured):
        SealingKeys(tmp_path / "sealing").public()
    (tmp_path / "sealing/current").write_text("../../etc/passwd")
    with pytest.raises(Misconfigured):
        SealingKeys(tmp_path / "sealing").public()
