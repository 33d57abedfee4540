"""The camera's other programs on the link: kept or fresh, bounded, behind everything of the agent's."""

import pytest

from agent.app.events import Line
from agent.app.programs import MAX_DOWN_BYTES, MAX_FRESH, MAX_LATE, REFUSE_S, SERVICE, UNHEARD_S
from agent.app.reporting import PUBACK_S, REOPEN_S
from agent.app.shelf import RESERVE_BYTES
from agent.formats import base64, json
from agent.formats.programs import MIN_KEEP_BYTES
from firmware_sim.world.firmware import Geometry
from firmware_sim.world.people import PASSWORD, USER, request
from firmware_sim.world.power import OUTCOMES, PowerCut
from firmware_sim.world.store import MemorySpool
from firmware_sim.world.world import Stuck
from tests.scenario.looks import settled
from tests.scenario.owners import status
from tests.scenario.stage import Stage
from tests.scenario.sweep import sweep

RIVER = {
    "name": "river", "uid": 900, "gid": 900, "receive": ["interval", "receipt"], "max_message_bytes": 2048,
    "publish": [{"topic": "level", "durable": True}, {"topic": "viewers", "durable": False}],
    "messages_per_minute": 60, "bytes_per_hour": 200_000, "keep_bytes": MIN_KEEP_BYTES,
}  # fmt: skip
COUNTER = {
    "name": "counter", "uid": 901, "gid": 901, "publish": [{"topic": "n", "durable": True}], "max_message_bytes": 100,
    "messages_per_minute": 600, "bytes_per_hour": 60_000, "keep_bytes": MIN_KEEP_BYTES,
}  # fmt: skip


def say(world, op, program="river", n=1, **members):
    """One request on a program's socket, and its answer."""
    return world.ask(SERVICE + program, {"v": 1, "n": n, "op": op, **members})


def send(world, data, topic="level", program="river"):
    return say(world, "publish", program, topic=topic, data=base64.encode(data))


def arrived(world, topic="/app/river/up/level"):
    return world.broker.on(topic)


@pytest.fixture
def linked(stage):
    """A camera with two programs, in a session with its broker, everything of its own sent."""
    world = stage.world()
    world.programs = [RIVER, COUNTER]
    world.power_on()
    world.run_for(300)
    world.run_until(lambda: status(world)["outbox"] == 0)
    world.broker.messages.clear()
    world.broker.properties.clear()
    return world


def test_messages_arrive_below_the_devices_own_prefix_with_time_and_name(linked):
    assert send(linked, b"2.31 m") == {"v": 1, "n": 1, "ok": True}
    assert send(linked, b"3", "viewers")["ok"]
    linked.run_for(5)
    found = [one for one in linked.broker.messages if "/app/" in one[0]]
    head = f"camward/1/{linked.device_id()}/app/river/up/"
    assert found == [(head + "level", b"2.31 m"), (head + "viewers", b"3")]
    (kept, fresh) = (dict(one) for one in linked.broker.properties if one)
    assert abs(int(kept["at"]) - linked.clock.now_s) < 60
    assert "id" in kept
    assert set(fresh) == {"at"}
    assert status(linked)["programs"] == {"river": {"waiting": 0, "lost": 0}, "counter": {"waiting": 0, "lost": 0}}


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"op": "publish", "topic": "telemetry", "data": "YQ=="}, "topic"),
        ({"op": "publish", "topic": "n", "data": "YQ=="}, "topic"),
        ({"op": "publish", "topic": "../../up/alarm", "data": "YQ=="}, "bad_request"),
        ({"op": "publish", "topic": "#", "data": "YQ=="}, "bad_request"),
        ({"op": "publish", "topic": "level", "data": base64.encode(bytes(2049))}, "too_long"),
        ({"op": "publish", "topic": "level", "data": "not base64"}, "bad_request"),
        ({"op": "publish", "topic": "level"}, "bad_request"),
        ({"op": "erase"}, "bad_request"),
        ({"op": "state", "more": 1}, "bad_request"),
    ],
)
def test_what_is_not_declared_is_refused_after_a_second_and_nothing_is_sent(linked, asked, code):
    before = linked.clock.monotonic_s()
    reply = linked.ask(SERVICE + "river", {"v": 1, "n": 7, **asked})
    assert (reply["ok"], reply["code"]) == (False, code)
    assert linked.clock.monotonic_s() - before >= REFUSE_S - 0.01
    linked.run_for(5)
    assert not [one for one in linked.broker.messages if "/app/" in one[0]]
    assert send(linked, bytes(2048))["ok"], "the longest goes"


