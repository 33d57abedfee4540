"""An erase: nothing of the user's is left, the factory's is; begun means ended, whatever happens to the power."""

import json

import pytest

from agent.app.events import ADMIN
from agent.formats.errors import Unavailable
from agent.formats.evidence import FAIL, INCONCLUSIVE, PASS
from firmware_sim.world import factory
from firmware_sim.world.people import PASSWORD, SOURCE, USER, claim, login, request
from firmware_sim.world.power import OUTCOMES, PowerCut
from firmware_sim.world.store import MemoryStore
from tests.scenario.looks import running, settled
from tests.scenario.owners import (
    FACTORY,
    FIRST,
    IMAGE_TRUST,
    SECOND,
    Second,
    administrator,
    kept,
    on,
    owner,
    restarted,
    state,
    status,
)
from tests.scenario.sweep import sweep
from tests.scenario.test_claims import OUT, everywhere

VIEWER, VIEWERS_PASSWORD = "hanako", "kawa no oto wo kiku 5 nin"
ERASED = {
    *FACTORY,
    "credentials/state.json",
    "evidence/history.json",
    "identity/tls.key.pem",
    "identity/evidence.key.pem",
}
"""All there is on a camera that was erased before it had ever installed anything."""


@pytest.fixture(scope="module")
def lived(stage):
    """A camera with two users that has installed a release; without power."""
    world = stage.world("8.0.0")
    world.documents.content["trust/image/root.json"] = world.image_root  # as after a rotation
    world.power_on()
    world.run_until(lambda: settled(world, "8.0.0"))
    world.run_for(60)
    grant = login(world)["grant"]
    made = request("set_user", grant=grant, user=VIEWER, role="viewer", password=VIEWERS_PASSWORD)
    assert world.ask("web", made)["ok"]
    world.run_for(400)
    world.power_cut()
    return world


def traces(world):
    """What of the users and the operator is found in any document, whatever it is called."""
    before = [USER, VIEWER, SOURCE, FIRST, "operator.test", "PRIVATE", "$unsafe$"]
    body = b"\n".join(world.documents.content.values())
    return [text for text in before if text.encode() in body]


def test_nothing_of_the_user_is_left_and_all_of_the_factory(lived):
    world = lived.copy()
    on(world)
    assert {USER, VIEWER, FIRST, "operator.test"} <= set(traces(world)), "the look finds nothing even before the erase"
    before, device = kept(world, (*FACTORY, *IMAGE_TRUST)), world.device_id()
    keys = [body for name, body in world.documents.content.items() if name.startswith("identity/")]
    world.documents.content["credentials/web.json.new"] = b"half a write: " + USER.encode()
    world.documents.content["config/overlay.json"] = b"of " + FIRST.encode()
    world.documents.content["surprise"] = b"what this version knows nothing of: " + VIEWER.encode()

    assert administrator(world, "erase") == {"v": 1, "ok": True, "task": "started"}
    restarted(world)

    assert traces(world) == []
    assert set(world.documents.content) == ERASED | set(IMAGE_TRUST)
    assert kept(world, (*FACTORY, *IMAGE_TRUST)) == before
    assert not set(keys) & set(world.documents.content.values())
    assert world.device_id() != device
    assert running(world) == "8.0.0"
    assert (state(world), owner(world)) == ("unclaimed", "")


def test_only_the_label_claims_it_again(lived):
    world = lived.copy()
    on(world)
    administrator(world, "erase")
    restarted(world)
    for user, password in ((USER, PASSWORD), (VIEWER, VIEWERS_PASSWORD), ("admin", "admin"), (None, "")):
        assert everywhere(world, user, password) <= OUT
    assert claim(world, code="AAAA-AAAA-AAAA-AAAA")["code"] == "denied"
    assert claim(world, password="Ame no oto ga 3 do kikoeru")["ok"]
    assert everywhere(world, USER, PASSWORD) <= OUT
    assert everywhere(world, USER, "Ame no oto ga 3 do kikoeru") == {"in"}


def test_a_grant_from_before_is_worth_nothing(lived):
    world = lived.copy()
    on(world)
    grant = login(world)["grant"]
    administrator(world, "erase")
    restarted(world)
    for op in ("users", "device", "evidence"):
        assert world.ask("web", request(op, grant=grant))["code"] == "unclaimed"
    assert claim(world)["ok"]
    assert world.ask("web", request("users", grant=grant))["code"] == "denied"


def test_the_buyer_enrols_it_with_an_operator_of_his_own(lived, stage):
    stage.release("8.1.0")
    world = lived.copy()
    second = Second(stage, world)
    on(world)
    administrator(world, "erase")
    restarted(world)
    grant = claim(world)["grant"]
    assert world.ask("web", request("enrol", grant=grant, token=second.token))["ok"]
    world.run_until(lambda: owner(world) == SECOND)
    second.direct(world, "8.1.0")
    world.admin("check")
    world.run_until(lambda: settled(world, "8.1.0"))


