"""The outbox on simulated storage against the simplest model of one: sets of messages, and a power that fails."""

from hashlib import sha256
from types import SimpleNamespace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from agent.app import outgoing
from agent.app.outgoing import BATCH_COUNT, BATCH_S, Outgoing
from agent.core.outbox import FILE_BYTES
from agent.formats import envelope
from agent.formats.envelope import Envelope
from agent.formats.errors import Unavailable
from agent.formats.outbox_record import LANES, scan
from firmware_sim.world.chance import Chance
from firmware_sim.world.power import OUTCOMES, Power, PowerCut
from firmware_sim.world.secrets import UnsafeDeviceSecret
from firmware_sim.world.store import Documents, MemorySpool, MemoryStore

NOW = 1_800_000_000
AGE_S = 86_400
LASTING = ("alarm", "evidence", "report")


class Desk:
    """What an outbox needs of the agent's desk: ports, timers that a test lets run, and the time."""

    def __init__(self, documents, chance):
        store = MemoryStore(documents)
        secret = UnsafeDeviceSecret(documents, chance)
        self.ports = SimpleNamespace(store=store, spool=MemorySpool(documents), secret=secret)
        self.config = SimpleNamespace(telemetry_max_age_s=AGE_S)
        self.now = 0.0
        self.timers = {}

    def at(self, name, when, due):
        self.timers[name] = (when, due)

    def soon(self, name, due):
        self.at(name, self.now, due)

    def run_for(self, seconds):
        self.now += seconds
        while due := [name for name, (when, _) in self.timers.items() if when <= self.now]:
            self.timers.pop(due[0])[1]()


class Camera:
    """An outbox on storage that outlives it."""

    def __init__(self, room_bytes=4 * 1024 * 1024):
        self.documents = Documents(Power())
        self.documents.room_bytes = room_bytes
        self.wall_at = NOW
        self._chance = Chance(1)
        self.start()

    def start(self):
        self.documents.power.restore()
        self.desk = Desk(self.documents, self._chance)
        self.box = Outgoing(self.desk, lambda: self.wall_at)
        self.box.load(lambda: None)
        self.desk.run_for(0)

    def put(self, kind, text):
        """Queue a message; its bytes."""
        number = self.box.number()
        wire = f"{number} {kind} {text}".encode()
        self.box.put(kind, number, self.wall_at, wire)
        return wire

    def names(self):
        return [name for name in self.documents.content if name.startswith("outbox/")]

    def drain(self):
        """Everything that waits, in the order of sending, as a new session finds it."""
        self.box.again()
        found = []
        while (message := self.box.next()) is not None:
            found.append(message)
        self.box.again()
        return found

    def wires(self):
        return [wire for _, _, wire in self.drain()]


def digest(wire):
    return sha256(wire).hexdigest()


@pytest.fixture
def camera():
    return Camera()


@pytest.mark.parametrize("kind", LASTING)
def test_what_lasts_is_on_the_storage_when_put_returns(camera, kind):
    wire = camera.put(kind, "x")
    camera.start()
    assert camera.wires() == [wire]


def test_nothing_lies_there_in_clear(camera):
    for kind in (*LASTING, "telemetry"):
        camera.put(kind, "harbour lantern")
    assert camera.box.flush()
    stored = b"".join(camera.documents.content[name] for name in camera.names())
    assert stored
    assert b"lantern" not in stored


def test_a_record_does_not_open_as_another_number_or_kind(camera):
    camera.put("alarm", "a")
    camera.put("evidence", "b")
    alarm, paper = sorted(camera.names())
    first = camera.documents.content[alarm]
    one = next(scan(first))
    for kind, number in (("report", one.number), ("alarm", one.number + 7)):
        body = first[one.offset + 25 : one.end]
        lane = alarm if kind == "alarm" else paper
        camera.documents.content[lane] = outgoing.outbox_record.encode(kind, number, number, NOW, body)
        camera.start()
        assert all(found != kind for _, found, _ in camera.drain())
        assert camera.box.damaged == 1
        camera.documents.content[alarm] = first