def test_who_receives_nothing_is_told_so(linked):
    assert say(linked, "receive", "counter")["code"] == "topic"
    assert say(linked, "receive")["ok"]


def test_a_flood_is_bounded_for_its_program_alone_and_holds_up_no_alarm(linked):
    *taken, refused = [send(linked, b"x" * 1000, "viewers") for _ in range(61)]
    assert all(reply["ok"] for reply in taken)
    assert refused == {"v": 1, "n": 1, "ok": False, "code": "wait", "retry_after_s": 1}
    assert send(linked, b"1", "n", "counter")["ok"], "the other has its own"
    assert linked.agent._reporting.queue("alarm", {"code": "test", "detail": "while it floods"})
    linked.run_for(1)
    assert len(linked.broker.on("/up/alarm")) == 1
    linked.run_for(70)
    assert send(linked, b"x")["ok"]
    for _ in range(4):
        linked.run_for(61)
        taken = [send(linked, b"x" * 2000, "viewers")["ok"] for _ in range(60)]
    assert not all(taken), "200,000 bytes were all for this hour"
    linked.run_for(3600)
    assert send(linked, b"x" * 2000, "viewers")["ok"]


def test_refusals_of_one_program_push_out_no_answer_of_another(linked):
    linked.step(Line(9001, SERVICE + "counter", b"nonsense\n"))
    for connection in range(300):
        linked.step(Line(9100 + connection, SERVICE + "river", b"nonsense\n"))
    linked.run_for(2)
    answered = [connection for connection in linked._replies if connection > 9000]
    assert 9001 in answered
    assert len(answered) == 1 + MAX_LATE


def test_what_gathers_in_a_second_is_bounded_by_the_programs_room(linked):
    wide = {**RIVER, "max_message_bytes": 16384, "messages_per_minute": 600, "bytes_per_hour": 16 * 2**20}
    linked.power_cut()
    linked.programs = [wide]
    linked.power_on()
    linked.run_for(60)
    line = json.dump({"v": 1, "n": 1, "op": "publish", "topic": "level", "data": base64.encode(bytes(16384))})
    for connection in range(9000, 9100):
        linked.step(Line(connection, SERVICE + "river", line))
    gathered = linked.agent._programs._clients["river"].batch
    assert 0 < sum(len(one[3]) for one in gathered) <= MIN_KEEP_BYTES


def test_while_anything_of_the_agents_waits_nothing_of_a_programs_is_sent(linked):
    linked.broker.down = True
    linked.run_for(5)
    for number in range(20):
        assert send(linked, str(number).encode())["ok"]
    for number in range(40):
        assert linked.agent._reporting.queue("alarm", {"code": "test", "detail": str(number)})
    linked.broker.down = False
    linked.run_until(lambda: len(arrived(linked)) == 20)
    kinds = [topic.rpartition("/")[2] for topic, _ in linked.broker.messages if topic.endswith(("alarm", "level"))]
    assert kinds == ["alarm"] * 40 + ["level"] * 20
    assert arrived(linked) == [str(number).encode() for number in range(20)]


def test_what_is_kept_survives_power_and_weeks_without_a_link_and_what_is_fresh_does_not(linked):
    linked.broker.down = True
    linked.run_for(5)
    assert send(linked, b"a")["ok"]
    assert send(linked, b"only now", "viewers")["ok"]
    for _ in range(14):
        linked.run_for(86400)
    linked.power_cut()
    linked.power_on()
    linked.run_for(60)
    assert send(linked, b"b")["ok"]
    assert status(linked)["programs"]["river"]["waiting"] == 2
    linked.broker.down = False
    linked.run_until(lambda: len(arrived(linked)) == 2)
    assert arrived(linked) == [b"a", b"b"]
    names = [dict(one)["id"] for one in linked.broker.properties if len(one) == 2]
    assert len(set(names)) == 2
    linked.run_for(60)
    assert not [name for name in linked.documents.content if name.startswith("programs/")]
    assert arrived(linked, "/up/viewers") == []


def test_the_newest_of_what_is_fresh_waits_for_the_link(linked):
    linked.broker.down = True
    linked.run_for(5)
    for number in range(MAX_FRESH + 4):
        assert send(linked, str(number).encode(), "viewers")["ok"]
    assert status(linked)["programs"]["river"] == {"waiting": MAX_FRESH, "lost": 4}
    linked.broker.down = False
    linked.run_until(lambda: len(arrived(linked, "/up/viewers")) == MAX_FRESH)
    assert arrived(linked, "/up/viewers")[0] == b"4"


