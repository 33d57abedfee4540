"""Messages: durable before they are sent, kept until they have arrived, bounded; the important ones last longest."""

from hashlib import sha256
from types import MethodType

import pytest

from agent.app.outgoing import BATCH_S, SHARE
from agent.app.reporting import BIRTH_S, MAX_RECEIPT_S, PUBACK_S, RECEIPT_S, REOPEN_S
from agent.core.outbox import GONE
from agent.formats import envelope
from agent.formats.errors import FormatError
from agent.formats.taken import One
from firmware_sim.world.power import OUTCOMES, PowerCut
from firmware_sim.world.repository import new_operator
from firmware_sim.world.store import MemorySpool
from tests.scenario.looks import events, settled
from tests.scenario.makers import RealSigner
from tests.scenario.owners import status
from tests.scenario.stage import NOW
from tests.scenario.sweep import sweep

ALARMS = 3


def files(world):
    """The outbox's files in the store."""
    return [name for name in world.documents.content if name.startswith("outbox/")]


def arrivals(world, topic="/up/"):
    """Every message that reached the broker and can be read, in order, twice where it came twice."""
    found = []
    for payload in [payload for name, payload in world.broker.messages if topic in name]:
        try:
            found.append(envelope.parse(payload))
        except FormatError:
            continue
    return found


def arrived(world):
    """(type, boot, seq) of everything that reached the broker, as the ingest counts."""
    return {(one.type, one.boot, one.seq) for one in arrivals(world)}


def alarm(world, text):
    """Queue an alarm; whether it is kept."""
    try:
        return world.agent._reporting.queue("alarm", {"code": "test", "detail": text})
    except PowerCut:
        world.power_cut()  # as when it happens in a step
        raise


def alarms(world):
    """What alarms have said, in the order of their first arrival."""
    return list(dict.fromkeys(one.body["detail"] for one in arrivals(world, "/up/alarm")))


def waits(world):
    return status(world)["outbox"]


def empties(world):
    world.run_until(lambda: waits(world) == 0)


@pytest.fixture
def linked(stage):
    """A camera in a session with its broker, everything sent."""
    world = stage.world()
    world.power_on()
    world.run_for(300)
    empties(world)
    world.broker.messages.clear()
    return world


def test_telemetry_arrives_and_costs_the_flash_nothing_while_the_link_stands(stage):
    world = stage.world()
    world.power_on()
    world.run_for(1800)
    kinds = [kind for kind, _, _ in arrived(world)]
    assert kinds.count("telemetry") >= 25
    assert kinds.count("evidence") >= 1
    assert not [what for what in world.power.trace if "outbox/telemetry" in what]
    empties(world)
    assert files(world) == []


def test_what_was_queued_without_a_link_arrives_after_a_power_cut(stage):
    world = stage.world()
    world.broker.down = True
    world.power_on()
    world.run_for(1800)
    waiting = waits(world)
    assert waiting >= 25
    world.power_cut()
    world.broker.down = False
    world.power_on()
    begun = len(world.boots)
    empties(world)
    assert len(world.boots) == begun
    older = [boot for _, boot, _ in arrived(world) if not boot.startswith(world.ports.clock.boot_id())]
    assert len(older) >= waiting - BATCH_S // 60 - 1, "a power cut costs one batch of telemetry at most"


def test_an_orderly_end_costs_nothing(stage):
    world = stage.world()
    world.broker.down = True
    world.power_on()
    world.run_for(400)
    waiting = waits(world)
    world.agent.stop()
    world.power_cut()
    world.broker.down = False
    world.power_on()
    world.run_until(lambda: len(arrived(world)) >= waiting)


def test_a_message_that_the_storage_does_not_give_back_stops_no_other(stage):
    world = stage.world()
    world.broker.down = True
    world.power_on()
    world.run_for(900)
    assert alarm(world, "kept")
    (lost,) = (name for name in files(world) if "paper" in name)
    world.documents.broken_folder = lost
    world.broker.down = False
    world.run_until(lambda: alarms(world) == ["kept"])
    world.run_until(lambda: len(arrivals(world, "/up/telemetry")) >= 14)
    assert arrivals(world, "/up/evidence") == []
    world.documents.broken_folder = ""
    world.broker.down = True
    world.run_for(60)
    world.broker.down = False
    empties(world)
    assert arrivals(world, "/up/evidence")
    assert len(world.boots) == 1


def test_an_alarm_that_the_storage_does_not_give_back_for_a_while_is_not_left_until_the_next_session(linked):
    linked.broker.down = True
    linked.run_for(60)
    assert alarm(linked, "kept")
    (linked.documents.broken_folder,) = (name for name in files(linked) if "alarm" in name)
    linked.broker.down = False
    linked.run_for(1200)
    assert alarms(linked) == []
    linked.documents.broken_folder = ""
    linked.run_for(MAX_RECEIPT_S)
    assert alarms(linked) == ["kept"]


