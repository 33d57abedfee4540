"""The whole verification, with and without attacks; each attack asserts its name and what stayed stored."""

import copy
from typing import Any

import pytest
from securesystemslib.signer import Signer
from tuf.api.metadata import Delegations, Signed

from agent.core import trust
from agent.core.clock import Time
from agent.core.trust import Check, Request
from agent.formats import canonical_json, json
from agent.formats.errors import FormatError, Rejected, Unavailable
from tests.repositories import (
    DEVICE,
    NOW,
    SLOT,
    World,
    make_release,
    moment,
    slot_target,
    verify_signature,
)

FULL = [
    "director/timestamp.json",
    "director/2.root.json",
    "director/2.snapshot.json",
    "director/2.targets.json",
    "image/2.root.json",
    "image/timestamp.json",
    "image/2.snapshot.json",
    "image/2.targets.json",
]


@pytest.fixture
def world() -> World:
    return World()


def refused(world: World, code: str, **how: object) -> None:
    """Run a check that must be refused with this code, and see that nothing of it is an outcome."""
    with pytest.raises(Rejected) as caught:
        world.run(**how)  # type: ignore[arg-type]
    assert caught.value.code == code, caught.value


def test_assigned_release_is_the_outcome(world: World) -> None:
    made = world.offer(make_release())
    check = world.run()
    assert check.outcome == made
    assert check.issued_at == NOW
    assert world.asked == FULL
    assert world.events == [
        "director/timestamp",
        "director/snapshot",
        "director/targets",
        "image/timestamp",
        "image/snapshot",
        "image/targets",
    ]


def test_nothing_assigned_never_asks_the_image_repository(world: World) -> None:
    check = world.run()
    assert check.outcome is None
    assert not any(asked.startswith("image/") for asked in world.asked)


def test_idle_check_is_one_request(world: World) -> None:
    world.run()
    world.director.next_timestamp()
    check = world.run()
    assert check.outcome is None
    assert world.asked == ["director/timestamp.json"]
    assert world.events == ["director/timestamp"]


def test_idle_check_after_the_update(world: World) -> None:
    made = world.offer(make_release())
    world.run()
    check = world.run(DEVICE.replace(version=made.version))
    assert check.outcome is None
    assert world.asked == ["director/timestamp.json"]


def test_pending_release_is_verified_in_full_again_without_fetching_files_twice(world: World) -> None:
    made = world.offer(make_release())
    world.run()
    assert world.run().outcome == made
    assert world.asked == [
        "director/timestamp.json",
        "director/2.root.json",
        "image/2.root.json",
        "image/timestamp.json",
    ]


def test_issued_at_moves_time_forward_for_the_rest_of_the_check(world: World) -> None:
    world.offer(make_release())
    check = world.run(now=NOW - 86400 * 300)
    assert check.issued_at == NOW
    assert check.outcome is not None


def test_issued_at_reveals_expired_image_metadata_to_a_slow_clock(world: World) -> None:
    world.offer(make_release())
    world.issue(NOW + 3600 * 20)
    world.director.next_timestamp()
    world.image.timestamp.expires = moment(NOW + 3600)
    world.image.next_timestamp()
    refused(world, "freeze", now=NOW)


def test_issued_at_past_the_root_expiry_is_fast_forward(world: World) -> None:
    world.director.timestamp.expires = moment(NOW + 86400 * 4000)
    world.issue(NOW + 86400 * 3000)
    world.director.next_timestamp()
    refused(world, "fast_forward")
    assert world.events == []


def test_issued_at_after_expiry_is_malformed(world: World) -> None:
    world.issue(NOW + 86400 * 30)
    world.director.next_timestamp()
    refused(world, "format")


def test_issued_at_missing_is_malformed(world: World) -> None:
    del world.director.timestamp.unrecognized_fields["x-camward-issued-at"]
    world.director.next_timestamp()
    refused(world, "format")


def test_director_target_without_sha256(world: World) -> None:
    made = world.offer(make_release())
    world.director.targets.targets[made.target].hashes = {"sha512": "0" * 128}
    world.director.next()
    refused(world, "format")


ROLES = ["timestamp", "snapshot", "targets"]


@pytest.mark.parametrize("role", ROLES)
def test_metadata_for_another_device(world: World, role: str) -> None:
    world.run()
    signed = getattr(world.director, role)
    signed.unrecognized_fields["x-camward-device"] = "b" * 26
    world.director.next()
    refused(world, "wrong_device")
    assert world.events == [f"director/{accepted}" for accepted in ROLES[: ROLES.index(role)]]


@pytest.mark.parametrize("role", ROLES)
def test_metadata_for_no_device(world: World, role: str) -> None:
    del getattr(world.director, role).unrecognized_fields["x-camward-device"]
    world.director.next()
    refused(world, "format")
    assert f"director/{role}" not in world.events


