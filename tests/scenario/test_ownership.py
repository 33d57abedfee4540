"""An operator is left, or another one takes over: by people at the camera alone, whatever happens to the power."""

import pytest

from agent.app.events import ADMIN
from agent.core import update
from agent.formats import token
from firmware_sim.world import certificates, people
from firmware_sim.world.people import PASSWORD, USER, claim, login, request
from firmware_sim.world.power import LOST, PowerCut
from tests.scenario.looks import phase, running, settled
from tests.scenario.owners import (
    CREDENTIALS,
    FACTORY,
    FIRST,
    IMAGE_TRUST,
    SECOND,
    Second,
    administrator,
    kept,
    left_of_the_operator,
    on,
    owner,
    restarted,
    state,
    status,
)
from tests.scenario.test_claims import everywhere

RECORD = "ownership/record.json"
VIEWER = "kawa no oto wo kiku 5 nin"


@pytest.fixture(scope="module")
def lived(stage):
    """A camera that has installed a release, so that it knows the image repository; without power."""
    world = stage.world("7.0.0")
    world.documents.content["trust/image/root.json"] = world.image_root  # as after a rotation
    world.power_on()
    world.run_until(lambda: settled(world, "7.0.0"))
    world.run_for(400)
    world.power_cut()
    return world


def test_leaving_takes_the_operator_and_keeps_users_and_factory(lived):
    world = lived.copy()
    on(world)
    names = (*FACTORY, *IMAGE_TRUST, *CREDENTIALS)
    before, device = kept(world, names), world.device_id()
    assert None not in before.values()
    world.broker.down = True
    world.run_for(200)
    assert status(world)["outbox"] > 0
    certificate = world.documents.content["identity/certificate.pem"]

    assert administrator(world, "disown") == {"v": 1, "ok": True, "task": "started"}
    restarted(world)

    assert kept(world, names) == before
    assert left_of_the_operator(world) == []
    assert "identity/certificate.pem" not in world.documents.content
    assert certificates.holder(certificate) == device != world.device_id()
    assert (owner(world), status(world)["enrolment"]["phase"], status(world)["outbox"]) == ("", "none", 0)
    assert state(world) == "claimed"
    assert everywhere(world, USER, PASSWORD) == {"in"}


def test_the_former_operator_counts_no_more(lived, stage):
    """Its server is not asked and its broker not joined; what its director signs is for a device that is no more."""
    world = lived.copy()
    on(world)
    device = world.device_id()
    administrator(world, "disown")
    restarted(world)
    assert b'"online":false' in world.broker.on(f"{device}/state")[-1], "it is shown for ever as it was last"
    heard, asked = len(world.broker.messages), len(world.server.exchanges)
    world.run_for(7200)
    assert (len(world.broker.messages), len(world.server.exchanges)) == (heard, asked)
    assert world.admin("check")["ok"] is False


def test_after_leaving_another_operator_enrols_it_and_decides(lived, stage):
    stage.release("7.1.0")
    world = lived.copy()
    second = Second(stage, world)
    on(world)
    administrator(world, "disown")
    restarted(world)
    assert world.ask("web", request("enrol", grant=login(world)["grant"], token=second.token))["ok"]
    world.run_until(lambda: owner(world) == SECOND)
    second.direct(world, "7.1.0")
    assert world.admin("check")["ok"]
    world.run_until(lambda: settled(world, "7.1.0"))
    assert second.server.fetched("timestamp.json")
    assert owner(world) == SECOND


def test_the_first_operators_metadata_moves_nothing_on_the_seconds_server(lived, stage):
    """Even served from there, and for the camera's new name: the second one's director root decides."""
    stage.release("7.2.0")
    world = lived.copy()
    second = Second(stage, world)
    on(world)
    administrator(world, "transfer", token=second.token)
    world.run_until(lambda: owner(world) == SECOND)
    former = stage.operator.copy()
    former.adopt(world.device_id())
    former.set_time(int(world.clock.now_s))
    former.assign("7.2.0")
    second.server.files.update(former.files)
    world.admin("check")
    world.run_for(3600)
    assert status(world)["update"]["last_result"].startswith("refused")
    assert running(world) == "7.0.0"
    second.direct(world, "7.2.0")
    world.run_until(lambda: settled(world, "7.2.0"))