def test_no_two_sealings_are_alike_even_on_storage_that_was_put_back(camera):
    before = dict(camera.documents.content)
    seen = set()
    for _ in range(5):
        camera.documents.content.clear()
        camera.documents.content.update(before)
        camera.start()
        camera.put("alarm", "the same")
        (record,) = scan(camera.documents.content[camera.names()[0]])
        seen.add(camera.documents.content[camera.names()[0]][record.offset + 25 : record.end])
    assert len(seen) == 5


def test_telemetry_that_the_broker_takes_in_time_is_never_written(camera):
    for _ in range(10):
        camera.put("telemetry", "x")
        number, kind, _ = camera.box.next()
        assert kind == "telemetry"
        assert not camera.box.acknowledged(number)
        camera.desk.run_for(BATCH_S / 2)
    assert camera.names() == []
    assert camera.box.written_bytes == 0


def test_telemetry_without_a_link_is_one_write_for_a_batch(camera):
    sent = [camera.put("telemetry", "x") for _ in range(5)]
    assert camera.names() == []
    camera.desk.run_for(BATCH_S)
    assert [what for what in camera.documents.power.trace if "outbox/" in what] == ["append " + camera.names()[0]]
    assert camera.box.written_bytes == len(camera.documents.content[camera.names()[0]])
    camera.start()
    assert camera.wires() == sent


def test_many_are_written_at_once_and_not_only_when_the_time_has_come(camera):
    for _ in range(BATCH_COUNT):
        camera.put("telemetry", "x")
    camera.start()
    assert len(camera.wires()) == BATCH_COUNT


def test_the_broker_is_enough_for_telemetry_and_for_nothing_else(camera):
    camera.put("telemetry", "t")
    assert camera.box.flush()
    wires = {kind: camera.put(kind, "x") for kind in LASTING}
    for number, kind, _ in camera.drain():
        assert camera.box.acknowledged(number) == (kind != "telemetry")
    assert camera.box.next() is None
    camera.start()
    assert sorted(camera.wires()) == sorted(wires.values())


def test_a_receipt_deletes_the_message_of_those_bytes_and_no_other(camera):
    wire, other = camera.put("alarm", "a"), camera.put("alarm", "b")
    number = camera.box.next()[0]
    assert not camera.box.taken(number, digest(b"what somebody else has sent under this number"))
    assert not camera.box.taken(number, digest(other))
    assert not camera.box.taken(number + 1, digest(wire))
    assert not camera.box.taken(10**9, digest(wire))
    assert camera.box.taken(number, digest(wire))
    assert not camera.box.taken(number, digest(wire))
    assert camera.wires() == [other]


def test_telemetry_needs_no_receipt_and_heeds_none(camera):
    wire = camera.put("telemetry", "x")
    assert camera.box.flush()
    assert not camera.box.taken(1, digest(wire))
    assert camera.wires() == [wire]