def test_snapshot_of_another_device_binds_nobody(world: World) -> None:
    """The same key signs every camera's snapshots, and a timestamp names them by version alone."""
    made = world.offer(make_release())
    director = world.director
    director.timestamp.snapshot_meta.hashes = director.timestamp.snapshot_meta.length = None
    director.publish_timestamp()
    honest = director.files["2.snapshot.json"]
    other = copy.deepcopy(director.snapshot)
    other.unrecognized_fields["x-camward-device"] = "b" * 26
    other.meta["targets.json"].version = 1000
    director.files["2.snapshot.json"] = director.sign("snapshot", other)
    refused(world, "wrong_device")
    assert "director/snapshot" not in world.events
    world.stored["director"]["snapshot"] = director.files["2.snapshot.json"]  # as an older agent would have kept it
    director.files["2.snapshot.json"] = honest
    assert world.run().outcome == made


@pytest.mark.parametrize("name", ["image", "director"])
def test_targets_file_without_targets_is_never_kept(world: World, name: str) -> None:
    made = world.offer(make_release())
    repository = world.repository(name)
    repository.targets.version += 1
    repository.snapshot.version += 1
    repository.timestamp.version += 1
    honest = repository.sign

    def odd(role: str, signed: Signed, extra: tuple[Signer, ...] = ()) -> bytes:
        body = honest(role, signed, extra)
        return without_targets(body, repository.signers["targets"]) if role == "targets" else body

    repository.sign = odd  # type: ignore[method-assign]
    repository.publish()
    refused(world, "format")
    assert f"{name}/targets" not in world.events
    world.stored[name]["targets"] = repository.files[f"{repository.targets.version}.targets.json"]
    repository.sign = honest  # type: ignore[method-assign]
    repository.next()
    assert world.run().outcome == made


def without_targets(body: bytes, signers: list[Signer]) -> bytes:
    """A targets file whose `targets` is no object, signed all the same."""
    signed = json.parse_object(body, 10**6)["signed"] | {"targets": []}
    message = canonical_json.encode(signed)
    signatures = [{"keyid": signer.public_key.keyid, "sig": signer.sign(message).signature} for signer in signers]
    return json.dump({"signed": signed, "signatures": signatures})


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"model": "kawa-2"}, "wrong_model"),
        ({"hardware": ("b", "c")}, "wrong_hardware"),
        ({"security_epoch": 0}, "epoch_rollback"),
        ({"version": "0.9.9"}, "rollback"),
    ],
)
def test_release_that_does_not_fit(world: World, changes: dict[str, Any], code: str) -> None:
    world.offer(make_release(**changes))
    refused(world, code)
    world.offer(make_release("1.2.0"))
    assert world.run().outcome is not None


def test_director_orders_what_the_image_repository_does_not_sign(world: World) -> None:
    world.assign(make_release())
    refused(world, "arbitrary_software")


@pytest.mark.parametrize(
    "changes",
    [{"sha256": "0" * 64}, {"tree_root": "0" * 64}, {"security_epoch": 7}, {"severity": "low"}],
)
def test_director_and_image_differ(world: World, changes: dict[str, Any]) -> None:
    made = world.add_release(make_release())
    world.assign(made.replace(**changes))
    refused(world, "wrong_target")


def test_director_and_image_differ_in_length(world: World) -> None:
    made = world.add_release(make_release(slot=SLOT + SLOT))
    world.assign(make_release(slot=SLOT, sha256=made.sha256))
    refused(world, "wrong_target")


@pytest.mark.parametrize("change", ["absent", "length", "hash"])
def test_block_tree_is_not_what_the_release_names(world: World, change: str) -> None:
    made = world.add_release(make_release())
    tree = world.image.targets.targets[made.tree_name]
    if change == "absent":
        del world.image.targets.targets[made.tree_name]
    elif change == "length":
        tree.length += 1
    else:
        tree.hashes["sha256"] = "0" * 64
    world.image.next()
    world.assign(made)
    refused(world, "wrong_target")


def test_director_may_not_delegate(world: World) -> None:
    world.director.targets.delegations = Delegations({}, {})
    world.director.next()
    refused(world, "format")


def test_director_may_not_assign_two(world: World) -> None:
    world.offer(make_release("1.1.0"))
    other = make_release("1.2.0")
    world.director.targets.targets[other.target] = slot_target(other)
    world.director.next()
    refused(world, "format")


def test_target_without_manifest(world: World) -> None:
    made = world.offer(make_release())
    world.director.targets.targets[made.target].unrecognized_fields.clear()
    world.director.next()
    refused(world, "format")