def test_a_transfer_is_one_step_and_keeps_users_and_factory(lived, stage):
    world = lived.copy()
    second = Second(stage, world)
    on(world)
    names = (*FACTORY, *IMAGE_TRUST, *CREDENTIALS)
    before, device = kept(world, names), world.device_id()
    keys = [world.documents.content[f"identity/{name}.key.pem"] for name in ("tls", "evidence")]
    assert administrator(world, "transfer", token=second.token)["ok"]
    world.run_until(lambda: len(second.broker.on("/state")) > 0)
    assert kept(world, names) == before
    assert owner(world) == SECOND
    assert world.device_id() != device
    assert not set(keys) & set(world.documents.content.values()), "a key of the first operator's time is still in use"
    assert list(second.server.enrolled) == ["t2"]
    assert second.server.received["/device/v1/identity"]
    assert certificates.holder(world.documents.content["identity/certificate.pem"]) == world.device_id()
    assert [name for name in world.documents.content if "next" in name or name.startswith(("enrol", "handover"))] == []
    assert everywhere(world, USER, PASSWORD) == {"in"}


def test_until_the_next_operator_has_certified_the_camera_it_stays_with_the_first(lived, stage):
    world = lived.copy()
    second = Second(stage, world)
    second.server.down = True
    on(world)
    device = world.device_id()
    assert administrator(world, "transfer", token=second.token)["ok"]
    world.run_for(3600)
    assert (owner(world), world.device_id(), status(world)["link"]) == (FIRST, device, "up")
    assert status(world)["transfer"]["under_way"]
    world.restart()
    world.run_for(1)
    assert status(world)["transfer"]["under_way"], "forgotten over a restart"
    second.server.down = False
    world.run_until(lambda: owner(world) == SECOND)


def test_a_token_that_the_next_operator_refuses_costs_nothing(lived, stage):
    world = lived.copy()
    second = Second(stage, world)
    second.server.secrets["t2"] = "another"
    on(world)
    device = world.device_id()
    assert administrator(world, "transfer", token=second.token)["ok"]
    world.run_for(600)
    assert (owner(world), world.device_id()) == (FIRST, device)
    assert "refuses" in status(world)["transfer"]["problem"]
    assert not status(world)["transfer"]["under_way"]
    assert [name for name in world.documents.content if "next" in name or name.startswith("enrol")] == []
    second.server.secrets["t2"] = "also-once"
    assert administrator(world, "transfer", token=second.token)["ok"]
    world.run_until(lambda: owner(world) == SECOND)


def test_a_certificate_that_was_got_is_used_even_when_the_token_has_ended_since(lived, stage):
    """The power fails after the next operator has certified the camera; its token serves no second time."""

    def moving():
        world = lived.copy()
        second = Second(stage, world)
        on(world)
        return world, second

    world, second = moving()
    administrator(world, "transfer", token=second.token)
    restarted(world)
    journal = world.power.trace.index("store handover/transfer.json")
    world, second = moving()
    world.power.cut_at(journal, LOST)
    assert administrator(world, "transfer", token=second.token)["ok"]
    with pytest.raises(PowerCut):
        world.run_for(60)
    assert "identity/next-certificate.pem" in world.documents.content
    second.server.secrets.clear()
    world.power_on()
    world.run_until(lambda: owner(world) == SECOND)