def test_no_two_messages_have_the_same_name(stage):
    world = stage.world()
    for _ in range(5):
        world.power_on()
        world.run_for(400)
        world.power_cut()
    payloads = {payload for topic, payload in world.broker.messages if "/up/" in topic}
    assert len(payloads) == len(arrived(world))


def test_days_without_a_link_stay_bounded_and_keep_the_reports(stage):
    world = stage.world("1.1.0")
    world.documents.room_bytes = 1024 * 1024
    world.broker.down = True
    world.power_on()
    world.run_until(lambda: settled(world, "1.1.0"))
    world.run_for(86400)
    assert sum(len(world.documents.content[name]) for name in files(world)) <= 1024 * 1024 // SHARE
    assert status(world)["outbox_lost"] > 50
    assert status(world)["outbox_written_bytes"] > 0
    world.broker.down = False
    world.run_until(lambda: "committed" in events(world))
    assert events(world) == ["started", "installed", "committed"]
    world.run_for(300)
    said = arrivals(world, "/up/telemetry")[-1].body["samples"][-1]
    assert said["outbox_lost"] == status(world)["outbox_lost"]
    assert said["outbox_written_bytes"] > 0


def test_messages_of_an_older_version_are_sent(stage):
    world = stage.world()
    made = envelope.Envelope("alarm", "a" * 26, "older", 7, NOW, {"code": "test", "detail": "old"}, b"")
    wire = envelope.encode(made)
    world.documents.content[f"outbox/00000007.alarm.{len(wire)}"] = wire
    world.power_on()
    world.run_until(lambda: alarms(world) == ["old"])
    assert not [name for name in files(world) if name.endswith(str(len(wire)))]
    assert not [name for name in files(world) if "." in name], "an older version looks at names with two dots"


# --- receipts


def test_only_a_receipt_ends_an_alarm(linked):
    world = linked
    world.broker.loses_receipts = True
    assert alarm(world, "one")
    world.run_for(RECEIPT_S - 1)
    assert [one.body["detail"] for one in arrivals(world, "/up/alarm")] == ["one"]
    assert waits(world) == 1
    world.run_for(8 * 3600)
    came = len(arrivals(world, "/up/alarm"))
    assert 8 * 3600 // MAX_RECEIPT_S <= came <= 8 * 3600 // MAX_RECEIPT_S + 8, "again and again, ever more seldom"
    assert waits(world) == 1
    world.broker.loses_receipts = False
    world.run_for(MAX_RECEIPT_S)
    assert waits(world) == 0
    assert len(arrivals(world, "/up/alarm")) == came + 1
    assert len({payload for _, payload in world.broker.messages if b'"one"' in payload}) == 1, "byte by byte the same"


def test_a_server_that_takes_nothing_holds_up_no_telemetry(linked):
    linked.broker.takes = None
    for number in range(40):
        assert alarm(linked, str(number))
    linked.run_for(600)
    assert alarms(linked) == [str(number) for number in range(40)]
    assert len(arrivals(linked, "/up/telemetry")) >= 8


def test_a_broker_that_loses_what_it_has_acknowledged_loses_no_alarm_and_no_order(linked, stage):
    world, takes = linked, linked.broker.takes
    world.broker.takes = None
    for number in range(5):
        assert alarm(world, str(number))
    world.run_for(10)
    assert len(alarms(world)) == 5
    world.broker.messages.clear()
    world.broker.down = True
    world.run_for(1)
    assert alarm(world, "5")
    world.run_for(10)
    world.broker.down, world.broker.takes = False, takes
    empties(world)
    assert alarms(world) == ["0", "1", "2", "3", "4", "5"]


FORGED = {
    "rubbish": lambda world, honest: b"{}",
    "of a stranger": lambda world, honest: new_operator(RealSigner, NOW).taken(world.device_id(), honest),
    "for another camera": lambda world, honest: world.broker.takes("b" * 26, honest),
    "of other bytes": lambda world, honest: world.broker.takes(
        world.device_id(), tuple(One(one.seq, "00" * 32, "") for one in honest)
    ),
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=list(FORGED))
def test_a_forged_receipt_deletes_nothing_and_the_right_one_does(linked, forge):
    world = linked
    world.broker.loses_receipts = True
    assert alarm(world, "one")
    world.run_for(10)
    (payload,) = world.broker.on("/up/alarm")
    honest = (One(envelope.parse(payload).seq, sha256(payload).hexdigest(), ""),)
    topic = f"camward/1/{world.device_id()}/down/receipt"
    world.link.deliver(topic, forge(world, honest))
    world.run_for(10)
    assert waits(world) == 1
    world.link.deliver(topic, world.broker.takes(world.device_id(), honest))
    world.run_for(10)
    assert waits(world) == 0


def test_a_flood_of_receipts_is_dropped_and_looked_at_slowly(linked):
    world, refused = linked, "camward-agent: a receipt for messages is refused"
    for _ in range(100):
        world.link.deliver(f"camward/1/{world.device_id()}/down/receipt", b"{}")
    looked = []
    for _ in range(3):
        world.run_for(2)
        looked.append(8 - len(world.agent._reporting._receipts))
    assert looked == [3, 4, 4], "each forged one has the next one wait for longer"
    world.link.deliver(f"camward/1/{world.device_id()}/down/receipt", b"{}")
    world.run_for(600)
    assert sum(line.startswith(refused) for line in world.console) == 1
    assert alarm(world, "one")
    world.run_for(RECEIPT_S + 10)
    assert waits(world) == 0