def test_files_go_when_they_are_empty(camera):
    wires = [camera.put("alarm", "x" * 5000) for _ in range(3 * FILE_BYTES // 5000)]
    assert len(camera.names()) > 2
    for number, wire in enumerate(wires, 1):
        assert camera.box.taken(number, digest(wire))
    assert camera.names() == []
    assert camera.box.count() == 0


def test_a_new_session_sends_what_has_no_receipt_and_what_was_on_its_way_from_the_oldest_on(camera):
    wires = [camera.put("alarm", str(number)) for number in range(4)]
    first, _ = camera.box.next()[0], camera.box.next()
    assert camera.box.acknowledged(first)
    camera.box.again()
    found = []
    while (message := camera.box.next()) is not None:
        found.append(message[2])
    assert found == wires


def test_a_late_receipt_sends_from_the_oldest_on(camera):
    for _ in range(3):
        camera.put("alarm", "x")
    numbers = [camera.box.next()[0] for _ in range(3)]
    for number in numbers[:2]:
        camera.box.acknowledged(number)
    assert camera.box.next() is None
    assert camera.box.unreceipted() == 2
    assert [camera.box.next()[0] for _ in range(2)] == numbers[:2]
    assert camera.box.unreceipted() == 0


def test_old_telemetry_is_given_up_and_alarms_are_not(camera):
    alarm = camera.put("alarm", "x")
    for _ in range(BATCH_COUNT):
        camera.put("telemetry", "x")
    camera.put("telemetry", "still in memory")
    camera.wall_at += AGE_S + 1
    late = camera.put("telemetry", "y")
    camera.desk.run_for(BATCH_S)
    assert camera.wires() == [alarm, late]
    assert camera.box.given_up == BATCH_COUNT + 1
    assert len([name for name in camera.names() if "telemetry" in name]) == 1


def test_a_file_of_which_a_part_is_too_old_gives_the_rest(camera):
    camera.put("telemetry", "old")
    assert camera.box.flush()
    camera.wall_at += AGE_S
    new = camera.put("telemetry", "new")
    assert camera.box.flush()
    camera.wall_at += 1
    assert camera.wires() == [new]


def test_the_oldest_telemetry_is_thinned_first_and_alarms_stay():
    camera = Camera(room_bytes=1024 * 1024)
    alarms = [camera.put("alarm", str(number)) for number in range(20)]
    sent = [camera.put("telemetry", f"{number} " + "x" * 100) for number in range(6000)]
    assert camera.box.flush()
    found = camera.wires()
    assert found[:20] == alarms
    places = [sent.index(wire) for wire in found[20:]]
    assert places == sorted(places)
    assert places[0] == 0, "the curve keeps its ends"
    assert places[-1] == len(sent) - 1
    half = len([place for place in places if place < 3000])
    assert 0 < half < len(places) - half, "the older half is the thinner one"
    assert sum(len(camera.documents.content[name]) for name in camera.names()) <= 1024 * 1024 // 4
    assert camera.box.given_up == len(sent) - len(places)
    camera.start()
    assert camera.wires() == found


def test_when_only_alarms_are_left_the_oldest_go_and_papers_cannot_push_them_out():
    camera = Camera(room_bytes=1024 * 1024)
    alarms = [camera.put("alarm", str(number) + "x" * 5000) for number in range(70)]
    found = camera.wires()
    assert found == alarms[-len(found) :]
    assert 0 < len(found) < 70
    assert camera.box.given_up == 70 - len(found)
    for _ in range(20):
        try:
            camera.put("evidence", "x" * 5000)
        except Unavailable:
            break
    else:
        pytest.fail("there was room without end")
    assert [wire for _, kind, wire in camera.drain() if kind == "alarm"] == found


def test_a_full_disk_takes_an_alarm_in_place_of_telemetry(camera):
    for _ in range(BATCH_COUNT):
        camera.put("telemetry", "x" * 200)
    camera.documents.room_bytes = sum(map(len, camera.documents.content.values()))
    with pytest.raises(Unavailable):
        [camera.put("evidence", "y" * 200) for _ in range(500)]
    kinds = [kind for _, kind, _ in camera.drain()]
    assert "telemetry" not in kinds
    assert kinds.count("evidence") > 10
    camera.put("telemetry", "in memory")
    assert not camera.box.flush()
    camera.documents.room_bytes += 1000
    camera.desk.run_for(BATCH_S)
    camera.start()
    assert [kind for _, kind, _ in camera.drain()].count("telemetry") == 1


def test_telemetry_that_cannot_be_written_is_thinned_in_memory(camera):
    camera.documents.broken_folder = "outbox/"
    for _ in range(10 * BATCH_COUNT):
        camera.put("telemetry", "x")
    assert camera.box.count() <= BATCH_COUNT
    assert camera.box.count() + camera.box.given_up == 10 * BATCH_COUNT


def test_a_damaged_file_gives_what_is_whole_and_the_rest_is_counted(camera):
    wires = [camera.put("alarm", str(number)) for number in range(10)]
    name = camera.names()[0]
    data = bytearray(camera.documents.content[name])
    records = list(scan(bytes(data)))
    data[records[3].offset + 30] ^= 1
    data[records[7].offset + 2] ^= 1
    camera.documents.content[name] = bytes(data[:-3])
    camera.start()
    assert camera.wires() == [wires[number] for number in (0, 1, 2, 4, 5, 6, 8)]
    assert camera.box.damaged == 3
    more = camera.put("alarm", "and on it goes")
    camera.start()
    assert camera.wires()[-1] == more


def test_what_is_queued_while_a_file_cannot_be_read_is_not_taken_for_what_lies_in_there(camera):
    before = [camera.put("alarm", str(number)) for number in range(3)]
    (camera.documents.broken_folder,) = camera.names()
    camera.start()
    assert camera.wires() == []
    after = [camera.put("alarm", "more") for _ in range(2)]
    camera.documents.broken_folder = ""
    camera.start()
    assert camera.wires() == before + after


def test_damage_that_comes_while_it_runs_stops_nothing(camera):
    wires = [camera.put("alarm", str(number)) for number in range(3)]
    name = camera.names()[0]
    first = next(scan(camera.documents.content[name]))
    camera.documents.content[name] = bytes(first.end) + camera.documents.content[name][first.end :]
    assert camera.wires() == wires[1:]
    assert camera.box.damaged == 1


def test_a_lost_secret_is_told_and_what_comes_later_is_kept(camera):
    camera.put("alarm", "x")
    del camera.documents.content["secret/device.key"]
    camera.start()
    assert camera.wires() == []
    assert camera.box.damaged == 1
    wire = camera.put("alarm", "y")
    camera.start()
    assert camera.wires() == [wire]


def old_message(kind, seq, text):
    body = {"kind": text} if kind in envelope.SIGNED_TYPES else {"code": text}
    made = Envelope(kind, "a" * 26, "boot", seq, NOW, body, bytes(64) if kind in envelope.SIGNED_TYPES else b"")
    wire = envelope.encode(made)
    return f"outbox/{seq:08d}.{kind}.{len(wire)}", wire


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_what_an_older_version_has_left_is_sent_whenever_the_power_fails_meanwhile(camera, outcome):
    old = dict(old_message(("telemetry", "alarm", "report")[seq % 3], seq, str(seq)) for seq in range(1, 30))
    dry = Camera()
    dry.documents.content.update(old)
    dry.start()
    assert sorted(dry.wires()) == sorted(old.values())
    assert not set(dry.names()) & set(old)
    operations = dry.documents.power.count
    assert operations > 10
    for index in range(operations):
        camera = Camera()
        camera.documents.content.update(old)
        camera.documents.power.cut_at(index, outcome)
        with pytest.raises(PowerCut):
            camera.start()
        camera.start()
        assert set(camera.wires()) == set(old.values()), index


def test_old_messages_and_new_ones_of_the_same_number_both_get_their_receipts(camera):
    new = [camera.put("alarm", "x") for _ in range(4)]
    name, wire = old_message("alarm", 2, "two")
    camera.documents.content[name] = wire
    for _ in range(2):
        camera.start()
        assert camera.wires() == [*new, wire]
    assert camera.box.taken(2, digest(wire))
    assert camera.box.taken(2, digest(new[1]))
    assert camera.wires() == [new[0], new[2], new[3]]


def test_what_is_no_message_of_the_old_form_stops_nothing(camera):
    camera.documents.content["outbox/rubbish"] = b"?"
    camera.documents.content["outbox/00000003.alarm.5"] = b"\xff" * 5
    name, wire = old_message("alarm", 4, "four")
    camera.documents.content[name.replace("0004", "0009")] = wire
    wires = dict([old_message("alarm", 5, "five")])
    camera.documents.content.update(wires)
    camera.start()
    assert camera.wires() == list(wires.values())
    assert camera.box.damaged == 2
    assert "outbox/rubbish" in camera.documents.content


class Against(RuleBasedStateMachine):
    """The model: what has ever been queued, what must still be there, and what this run must not send again."""

    @initialize()
    def begin(self):
        self.camera = Camera()
        self.all = {}  # number: (kind, wire)
        self.must = {}  # durable, and neither acknowledged (telemetry) nor receipted (the rest)
        self.memory = {}  # telemetry that a power cut may take
        self.held = set()  # numbers that the session has in hand
        self.done = set()  # numbers that are done with; they may come again after a restart, which the server knows

    def note(self, number, kind, wire):
        self.all[number] = (kind, wire)
        self.done.discard(number)

    @rule(kind=st.sampled_from([*LASTING, "telemetry"]), size=st.sampled_from([1, 300, 20_000]))
    def put(self, kind, size):
        number = self.camera.box.number()
        wire = f"{number} {kind} ".encode() + b"x" * size
        self.note(number, kind, wire)
        self.camera.box.put(kind, number, self.camera.wall_at, wire)
        (self.memory if kind == "telemetry" else self.must)[number] = (kind, wire)

    @rule(kind=st.sampled_from(LASTING), outcome=st.sampled_from(OUTCOMES))
    def put_while_the_power_fails(self, kind, outcome):
        power = self.camera.documents.power
        power.cut_at(power.count, outcome)
        number = self.camera.box.number()
        wire = f"{number} {kind} cut".encode()
        self.note(number, kind, wire)  # there or not: nobody was told
        with pytest.raises(PowerCut):
            self.camera.box.put(kind, number, self.camera.wall_at, wire)
        self.start()

    @rule(outcome=st.sampled_from(OUTCOMES), after=st.integers(0, 2))
    def flush_while_the_power_fails(self, outcome, after):
        power = self.camera.documents.power
        power.cut_at(power.count + after, outcome)
        try:
            self.camera.box.flush()
        except PowerCut:
            pass
        power.cut_at(None)
        power.unplug()
        self.start()

    @rule()
    def start(self):
        self.camera.start()
        self.memory, self.held, self.done = {}, set(), set()

    @rule()
    def flush(self):
        assert self.camera.box.flush()
        self.must.update(self.memory)
        self.memory = {}

    @rule(count=st.integers(1, 20))
    def send(self, count):
        for _ in range(count):
            found = self.camera.box.next()
            if found is None:
                assert set(self.must) | set(self.memory) <= self.held
                break
            number, kind, wire = found
            assert self.all[number] == (kind, wire)
            assert number not in self.held | self.done
            self.held.add(number)

    @precondition(lambda self: self.held)
    @rule(chosen=st.data())
    def acknowledge(self, chosen):
        number = chosen.draw(st.sampled_from(sorted(self.held)))
        is_telemetry = self.all[number][0] == "telemetry"
        assert self.camera.box.acknowledged(number) == (not is_telemetry and number not in self.done)
        if is_telemetry:
            self.must.pop(number, None)
            self.memory.pop(number, None)
            self.held.discard(number)
            self.done.add(number)

    @precondition(lambda self: any(kind != "telemetry" for kind, _ in self.must.values()))
    @rule(chosen=st.data(), forged=st.booleans())
    def receipt(self, chosen, forged):
        lasting = sorted(number for number, (kind, _) in self.must.items() if kind != "telemetry")
        number = chosen.draw(st.sampled_from(lasting))
        wire = self.must[number][1]
        assert self.camera.box.taken(number, digest(wire + b"?" if forged else wire)) != forged
        if not forged:
            del self.must[number]
            self.done.add(number)

    @rule()
    def new_session(self):
        self.camera.box.again()
        self.held = set()

    @invariant()
    def a_start_finds_all_that_must_be_there_and_nothing_that_never_was(self):
        if not hasattr(self, "camera"):
            return
        twin = Camera()
        twin.documents.content.clear()
        twin.documents.content.update(self.camera.documents.content)
        twin.start()
        found = twin.drain()
        there = {number: (kind, wire) for number, kind, wire in found}
        assert len(there) == len(found)
        assert {number: there.get(number) for number in self.must} == self.must
        assert {number: self.all.get(number) for number in there} == there
        places = [(LANES.index(outgoing.outbox_record.lane(kind)), number) for number, kind, _ in found]
        assert places == sorted(places)


TestAgainstTheModel = Against.TestCase
TestAgainstTheModel.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
