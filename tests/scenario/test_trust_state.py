"""What the camera trusts over the years: keys change, metadata expires, stored files rot; updates go on."""

import pytest

from firmware_sim.world.repository import DAY_S
from tests.scenario.looks import events, reports, settled
from tests.scenario.makers import RealSigner

ROLES = ("root", "timestamp", "snapshot", "targets")
DOCUMENTS = [f"trust/{repository}/{role}.json" for repository in ("image", "director") for role in ROLES]
VERSION = "5.0.0"


def ordered(stage, version=VERSION):
    """A camera with an update waiting, and a copy of its operator to change."""
    world = stage.world()
    if version not in stage.operator.releases:
        stage.release(version)
    return world, stage.operator.copy()


def assign(world, operator, version=VERSION):
    operator.set_time(int(world.clock.now_s))
    operator.assign(version)
    world.server.files.update(operator.files)
    world.server.receipts, world.broker.takes = operator.receipt, operator.taken


def finish(world, version=VERSION):
    if world.agent is None:
        world.power_on()
    world.run_until(lambda: settled(world, version))


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("which", ["image", "director"])
def test_a_rotated_key_is_followed(stage, which, role):
    world, operator = ordered(stage)
    repository = getattr(operator, which)
    old_root = list(repository.signers["root"])
    repository.signers[role] = [RealSigner(f"new {index}") for index in range(len(repository.signers[role]))]
    repository.publish_root(old_root)
    assign(world, operator)
    finish(world)
    stored = world.documents.content[f"trust/{which}/root.json"]
    assert stored == repository.files["2.root.json"]


def test_three_rotations_in_one_go(stage):
    world, operator = ordered(stage)
    for _ in range(3):
        old = list(operator.image.signers["root"])
        operator.image.signers["root"] = [RealSigner("new") for _ in old]
        operator.image.publish_root(old)
    assign(world, operator)
    finish(world)
    assert world.documents.content["trust/image/root.json"] == operator.image.files["4.root.json"]


def test_a_root_that_the_old_keys_did_not_sign_is_refused(stage):
    world, operator = ordered(stage)
    operator.image.signers["root"] = [RealSigner("thief") for _ in range(5)]
    operator.image.publish_root()
    assign(world, operator)
    world.power_on()
    world.run_until(lambda: "refused" in events(world))
    assert reports(world)[-1].code == "arbitrary_software"
    assert len(world.boots) == 1


@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.parametrize("damage", [None, b"", b"{", b"\xff\x00"], ids=["gone", "empty", "cut off", "rubbish"])
def test_a_trust_document_that_rotted_stops_no_update(stage, name, damage):
    world, operator = ordered(stage)
    if damage is None:
        world.documents.content.pop(name, None)
    else:
        world.documents.content[name] = damage
    assign(world, operator)
    finish(world)


def test_a_year_on_the_shelf_stops_no_update(stage):
    """Everything stored has expired; what the server has is fresh."""
    world, operator = ordered(stage)
    world.clock.advance(400 * DAY_S)
    assign(world, operator)
    finish(world)


def test_storage_that_fails_between_a_look_and_the_next_only_delays_the_update(stage):
    """The clock is put right by a receipt, and the second look begins in the step that the receipt comes in."""
    world, operator = ordered(stage)
    assign(world, operator)
    honest = operator.receipt

    def receipt(nonce, at):
        world.documents.broken_folder = "trust/"
        return honest(nonce, at)

    world.server.receipts = receipt
    world.clock.skew_s = 400 * DAY_S
    world.power_on()
    world.run_until(lambda: world.documents.broken_folder)
    world.run_for(900)
    world.documents.broken_folder = ""
    world.server.receipts = honest
    finish(world)
    assert len(world.boots) == 2


def test_the_signed_time_is_remembered_when_the_wall_clock_forgets(stage):
    """A camera without a battery wakes in 1970; metadata that had expired by the signed time stays expired."""
    world, operator = ordered(stage)
    assign(world, operator, None)
    old = dict(world.server.files)
    world.clock.advance(30 * DAY_S)
    operator.set_time(int(world.clock.now_s))
    operator.assign(None)
    world.server.files.update(operator.files)
    world.power_on()
    world.run_for(900)
    world.power_cut()
    world.clock.skew_s = -int(world.clock.now_s)
    timestamp = next(name for name in old if name.startswith("/tuf/director/") and name.endswith("/timestamp.json"))
    for name in list(world.documents.content):
        if name.startswith("trust/director/") and "root" not in name:
            del world.documents.content[name]  # so that expiry alone can tell
    world.server.files[timestamp] = old[timestamp]
    world.power_on()
    world.run_until(lambda: "refused" in events(world))
    assert reports(world)[-1].code == "freeze"
