"""Leaving an operator and moving to another one, with the power failing at every single operation."""

import pytest

from firmware_sim.world import certificates
from firmware_sim.world.people import PASSWORD, USER
from firmware_sim.world.power import OUTCOMES
from firmware_sim.world.store import MemoryStore
from tests.scenario.owners import (
    CREDENTIALS,
    FACTORY,
    FIRST,
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
from tests.scenario.sweep import sweep
from tests.scenario.test_claims import everywhere

RECORD = "ownership/record.json"


def whole(world):
    """Everything of the first operator is there, or nothing is; users and factory are whole in any case."""
    assert state(world) == "claimed"
    assert everywhere(world, USER, PASSWORD) == {"in"}
    if owner(world) == FIRST:
        assert RECORD in world.documents.content
        assert certificates.holder(world.documents.content.get("identity/certificate.pem")) == world.device_id()
    else:
        assert FIRST.encode() not in b"".join(world.documents.content.values())
        assert not [name for name in world.documents.content if name.startswith(("handover/", "identity/next"))]


def test_a_cut_at_every_operation_of_leaving_leaves_all_or_nothing(stage):
    seen = set()
    expected = kept(stage.world(), (*FACTORY, *CREDENTIALS))

    def story(world):
        on(world)
        assert administrator(world, "disown")["ok"]
        restarted(world)
        assert owner(world) == ""

    def check(world, _cut):
        whole(world)
        seen.add(owner(world))
        assert kept(world, (*FACTORY, *CREDENTIALS)) == expected
        if owner(world) == "":
            assert left_of_the_operator(world) == []

    swept = sweep(stage.world_with_seed, story, check, after=on)
    assert swept.failures == []
    assert len(swept.cuts) == len(OUTCOMES) * len(swept.operations)
    assert seen == {FIRST, ""}
    assert {"store handover/disown.json", f"delete {RECORD}", "delete handover/disown.json"} <= set(swept.operations)


def test_a_cut_at_every_operation_of_a_transfer_ends_with_the_next_operator(stage):
    """Right after the cut it is the first operator, or the next one, perhaps still introducing itself; never nobody."""
    seen = set()

    def make(seed):
        world = stage.world_with_seed(seed)
        world.second = Second(stage, world)
        return world

    def story(world):
        if world.agent is None:
            on(world)
        world.run_until(lambda: owner(world) not in ("off", "the camera restarts"))
        world.run_for(0.5)
        whole(world)
        at = owner(world) or status(world)["enrolment"]["phase"]
        seen.add(at)
        assert at in (FIRST, SECOND, "owning", "introducing")
        if at == FIRST and not status(world)["transfer"]["under_way"]:
            assert administrator(world, "transfer", token=world.second.token)["ok"]
        world.run_until(lambda: owner(world) == SECOND)

    def check(world, _cut):
        world.run_for(1)
        whole(world)
        assert owner(world) == SECOND
        assert len(world.second.server.enrolled) == 1

    swept = sweep(make, story, check)
    assert swept.failures == []
    assert seen == {FIRST, SECOND}
    assert {"store handover/transfer.json", "store identity/tls.key.pem", "delete handover/transfer.json"} <= set(
        swept.operations
    )


def naive(world):
    """Leaving as people write it: one document after the other, no journal."""
    world.power.restore()
    store = MemoryStore(world.documents)
    for name in ("identity/certificate.pem", *left_of_the_operator(world)):
        store.delete(name)
    on(world)


def test_control_leaving_without_a_journal_is_caught(stage):
    swept = sweep(stage.world_with_seed, naive, lambda world, _: whole(world), after=lambda w: w.agent or on(w))
    assert swept.failures


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"v":1,"token":"x"}', b'{"v":2}'])
@pytest.mark.parametrize("kind", ["disown", "transfer"])
def test_a_journal_that_rotted_ends_what_it_began(stage, kind, body):
    world = stage.world()
    world.documents.content[f"handover/{kind}.json"] = body
    on(world)
    assert owner(world) == ""
    whole(world)