def test_a_program_without_room_is_told_and_another_one_goes_on(linked):
    linked.broker.down = True
    linked.run_for(5)
    replies = []
    while not replies or replies[-1]["ok"]:
        replies.append(send(linked, bytes(2000)))
        linked.run_for(120)  # of the hour's bytes there are enough again
    assert replies[-1]["code"] == "full"
    assert 25 < len(replies) < 34
    assert sum(len(data) for name, data in linked.documents.content.items() if "programs/river" in name) <= 65536
    assert send(linked, b"1", "n", "counter")["ok"]
    linked.broker.down = False
    linked.run_until(lambda: len(arrived(linked)) == len(replies) - 1)
    assert send(linked, bytes(2000))["ok"]


def test_the_last_of_the_storage_is_for_the_agent(linked):
    used = linked.documents.room_bytes - linked.ports.store.free_bytes()
    linked.documents.room_bytes = used + RESERVE_BYTES
    assert send(linked, b"x")["code"] == "full"
    linked.documents.room_bytes += 4096
    assert send(linked, b"x")["ok"]


def test_storage_that_fails_is_told(linked):
    linked.documents.broken_folder = "programs/"
    assert send(linked, b"x")["code"] == "unavailable"
    linked.documents.broken_folder = ""
    linked.run_for(2)
    assert send(linked, b"y")["ok"]
    linked.run_for(5)
    assert arrived(linked) == [b"y"]


def test_what_nobody_hears_waits_and_the_session_stands(linked):
    linked.broker.unheard_on = {"/app/river/"}
    assert send(linked, b"a")["ok"]
    assert send(linked, b"lost", "viewers")["ok"]
    assert send(linked, b"1", "n", "counter")["ok"]
    linked.run_for(UNHEARD_S * 2 + PUBACK_S)
    assert arrived(linked) == []
    assert linked.broker.on("/app/counter/up/n") == [b"1"]
    assert len(linked.broker.on("/up/telemetry")) > 0
    assert status(linked)["link"] == "up"
    assert status(linked)["programs"]["river"] == {"waiting": 1, "lost": 1}
    linked.broker.unheard_on = set()
    linked.run_for(300)
    assert arrived(linked) == [b"a"]


def test_what_waits_is_tried_at_once_when_a_back_end_says_something(linked):
    linked.broker.unheard_on = {"/app/"}
    assert send(linked, b"a")["ok"]
    linked.run_for(UNHEARD_S * 32)
    linked.broker.unheard_on = set()
    linked.run_for(1)
    assert arrived(linked) == [], "the next time is minutes away"
    linked.link.deliver(f"camward/1/{linked.device_id()}/app/river/down/interval", b"5")
    linked.run_for(1)
    assert arrived(linked) == [b"a"]


def test_a_broker_that_acknowledges_nothing_of_a_programs_is_left(linked):
    linked.broker.refuses = {"/app/"}
    births = len(linked.broker.on("/state"))
    assert send(linked, b"a")["ok"]
    linked.run_for(5)
    linked.broker.refuses = set()
    linked.run_for(PUBACK_S + REOPEN_S + 20)
    assert len(linked.broker.on("/state")) == births + 1
    assert arrived(linked) == [b"a"]


def test_what_comes_goes_to_the_last_connection_that_asked_and_a_topic_that_ends_like_ours_is_no_receipt(linked):
    head = f"camward/1/{linked.device_id()}/app/river/down/"
    assert {head + "interval", head + "receipt"} <= set(linked.link.subscribed)
    linked.link.deliver(head + "interval", b"too early")
    linked.run_for(1)
    assert linked.pushed == []
    say(linked, "receive")
    linked.link.deliver(head + "interval", b"60")
    linked.link.deliver(head + "receipt", b"{}")
    linked.link.deliver(head + "interval", bytes(MAX_DOWN_BYTES + 1))
    linked.link.deliver(head + "other", b"x")
    linked.link.deliver(f"camward/1/{linked.device_id()}/app/nobody/down/x", b"x")
    linked.run_for(1)
    told = [json.parse_object(line, 8192) for _, line in linked.pushed]
    assert [(one["op"], one["topic"], base64.decode(one["data"])) for one in told] == [
        ("message", "interval", b"60"), ("message", "receipt", b"{}"),
    ]  # fmt: skip
    assert not [text for text in linked.console if "receipt" in text]
    first = linked.pushed[-1][0]
    say(linked, "receive")
    linked.link.deliver(head + "interval", b"5")
    linked.run_for(1)
    assert linked.pushed[-1][0] > first


def test_without_an_operator_there_is_nobody_to_send_to(stage):
    world = stage.fresh()
    world.programs = [RIVER]
    world.power_on()
    world.run_for(60)
    assert send(world, b"x")["code"] == "no_server"
    assert say(world, "state")["link"] is False