def test_a_receipt_orders_nothing(linked):
    begun = len(linked.server.exchanges)
    linked.link.deliver(f"camward/1/{linked.device_id()}/down/receipt", b"{}")
    linked.run_for(5)
    assert len(linked.server.exchanges) == begun


def test_what_the_server_refuses_for_good_goes_and_is_told(linked):
    world, takes = linked, linked.broker.takes
    world.broker.takes = lambda device, messages: takes(device, tuple(one.replace(code="format") for one in messages))
    lost = status(world)["outbox_lost"]
    assert alarm(world, "one")
    world.run_until(lambda: waits(world) == 0)
    assert status(world)["outbox_lost"] == lost + 1
    assert [line for line in world.console if line.startswith("camward-agent: the server refuses message")]


# --- the link


def test_a_session_in_which_nothing_is_acknowledged_is_given_up_for_another(linked):
    world = linked
    world.broker.refuses.add("/up/")
    assert alarm(world, "one")
    world.run_for(PUBACK_S + REOPEN_S + 1)
    assert len(world.broker.on("/state")) == 1, "a new session, with its birth"
    assert alarms(world) == []
    world.broker.refuses.clear()
    world.run_for(PUBACK_S + REOPEN_S + 1)
    assert alarms(world) == ["one"]
    births = len(world.broker.on("/state"))
    world.run_for(3600)
    assert len(world.broker.on("/state")) == births, "a session in which something is acknowledged stands"


def test_nothing_is_sent_to_a_broker_that_has_nobody_to_give_it_to(linked):
    world = linked
    world.broker.down = True
    world.run_for(1)
    world.broker.down, world.broker.unheard = False, True
    assert alarm(world, "one")
    world.run_for(1800)
    assert world.broker.messages == []
    assert waits(world) > 25
    world.broker.unheard = False
    world.run_for(2 * BIRTH_S)
    assert alarms(world) == ["one"]
    assert waits(world) <= 1


# --- power cuts


class Unflushed(MemorySpool):
    """A spool whose flush was left out: what was appended is gone after a power cut."""

    def append(self, name, data):
        offset = super().append(name, data)
        content = self._documents.content

        def settle():
            if name in content:
                content[name] = content[name][:offset]

        self._documents.power.settles(settle)
        return offset


def naive(world):
    """Make the running agent delete every message when the broker has it."""
    outgoing = world.agent._reporting._outgoing
    outgoing.acknowledged = MethodType(lambda self, number: self._mark(number, GONE, GONE) is None, outgoing)


def story(world):
    """Alarms without a link, power, a broker that loses what it acknowledged; then everything works."""
    if world.agent is None:
        world.power_on()
    if world.naive:
        naive(world)
    world.run_for(30)
    for number in range(ALARMS):
        text = f"{len(world.boots)}/{number}"
        if alarm(world, text):
            world.kept.append(text)
    world.run_for(BATCH_S)
    world.broker.down = False
    world.run_for(60)
    if world.broker.takes is None:
        world.broker.messages.clear()
    world.broker.down = True
    world.run_for(60)
    world.broker.down, world.broker.takes = False, world.takes
    world.run_for(120)


def swept(stage, spool=MemorySpool, is_naive=False, outcomes=OUTCOMES):
    def make(_seed):
        # The same chance each time: the story ends by the clock, and jitter would move its last operations behind it.
        world = stage.world()
        world.kept, world.naive, world.make_spool = [], is_naive, spool
        world.takes, world.broker.takes, world.broker.down = world.broker.takes, None, True
        world.power.trace.clear()
        world.power.count = 0
        return world

    def check(world, cut):
        world.run_until(lambda: waits(world) == 0)
        assert world.kept
        missing = [text for text in world.kept if text not in alarms(world)]
        assert missing == [], "kept, and never arrived"
        assert [text for text in alarms(world) if text in world.kept] == world.kept, "in another order"

    return sweep(make, story, check, outcomes=outcomes)


def test_a_cut_at_every_operation_loses_no_alarm_that_was_kept(stage):
    found = swept(stage)
    assert found.failures == []
    assert len(found.cuts) == len(OUTCOMES) * len(found.operations)
    for what in ("append outbox/alarm", "append outbox/paper", "append outbox/telemetry", "delete outbox/alarm"):
        assert any(operation.startswith(what) for operation in found.operations), what


def test_an_outbox_that_deletes_when_the_broker_has_it_is_caught(stage):
    assert "never arrived" in "".join(swept(stage, is_naive=True, outcomes=OUTCOMES[:1]).failures)


def test_an_outbox_that_does_not_flush_is_caught(stage):
    assert "never arrived" in "".join(swept(stage, spool=Unflushed, outcomes=OUTCOMES[:1]).failures)