def test_an_older_release_stays_refused_after_an_erase(lived, stage):
    """The security epoch is the manufacturer's word about this device, not the user's data."""
    stage.release("8.2.0", epoch=2)
    stage.release("8.3.0", epoch=1)
    world = stage.world("8.2.0")
    world.power_on()
    world.run_until(lambda: settled(world, "8.2.0"))
    stage.release("8.2.1", epoch=2)
    stage.assign(world, "8.2.1")
    world.admin("check")
    world.run_until(lambda: settled(world, "8.2.1"))
    assert world.ports.rollback.read() == 2
    administrator(world, "erase")
    restarted(world)
    assert world.ports.rollback.read() == 2
    second = Second(stage, world)
    grant = claim(world)["grant"]
    world.ask("web", request("enrol", grant=grant, token=second.token))
    world.run_until(lambda: owner(world) == SECOND)
    second.direct(world, "8.3.0")
    world.admin("check")
    world.run_for(600)
    assert "epoch" in status(world)["update"]["last_result"]
    assert running(world) == "8.2.1"


@pytest.mark.parametrize("damage", ["credentials/web.json", "credentials/state.json", "ownership/record.json"])
def test_root_on_the_camera_erases_a_locked_or_damaged_one_as_well(lived, damage):
    """The only way back from locked; it needs the camera in hand, and leads to the label's code."""
    world = lived.copy()
    world.documents.content[damage] = b"\xff"
    on(world)
    assert world.ask(ADMIN, {"v": 1, "op": "erase"})["ok"]
    restarted(world)
    assert state(world) == "unclaimed"
    assert claim(world)["ok"]


def test_on_a_stand_in_for_the_data_nothing_is_erased(lived):
    """The real data could not be reached: an erase that says it was done would be a lie."""
    world = lived.copy()
    on(world)
    world.agent._desk.problems = ("data_damaged",)
    reply = world.ask(ADMIN, {"v": 1, "op": "erase"})
    assert (reply["ok"], "damaged" in reply["detail"]) == (False, True)
    assert administrator(world, "disown")["code"] == "busy"
    assert len(world.boots) == 1


# --- evidence


def verdict(world):
    """S1.1-15, as the camera's own report has it."""
    assert world.admin("evidence")["ok"]
    report = json.loads(world.scratch.content["evidence.json"])
    (found,) = [one for one in report["findings"] if one["criterion"] == "S1.1-15"]
    return found["verdict"], found["reason"]


def test_evidence_passes_after_an_erase_that_left_nothing(lived):
    world = lived.copy()
    on(world)
    assert verdict(world)[0] == INCONCLUSIVE
    administrator(world, "erase")
    restarted(world)
    assert verdict(world) == (PASS, "the user's data was erased, the version kept")
    claim(world)
    assert verdict(world)[0] == PASS, "a claim is no reason to forget it"
    world.restart()
    world.run_for(1)
    assert verdict(world)[0] == PASS


def test_evidence_fails_and_names_what_an_erase_has_left(lived):
    world = lived.copy()
    world.stubborn.add("update/state.json")
    on(world)
    administrator(world, "erase")
    restarted(world)
    assert verdict(world) == (FAIL, "the erase left update/state.json")


def test_evidence_does_not_know_what_a_journal_that_rotted_said(lived):
    world = lived.copy()
    world.documents.content["handover/erase.json"] = b"{"
    on(world)
    assert state(world) == "unclaimed"
    assert traces(world) == []
    assert verdict(world)[0] == INCONCLUSIVE


@pytest.mark.parametrize("name", ["credentials/web.json", "credentials/digest.json", "identity/certificate.pem"])
def test_it_is_never_unclaimed_with_credentials_that_would_not_go(lived, name):
    world = lived.copy()
    world.stubborn.add(name)
    on(world)
    administrator(world, "erase")
    with pytest.raises(Unavailable):
        restarted(world)
    for _ in range(3):
        assert b'"unclaimed"' not in world.documents.content.get("credentials/state.json", b"")
        world.power_cut()
        with pytest.raises(Unavailable):
            on(world)
    world.stubborn.clear()
    world.power_cut()
    on(world)
    assert state(world) == "unclaimed"
    assert traces(world) == []


# --- the power


def finished(world):
    """As before the erase, or erased; nothing else, and never locked."""
    if state(world) == "claimed":
        assert owner(world) == FIRST
        assert everywhere(world, USER, PASSWORD) == {"in"}
        return
    assert state(world) == "unclaimed"
    assert traces(world) == []
    assert set(world.documents.content) <= ERASED
    assert everywhere(world, USER, PASSWORD) <= OUT