def test_a_program_that_a_version_no_longer_declares_leaves_nothing(linked):
    linked.broker.down = True
    linked.run_for(5)
    assert send(linked, b"x")["ok"]
    assert send(linked, b"1", "n", "counter")["ok"]
    linked.power_cut()
    linked.programs = [COUNTER]
    linked.power_on()
    assert [name.partition("-")[0] for name in linked.documents.content if name.startswith("programs/")] == [
        "programs/counter"
    ]
    with pytest.raises((KeyError, Stuck)):
        send(linked, b"x")


def test_an_update_through_a_recovery_system_which_declares_no_program_loses_nothing():
    world = Stage(Geometry(slot_blocks=14, root_blocks=12, recovery_blocks=5)).world("1.1.0")
    world.programs = [RIVER]
    world.broker.unheard_on.add("/app/")
    world.power_on()
    world.run_for(30)
    assert send(world, b"x")["ok"]
    world.run_until(lambda: settled(world, "1.1.0"))
    assert [boot.slot for boot in world.boots] == ["a", "b", "a"]
    world.broker.unheard_on.clear()
    world.run_until(lambda: arrived(world))
    assert arrived(world) == [b"x"]


def test_a_version_on_trial_lets_lie_what_the_one_before_it_may_send(stage):
    world = stage.world("1.1.0")
    world.programs = [RIVER]
    world.broker.unheard_on.add("/app/")
    world.power_on()
    world.run_for(30)
    assert send(world, b"x")["ok"]
    world.programs = []
    world.run_until(lambda: settled(world, "1.1.0"))

    def lies():
        return any(name.startswith("programs/") for name in world.documents.content)

    assert lies(), "it was on trial when it started"
    world.power_cut()
    world.power_on()
    assert not lies(), "the control: the version that stays does not declare it"


def test_damage_costs_the_message_that_it_hits(linked):
    linked.broker.down = True
    linked.run_for(5)
    for data in (b"a", b"b", b"c"):
        assert send(linked, data)["ok"]
    linked.power_cut()
    name = next(name for name in linked.documents.content if name.startswith("programs/"))
    body = bytearray(linked.documents.content[name])
    body[len(body) // 2] ^= 1
    linked.documents.content[name] = bytes(body)
    linked.broker.down = False
    linked.power_on()
    linked.run_until(lambda: len(arrived(linked)) == 2)
    assert arrived(linked) == [b"a", b"c"]
    assert status(linked)["programs"]["river"]["lost"] == 1


def test_leaving_the_operator_takes_what_waits_along(linked):
    linked.broker.down = True
    linked.run_for(5)
    assert send(linked, b"x")["ok"]
    grant = linked.ask("web", request("login", user=USER, password=PASSWORD))["grant"]
    assert linked.ask("web", request("disown", grant=grant, password=PASSWORD))["ok"]
    assert send(linked, b"y")["code"] == "busy"
    linked.run_for(60)
    assert not [name for name in linked.documents.content if name.startswith("programs/")]


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


def story(world):
    """Messages without a link, and then with one."""
    if world.agent is None:
        world.power_on()
    world.run_for(30)
    for number in range(3):
        text = f"{len(world.boots)}/{number}"
        try:
            if send(world, text.encode())["ok"]:
                world.kept.append(text.encode())
        except PowerCut:
            world.power_cut()
            raise
    world.broker.down = False
    world.run_for(120)


def swept(stage, spool=MemorySpool, outcomes=OUTCOMES):
    def make(_seed):
        world = stage.world()
        world.programs = [RIVER]
        world.kept, world.make_spool, world.broker.down = [], spool, True
        world.power.trace.clear()
        world.power.count = 0
        return world

    def check(world, cut):
        world.run_until(lambda: status(world)["programs"]["river"]["waiting"] == 0)
        first = list(dict.fromkeys(arrived(world)))
        assert [text for text in first if text in world.kept] == world.kept, "kept, and never arrived or out of order"

    return sweep(make, story, check, outcomes=outcomes)


def test_a_cut_at_every_operation_loses_nothing_that_was_answered_yes(stage):
    found = swept(stage)
    assert found.failures == []
    assert len(found.cuts) == len(OUTCOMES) * len(found.operations)
    for what in ("append programs/river", "delete programs/river"):
        assert any(operation.startswith(what) for operation in found.operations), what


def test_a_shelf_that_does_not_flush_is_caught(stage):
    assert "never arrived" in "".join(swept(stage, Unflushed, OUTCOMES[:1]).failures)