def test_missing_files_are_unavailable(world: World) -> None:
    world.offer(make_release())
    for path in FULL:
        if path.endswith(".root.json"):
            continue
        here = copy.deepcopy(world.stored)
        full = world.answer

        def answer(request: Request, path: str = path, full: object = full) -> bytes | None:
            return None if f"{request.repository}/{request.path}" == path else full(request)  # type: ignore[operator]

        world.answer = answer  # type: ignore[method-assign]
        with pytest.raises(Unavailable):
            world.run()
        world.answer = full  # type: ignore[method-assign]
        world.stored = here


@pytest.mark.parametrize("path", FULL)
def test_endless_data(world: World, path: str) -> None:
    """Each file, longer than allowed, is refused; an honest mirror afterwards is believed."""
    made = world.offer(make_release())
    honest = world.answer

    def answer(request: Request) -> bytes | None:
        if f"{request.repository}/{request.path}" == path:
            return b" " * (request.max_bytes + 1)
        return honest(request)

    world.answer = answer  # type: ignore[method-assign]
    refused(world, "endless_data")
    world.answer = honest  # type: ignore[method-assign]
    assert world.run().outcome == made


@pytest.mark.parametrize("path", [path for path in FULL if not path.endswith("root.json")])
def test_every_single_file_is_needed_unmodified(world: World, path: str) -> None:
    """Changing content without the key is refused, whichever file it is; nothing of that role is stored."""
    made = world.offer(make_release())
    honest = world.answer

    def answer(request: Request) -> bytes | None:
        body = honest(request)
        if f"{request.repository}/{request.path}" == path and body is not None:
            return body.replace(b"1.0.31", b"1.0.32").replace(b'"version":2', b'"version": 2')
        return body

    world.answer = answer  # type: ignore[method-assign]
    with pytest.raises(Rejected):
        world.run()
    role = path.split("/")[0] + "/" + path.split("/")[1].split(".")[-2]
    assert role not in world.events
    world.answer = honest  # type: ignore[method-assign]
    assert world.run().outcome == made


def test_a_dead_check_wants_nothing_and_takes_nothing(world: World) -> None:
    check = world.check()
    check.feed(b"{}")  # no idle answer: the long way begins
    with pytest.raises(FormatError):
        check.feed(b"{}")
    assert check.wants() is None
    assert check.outcome is None
    assert check.accepted() == []
    with pytest.raises(ValueError, match="wants nothing"):
        check.feed(b"")
    with pytest.raises(ValueError, match="wants nothing"):
        check.absent()


@pytest.mark.parametrize("body", [None, b"", b"{}", b"junk"])
@pytest.mark.parametrize("name", ["image", "director"])
def test_stored_root_that_does_not_parse(world: World, name: str, body: bytes | None) -> None:
    world.offer(make_release())
    world.stored[name]["root"] = body
    refused(world, "damaged_root")


@pytest.mark.parametrize("name", ["image", "director"])
def test_stored_root_that_does_not_verify(world: World, name: str) -> None:
    world.offer(make_release())
    body = world.stored[name]["root"]
    assert body is not None
    world.stored[name]["root"] = body.replace(b'"spec_version":"1.0.', b'"spec_version":"1.1.')
    assert world.stored[name]["root"] != body
    refused(world, "damaged_root")


@pytest.mark.parametrize("damage", [b"", b"junk", b"{}", b"[1]", None])
def test_damaged_stored_metadata_never_blocks(world: World, damage: bytes | None) -> None:
    made = world.offer(make_release())
    world.run()
    for name in ("image", "director"):
        for role in ("timestamp", "snapshot", "targets"):
            world.stored[name][role] = damage
    assert world.run().outcome == made


def test_expired_stored_metadata_never_blocks(world: World) -> None:
    world.run()
    later = NOW + 86400 * 30
    for repository in (world.image, world.director):
        repository.timestamp.expires = moment(later + 86400)
        repository.snapshot.expires = moment(later + 86400)
    world.issue(later)
    made = world.offer(make_release())
    assert world.run(now=later).outcome == made


def test_expired_stored_snapshot_is_refused_by_name_when_it_is_all_there_is(world: World) -> None:
    world.run()
    later = NOW + 86400 * 30
    world.director.timestamp.expires = moment(later + 86400)
    world.director.next_timestamp()
    refused(world, "freeze", now=later)


def test_all_errors_have_distinct_codes() -> None:
    classes = [getattr(trust, name) for name in trust.__all__]
    errors = [found for found in classes if isinstance(found, type) and issubclass(found, Rejected)]
    assert len({found.code for found in errors}) == len(errors)


def test_constructor_needs_no_image_files_for_an_idle_device() -> None:
    world = World()
    stored = {"director": {"root": world.director.files["1.root.json"]}, "image": {}}
    check = Check(DEVICE, stored, Time(NOW, 0, 0), verify_signature)
    assert check.wants() == Request("director", "timestamp.json", 8192)
