"""A camera whose owner's record names a sealing key: what it says of itself leaves sealed, or not at all."""

import pytest

from agent.app.sealing import Sealing
from agent.formats import alarm, cose, envelope, evidence, messages, ownership, tuf
from agent.formats.errors import FormatError, Rejected, Unavailable
from firmware_sim.world.packing import unsafe_open
from firmware_sim.world.people import USER, request
from tests.scenario.looks import phase, settled
from tests.scenario.makers import RealSigner

RECORD = "ownership/record.json"
ATTACKER = "203.0.113.5"
SIGNER = RealSigner("the operator's sealing key")
POINT = tuf.point_from_pem(SIGNER.public_pem)


def named(world, **changes):
    """The owner's record says something else; the power is off."""
    record = ownership.parse(world.documents.content[RECORD])
    world.documents.content[RECORD] = ownership.encode(record.replace(**changes))


@pytest.fixture
def sealing(stage):
    """A camera whose record names a sealing key, without power."""

    def make(version=None):
        world = stage.world(version)
        named(world, sealing_key=SIGNER.public_pem)
        world.broker.messages.clear()
        return world

    return make


def guess(world, count=40):
    for number in range(count):
        asked = request("login", user=USER, password=f"wrong {number}")
        asked["source"] = ATTACKER
        world.ask("web", asked)


def arrived(world):
    """(kind, sealed or None, envelope) of each message at the broker, opened as the server opens them."""
    found = []
    for topic, payload in world.broker.messages:
        if "/up/" in topic:
            sealed = cose.parse(payload) if cose.is_sealed(payload) else None
            wire = payload if sealed is None else unsafe_open(POINT, sealed, topic)
            found.append((topic.rpartition("/")[2], sealed, envelope.parse(wire)))
    return found


def test_evidence_reports_and_alarms_leave_sealed_and_telemetry_does_not(sealing):
    world = sealing("1.1.0")
    world.power_on()
    world.run_until(lambda: settled(world, "1.1.0"))
    guess(world)
    world.run_for(1200)
    kinds = {kind: {sealed is not None for k, sealed, _ in arrived(world) if k == kind} for kind in envelope.TYPES}
    assert kinds == {"telemetry": {False}, "alarm": {True}, "evidence": {True}, "report": {True}}


def test_nothing_of_them_is_readable_at_the_broker_or_on_the_flash_and_without_a_key_it_is(stage, sealing):
    def looks(world):
        world.power_on()
        world.run_for(60)
        guess(world)
        world.run_for(900)
        world.broker.down = True
        world.run_for(120)
        guess(world)
        flash = [body for name, body in world.documents.content.items() if name.startswith("outbox/")]
        sent = b"".join(payload for topic, payload in world.broker.messages if "/state" not in topic)
        return [text in sent for text in (b'"findings"', ATTACKER.encode(), b'"attack"')], flash

    clear = stage.world()
    clear.broker.messages.clear()
    assert looks(clear)[0] == [True] * 3
    found, flash = looks(sealing())
    assert found == [False] * 3
    assert flash
    assert not any(b'"findings"' in body or ATTACKER.encode() in body for body in flash)


def test_each_is_signed_first_and_says_what_it_always_said(sealing):
    world = sealing()
    world.power_on()
    world.run_for(60)
    guess(world)
    world.run_for(900)
    found = [(kind, sealed, one) for kind, sealed, one in arrived(world) if sealed is not None]
    assert {kind for kind, _, _ in found} == {"evidence", "alarm"}
    for kind, sealed, one in found:
        assert one.signature == world.ports.keys.sign("evidence", envelope.message(one))
        assert (one.type, one.id, one.boot, one.seq) == (kind, world.device_id(), sealed.boot, sealed.seq)
        assert (evidence.parse if kind == "evidence" else alarm.parse)(one.body)