@pytest.mark.parametrize("op", ["enrol", "transfer"])
def test_the_answer_to_a_token_that_was_replaced_changes_nothing(lived, stage, op):
    """Both are pasted before the server has answered the first, which it refuses."""
    world = lived.copy() if op == "transfer" else stage.fresh()
    second = Second(stage, world)
    on(world)
    wrong = token.encode(token.parse(second.token).replace(secret="wrong"))
    for text in (wrong, second.token):
        assert world.ask(ADMIN, {"v": 1, "op": op, "token": text})["ok"]
    world.run_until(lambda: owner(world) == SECOND)
    assert status(world)["transfer"]["problem"] == status(world)["enrolment"]["problem"] == ""
    assert certificates.holder(world.documents.content["identity/certificate.pem"]) == world.device_id()


def test_another_token_takes_the_place_of_one_whose_server_is_dead(lived, stage):
    world = lived.copy()
    second = Second(stage, world)
    on(world)
    world.server.down = True
    dead = second.token
    second.server.down = True
    administrator(world, "transfer", token=dead)
    world.run_for(30)
    second.server.down = False
    second.server.secrets["t2"] = "also-once"
    administrator(world, "transfer", token=second.token)
    world.run_until(lambda: owner(world) == SECOND)


def test_a_next_operator_that_certifies_and_falls_silent_is_waited_for_and_can_be_left(lived, stage):
    """The one state in between: certified by the next operator, whose ownership record has not come yet."""
    world = lived.copy()
    second = Second(stage, world)
    record = second.server.files.pop(people.OWNERSHIP_PATH)
    on(world)
    administrator(world, "transfer", token=second.token)
    restarted(world)
    world.run_for(600)
    assert (owner(world), status(world)["enrolment"]["phase"]) == ("", "owning")
    assert everywhere(world, USER, PASSWORD) == {"in"}
    world.restart()
    world.run_for(600)
    assert status(world)["enrolment"]["phase"] == "owning"
    world.power_cut()
    twin = world.copy()
    twin.server.others = dict(world.server.others)
    on(twin)
    assert administrator(twin, "disown")["ok"]
    restarted(twin)
    assert (owner(twin), status(twin)["enrolment"]["phase"]) == ("", "none")
    second.server.files[people.OWNERSHIP_PATH] = record
    world.power_on()
    world.run_until(lambda: owner(world) == SECOND)


def test_who_may_not_leave(lived, stage):
    """Wrong password, no grant, somebody else's role: refused, and nothing has changed."""
    world = lived.copy()
    second = Second(stage, world)
    on(world)
    grant = login(world)["grant"]
    assert world.ask("web", request("set_user", grant=grant, user="sora", role="operator", password=VIEWER))["ok"]
    low = world.ask("web", request("login", user="sora", password=VIEWER))["grant"]
    rtsp = world.ask("rtsp", request("login", user=USER, password=PASSWORD))["grant"]
    world.run_for(60)
    names = (*FACTORY, *IMAGE_TRUST, *CREDENTIALS, RECORD, "identity/certificate.pem", "identity/tls.key.pem")
    before = kept(world, names)
    for op, more in (("disown", {}), ("erase", {}), ("transfer", {"token": second.token})):
        for given, password in ((grant, "wrong"), (grant, ""), (grant, VIEWER), (low, VIEWER), (low, PASSWORD),
                                (rtsp, PASSWORD), ("", PASSWORD), ("0" * 32, PASSWORD)):  # fmt: skip
            asked = request(op, grant=given, password=password, **more)
            world.attempts = getattr(world, "attempts", 0) + 1
            asked["source"] = f"203.0.113.{world.attempts}"
            assert world.ask("web", asked)["code"] in ("denied", "wait")
        assert world.ask("web", {"v": 1, "op": op, "source": "192.0.2.1", **more})["code"] == "bad_request"
    world.run_for(600)
    assert kept(world, names) == before
    assert len(world.boots) == 1
    assert owner(world) == FIRST


