"""Verification by the image repository alone: what a camera without an operator may be offered, and what is refused."""

import copy

import pytest

from agent.core.clock import Time
from agent.core.trust import Device
from agent.core.trust_owner import OwnerCheck
from agent.formats.errors import FormatError, Rejected, Unavailable
from tests.repositories import (
    DEVICE,
    NOW,
    SLOT,
    World,
    make_release,
    moment,
    slot_target,
    tree_target,
    verify_signature,
)

CHAIN = ["image/2.root.json", "image/timestamp.json", "image/2.snapshot.json", "image/2.targets.json"]


@pytest.fixture
def world() -> World:
    return World()


def run(world: World, wanted: str = "", device: Device = DEVICE, now: int = NOW) -> OwnerCheck:
    """Drive a check to its end, storing what it accepts; errors come out after storing."""
    world.asked, world.events = [], []
    check = OwnerCheck(device, copy.deepcopy(world.stored), Time(now, 0, 0), verify_signature, wanted)
    while (request := check.wants()) is not None:
        world.asked.append(f"{request.repository}/{request.path}")
        body = world.answer(request)
        try:
            if body is None:
                check.absent()
            else:
                check.feed(body)
        finally:
            world.store(check)  # type: ignore[arg-type]
    return check


def refused(world: World, code: str, wanted: str = "", device: Device = DEVICE, now: int = NOW) -> str:
    with pytest.raises(Rejected) as caught:
        run(world, wanted, device, now)
    assert caught.value.code == code, caught.value
    return str(caught.value)


def test_the_newest_release_for_this_camera_is_the_outcome(world: World) -> None:
    for version in ("1.1.0", "1.10.0", "1.9.0"):
        made = world.add_release(make_release(version))
        if version == "1.10.0":
            newest = made
    check = run(world)
    assert check.outcome == newest
    assert check.issued_at == 0
    assert check.floor_reset_to is None
    assert not any(asked.startswith("director/") for asked in world.asked)
    assert world.events == ["image/timestamp", "image/snapshot", "image/targets"]


def test_the_repository_is_asked_in_the_specifications_order_and_stored_files_are_not_fetched_again(
    world: World,
) -> None:
    world.add_release(make_release())
    run(world)
    assert world.asked == CHAIN
    run(world)
    assert world.asked == CHAIN[:2]


def test_nothing_newer_is_nothing(world: World) -> None:
    world.add_release(make_release("1.0.0"))
    world.add_release(make_release("0.9.0"))
    assert run(world).outcome is None


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "kawa-2"},
        {"hardware": ("b", "c")},
        {"security_epoch": 0},
        {"sha256": ""},
    ],
    ids=["model", "hardware", "epoch", "no hash"],
)
def test_what_is_not_for_this_camera_is_passed_over(world: World, changes: dict) -> None:
    fits = world.add_release(make_release("1.1.0"))
    other = make_release("9.9.9", **changes)
    described = slot_target(other)
    if not other.sha256:
        described.hashes = {"sha512": "00" * 64}
    world.image.targets.targets[other.target] = described
    world.image.next()
    assert run(world).outcome == fits


def test_a_manifest_of_a_later_time_is_passed_over(world: World) -> None:
    fits = world.add_release(make_release("1.1.0"))
    later = make_release("9.9.9")
    described = slot_target(later)
    described.unrecognized_fields["custom"]["camward"]["v"] = 2
    world.image.targets.targets[later.target] = described
    world.image.next()
    assert run(world).outcome == fits


def test_a_release_asked_for_by_name_is_the_outcome_even_when_a_newer_one_is_listed(world: World) -> None:
    made = world.add_release(make_release("1.1.0"))
    world.add_release(make_release("1.2.0"))
    assert run(world, made.target).outcome == made


def test_the_running_release_asked_for_by_name_is_nothing(world: World) -> None:
    made = world.add_release(make_release("1.0.0"))
    assert run(world, made.target).outcome is None


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("wrong_model", {"model": "kawa-2"}),
        ("wrong_hardware", {"hardware": ("b",)}),
        ("epoch_rollback", {"security_epoch": 0}),
        ("rollback", {"version": "0.9.0"}),
    ],
)
def test_a_release_asked_for_by_name_is_refused_by_the_attacks_name(world: World, code: str, changes: dict) -> None:
    made = world.add_release(make_release(**changes))
    refused(world, code, made.target)


def test_a_release_that_nobody_lists_is_arbitrary_software(world: World) -> None:
    world.add_release(make_release())
    assert "kawa-1-6.6.6.slot" in refused(world, "arbitrary_software", "kawa-1-6.6.6.slot")


def test_a_release_whose_tree_is_not_listed_is_refused(world: World) -> None:
    made = world.add_release(make_release())
    del world.image.targets.targets[made.tree_name]
    world.image.next()
    refused(world, "wrong_target", made.target)
    world.image.targets.targets[made.tree_name] = tree_target(make_release("1.1.0", SLOT + bytes(4096)))
    world.image.next()
    refused(world, "wrong_target")


def test_a_delegated_release_is_found_by_name_and_the_delegated_file_is_not_stored(world: World) -> None:
    made = make_release()
    role = world.image.delegate("targets", "models")
    role.targets[made.target] = slot_target(made)
    role.targets[made.tree_name] = tree_target(made)
    world.image.next()
    assert run(world).outcome is None
    check = run(world, made.target)
    assert check.outcome == made
    assert "image/2.models.json" in world.asked or "image/1.models.json" in world.asked
    assert set(world.events) <= {"image/timestamp", "image/snapshot", "image/targets"}


def test_expired_metadata_is_a_freeze_and_what_stood_before_it_is_stored(world: World) -> None:
    world.add_release(make_release())
    refused(world, "freeze", now=NOW + 2 * 86400)
    world.image.snapshot.expires = moment(NOW - 1)
    world.image.next()
    refused(world, "freeze")
    assert world.events == ["image/timestamp"]


def test_older_metadata_than_was_seen_is_a_rollback(world: World) -> None:
    world.add_release(make_release())
    old = dict(world.image.files)
    world.add_release(make_release("1.2.0"))
    run(world)
    world.image.files["timestamp.json"] = old["timestamp.json"]
    refused(world, "rollback")


def test_a_signature_too_few_is_arbitrary_software(world: World) -> None:
    made = make_release()
    world.image.targets.targets[made.target] = slot_target(made)
    world.image.signers["targets"] = world.image.signers["targets"][:1]
    world.image.next()
    refused(world, "arbitrary_software")


def test_endless_data_a_missing_file_and_no_question(world: World) -> None:
    world.add_release(make_release())
    world.image.files["timestamp.json"] += b" " * 9000
    refused(world, "endless_data")
    del world.image.files["timestamp.json"]
    with pytest.raises(Unavailable):
        run(world)
    world = World()
    check = run(world)
    with pytest.raises(ValueError, match="wants nothing"):
        check.feed(b"")


def test_a_damaged_stored_root_is_refused_by_name(world: World) -> None:
    world.stored["image"]["root"] = b"{}"
    refused(world, "damaged_root")


def test_a_release_asked_for_by_name_whose_manifest_does_not_parse_is_malformed(world: World) -> None:
    made = make_release()
    described = slot_target(made)
    described.unrecognized_fields["custom"] = {"camward": {"v": 1}}
    world.image.targets.targets[made.target] = described
    world.image.next()
    with pytest.raises(FormatError):
        run(world, made.target)
    assert run(world).outcome is None