def test_one_key_encapsulation_for_a_start_and_another_for_the_next(sealing):
    world = sealing()
    starts = []
    for _ in range(3):
        world.power_on()
        world.run_for(60)
        guess(world)
        world.run_for(3600)
        starts.append(world.ports.sealer.starts)
        world.power_cut()
    assert starts == [1, 1, 1]
    found = [(sealed.session, one.boot) for _, sealed, one in arrived(world) if sealed is not None]
    assert len(found) > 6
    assert len(set(found)) == len({session for session, _ in found}) == 3
    assert {session.kid for session, _ in found} == {cose.key_id(POINT)}


def test_no_two_messages_share_key_and_iv(sealing):
    world = sealing()
    for _ in range(3):
        world.power_on()
        world.run_for(60)
        guess(world)
        world.run_for(1200)
        world.power_cut()
    sent = {(sealed.session, sealed.boot, sealed.seq): sealed.iv for _, sealed, _ in arrived(world) if sealed}
    assert len(sent) >= 6
    assert len({(session, iv) for (session, _, _), iv in sent.items()}) == len(sent)


def test_what_was_sealed_before_a_power_cut_opens_after_it(sealing):
    world = sealing()
    world.broker.down = True
    world.power_on()
    world.run_for(60)
    guess(world)
    world.run_for(600)
    assert world.ports.sealer.starts == 1
    assert not arrived(world)
    world.power_cut()
    world.broker.down = False
    world.power_on()
    world.run_for(1200)
    found = [(sealed.session, one.type) for _, sealed, one in arrived(world) if sealed is not None]
    assert len({session for session, _ in found}) == 2, "also what was sealed to the session that is gone"
    assert {"evidence", "alarm"} <= {kind for session, kind in found if session == found[0][0]}


def test_the_outcome_of_an_update_is_sealed_though_the_enrolment_is_not_served_yet(sealing):
    """It is reported as soon as the agent has come up; the record is read for it."""
    world = sealing("1.1.0")
    world.power_on()
    world.run_until(lambda: len(world.boots) > 1 and phase(world) == "trial")
    world.run_until(lambda: settled(world, "1.1.0"))
    world.run_for(60)
    reports = [(sealed, one) for kind, sealed, one in arrived(world) if kind == "report"]
    assert all(sealed is not None for sealed, _ in reports)
    assert "committed" in [messages.parse_report(one.body).event for _, one in reports]


class Store:
    def __init__(self, body):
        self.body = body

    def read(self, _name):
        if isinstance(self.body, Exception):
            raise self.body
        return self.body


class Bench:
    """A desk with a record."""

    def __init__(self, body, sealer=None):
        self.ports = self
        self.store, self.sealer = Store(body), sealer


def test_what_is_said_before_the_enrolment_is_served_is_sealed_by_the_stored_record(stage):
    record = ownership.parse(stage.world().documents.content[RECORD])
    for key, seals in ((SIGNER.public_pem, True), (None, False)):
        part = Sealing(Bench(ownership.encode(record.replace(sealing_key=key))))
        assert {kind: part.seals(kind) for kind in envelope.TYPES} == {
            "telemetry": False, "alarm": seals, "evidence": seals, "report": seals,
        }  # fmt: skip


def test_without_an_owner_nothing_is_sealed_and_with_a_damaged_record_nothing_leaves():
    assert not Sealing(Bench(None)).seals("evidence")
    for damaged, error in ((b"{}", FormatError), (Unavailable("the storage fails"), Unavailable)):
        part = Sealing(Bench(damaged))
        assert not part.seals("telemetry")
        for kind in envelope.SEALED_TYPES:
            with pytest.raises(error):
                part.seals(kind)


@pytest.mark.parametrize("error", [Rejected("no point of the curve"), Unavailable("not now")])
def test_what_cannot_be_sealed_is_lost_and_never_sent_in_the_clear(sealing, error):
    world = sealing()
    world.power_on()

    def fail(*_):
        raise error

    world.ports.sealer.start = fail
    world.run_for(60)
    guess(world)
    world.run_for(1200)
    assert {kind for kind, _, _ in arrived(world)} == {"telemetry"}
    assert len(world.boots) == 1
    del world.ports.sealer.start
    world.run_for(4 * 3600)
    guess(world)
    world.run_for(60)
    assert {kind for kind, sealed, _ in arrived(world) if sealed} >= {"alarm"}, "and it goes on when it can"