def test_a_cut_at_every_operation_of_an_erase_leaves_all_or_nothing(stage):
    seen = set()
    expected = kept(stage.world(), FACTORY)

    def story(world):
        on(world)
        assert administrator(world, "erase")["ok"]
        restarted(world)
        assert state(world) == "unclaimed"

    def check(world, _cut):
        finished(world)
        seen.add(state(world))
        assert kept(world, FACTORY) == expected
        if state(world) == "unclaimed":
            assert verdict(world)[0] == PASS
            assert claim(world)["ok"]
            assert everywhere(world, USER, PASSWORD) == {"in"}

    swept = sweep(stage.world_with_seed, story, check, after=on)
    assert swept.failures == []
    assert len(swept.cuts) == len(OUTCOMES) * len(swept.operations)
    assert seen == {"claimed", "unclaimed"}
    assert {"store handover/erase.json", "delete credentials/web.json", "delete handover/erase.json"} <= set(
        swept.operations
    )


def test_two_cuts_in_one_erase(stage):
    """The power fails while the erase that a cut has interrupted is being finished."""
    dry = stage.world()
    on(dry)
    administrator(dry, "erase")
    first = len(dry.power.trace)
    restarted(dry)
    last = len(dry.power.trace)
    for outcome in OUTCOMES:
        for index in range(first, last, 3):
            world = stage.world_with_seed(index)
            world.documents.content["handover/erase.json"] = b'{"v":1,"token":"","version":"1.0.0"}'
            for at in (index - first, (index - first) // 2):
                world.power.cut_at(world.power.count + at, outcome)
                _try(world)
            world.power.cut_at(None)
            if world.agent is None:
                on(world)
            finished(world)
            assert state(world) == "unclaimed"


def _try(world):
    try:
        if world.agent is not None:
            world.power_cut()
        world.power_on()
    except PowerCut:
        pass


def naive(world):
    """An erase as people write it: one document after the other, then unclaimed; no journal."""
    world.power.restore()
    store = MemoryStore(world.documents)
    for name in sorted(world.documents.content):
        if name not in FACTORY:
            store.delete(name)
    store.write("credentials/state.json", b'{"v":1,"state":"unclaimed"}')
    on(world)


def test_control_an_erase_without_a_journal_is_caught(stage):
    swept = sweep(stage.world_with_seed, naive, lambda world, _: finished(world), after=lambda w: w.agent or on(w))
    assert [one for one in swept.failures if "locked" in one], swept.failures


# --- nobody from afar


REQUESTS = [
    {"v": 1, "type": "command", "op": op, "body": {"op": op, "kind": op}} for op in ("erase", "disown", "transfer")
]


@pytest.mark.parametrize("asked", REQUESTS, ids=["erase", "disown", "transfer"])
def test_no_message_of_the_operators_broker_does_any_of_it(lived, asked):
    world = lived.copy()
    on(world)
    before = kept(world, (*FACTORY, "credentials/web.json", "ownership/record.json", "identity/tls.key.pem"))
    for topic in world.link.subscribed:
        for body in (json.dumps(asked).encode(), asked["op"].encode(), b"\xff"):
            world.link.deliver(topic, body)
            world.run_for(10)
    world.run_for(600)
    assert kept(world, (*FACTORY, "credentials/web.json", "ownership/record.json", "identity/tls.key.pem")) == before
    assert (len(world.boots), owner(world)) == (1, FIRST)
    assert world.admin("disown")["ok"], "the same camera, asked from where it may be asked"


def test_no_answer_of_the_operators_server_does_any_of_it(lived, stage):
    """The server may serve what it likes at every path that the camera asks: journals, records, other roots."""
    world = lived.copy()
    second = Second(stage, world)
    on(world)
    names = (*FACTORY, "credentials/web.json", "ownership/record.json", "identity/tls.key.pem")
    before = kept(world, names)
    served = [
        second.server.files["/device/v1/ownership"],
        b'{"v":1,"token":"","version":"8.0.0"}',
        b'{"erase":true,"disown":true}',
        second.operator.director.files["1.root.json"],
        b"",
    ]
    for body in served:
        for path in list(world.server.files):
            world.server.files[path] = body
        world.admin("check")
        world.run_for(400)
    assert kept(world, names) == before
    assert not [name for name in world.documents.content if name.startswith("handover/")]
    assert (len(world.boots), owner(world), state(world)) == (1, FIRST, "claimed")


def test_the_label_alone_is_no_right_to_erase(lived):
    """Who reads the label of a claimed camera can do nothing with it."""
    world = lived.copy()
    on(world)
    assert claim(world, code=factory.CLAIM_CODE)["code"] == "denied"
    for op in ("disown", "erase"):
        assert world.ask("web", request(op, grant=factory.CLAIM_CODE, password=factory.CLAIM_CODE))["code"] == "denied"