def test_guessing_the_password_by_leaving_has_to_wait_as_well(lived):
    world = lived.copy()
    on(world)
    grant = login(world)["grant"]
    codes = [world.ask("web", request("disown", grant=grant, password=f"wrong {n}"))["code"] for n in range(10)]
    assert codes[0] == "denied"
    assert codes[-1] == "wait"


def test_there_is_nothing_to_leave_without_an_operator(stage):
    world = stage.fresh(on=True)
    claim(world)
    assert administrator(world, "disown")["code"] == "bad_request"
    assert administrator(world, "transfer", token="camward1.e30")["code"] == "bad_request"
    assert world.admin("disown")["ok"] is False


def test_root_on_the_camera_may_leave_and_move_without_a_password(lived, stage):
    world = lived.copy()
    second = Second(stage, world)
    on(world)
    assert world.ask(ADMIN, {"v": 1, "op": "transfer", "token": "nonsense"})["ok"] is False
    assert world.ask(ADMIN, {"v": 1, "op": "transfer", "token": second.token})["ok"]
    world.run_until(lambda: owner(world) == SECOND)
    assert world.admin("disown")["ok"]
    restarted(world)
    assert owner(world) == ""
    assert state(world) == "claimed"


def test_an_operator_whose_record_is_damaged_can_be_left(lived):
    world = lived.copy()
    world.documents.content[RECORD] = b"{"
    on(world)
    assert "damaged" in status(world)["enrolment"]["problem"]
    assert administrator(world, "disown")["ok"]
    restarted(world)
    assert left_of_the_operator(world) == []


@pytest.mark.parametrize("op", ["disown", "erase", "transfer"])
def test_nothing_begins_while_the_boot_loader_has_a_say(stage, op):
    """A trial boot ends first, one way or the other; otherwise its outcome would be forgotten in the middle."""
    world = stage.world("7.3.0")
    second = Second(stage, world)
    world.power_on()
    world.run_until(lambda: phase(world) == update.TRIAL and world.agent is not None)
    more = {"token": second.token} if op == "transfer" else {}
    reply = world.ask(ADMIN, {"v": 1, "op": op, **more})
    assert (reply["ok"], "being tried" in reply["detail"]) == (False, True)
    world.run_until(lambda: settled(world, "7.3.0"))
    assert world.ask(ADMIN, {"v": 1, "op": op, **more})["ok"]


@pytest.mark.parametrize("op", ["disown", "erase", "transfer"])
def test_a_storage_that_fails_begins_nothing_and_says_so(lived, stage, op):
    world = lived.copy()
    second = Second(stage, world)
    on(world)
    more = {"token": second.token} if op == "transfer" else {}
    world.documents.broken = True
    reply = world.ask(ADMIN, {"v": 1, "op": op, **more})
    assert (reply["ok"], "storage" in reply["detail"]) == (False, True)
    world.documents.broken = False
    world.run_for(60)
    assert (len(world.boots), owner(world)) == (1, FIRST)
    assert world.ask(ADMIN, {"v": 1, "op": op, **more})["ok"]


def test_while_it_is_about_to_restart_nothing_else_happens(lived):
    world = lived.copy()
    on(world)
    administrator(world, "disown")
    assert login(world)["code"] == "busy"
    assert world.ask("web", request("state"))["ok"] is False
    assert world.admin("erase")["ok"] is False
    assert [name for name in world.documents.content if name.startswith("handover")] == ["handover/disown.json"]


def test_an_update_under_way_stops_where_it_is(stage):
    """Between the answer and the restart nothing is written, fetched or armed."""
    world = stage.world("7.4.0")
    world.power_on()
    world.run_until(lambda: phase(world) == update.INSTALLING)
    assert world.admin("disown")["ok"]
    done, asked = world.power.count, len(world.server.exchanges)
    world.run_for(1.5)
    assert (world.power.count, len(world.server.exchanges)) == (done, asked)
    restarted(world)
    world.run_for(3600)
    assert (owner(world), running(world), phase(world)) == ("", "1.0.0", "idle")
