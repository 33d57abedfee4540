"""TUF attacks on one repository, each through the director's and the image repository's files."""

import copy

import pytest
from securesystemslib.signer import CryptoSigner

from agent.core.clock import Time
from agent.core.trust import Check, DamagedRoot, SignatureError
from agent.core.trust_checks import MAX_VERSION_STEP
from agent.core.trust_repository import MAX_ROOT_ROTATIONS
from agent.formats import json
from agent.formats.errors import Rejected
from agent.formats.tuf import Key
from tests.repositories import DEVICE, NOW, Repository, World, make_release, meta_file, moment

NAMES = pytest.mark.parametrize("name", ["image", "director"])


@pytest.fixture
def world() -> World:
    """A world whose device has seen version 2 of everything, and is offered version 3."""
    world = World()
    world.offer(make_release("1.1.0"))
    world.run()
    world.offer(make_release("1.2.0"))
    return world


def refused(world: World, code: str, role: str) -> str:
    """The next check is refused with this code, and what is stored of the role stays; an honest twin still installs."""
    name, _, part = role.partition("/")
    before = world.stored[name].get(part)
    with pytest.raises(Rejected) as caught:
        world.run()
    assert caught.value.code == code, caught.value
    assert world.stored[name].get(part) == before
    return str(caught.value)


def test_the_honest_offer_installs(world: World) -> None:
    outcome = world.run().outcome
    assert outcome is not None
    assert outcome.version == "1.2.0"


# Signatures


@NAMES
@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_no_signatures(world: World, name: str, role: str) -> None:
    world.repository(name).signers[role].clear()
    world.repository(name).next()
    refused(world, "arbitrary_software", f"{name}/{role}")


@NAMES
@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_signed_by_a_stranger(world: World, name: str, role: str) -> None:
    world.repository(name).signers[role] = [CryptoSigner.generate_ecdsa() for _ in range(3)]
    world.repository(name).next()
    refused(world, "arbitrary_software", f"{name}/{role}")


@NAMES
def test_signed_by_the_key_of_another_role(world: World, name: str) -> None:
    repository = world.repository(name)
    repository.signers["targets"] = repository.signers["snapshot"] + repository.signers["timestamp"]
    repository.next()
    refused(world, "arbitrary_software", f"{name}/targets")


def test_one_signature_short_of_the_threshold(world: World) -> None:
    world.image.signers["targets"] = world.image.signers["targets"][:1]
    world.image.next()
    assert "1 of 2" in refused(world, "arbitrary_software", "image/targets")


def test_exactly_the_threshold_is_enough(world: World) -> None:
    world.image.signers["targets"] = world.image.signers["targets"][1:]
    world.image.next()
    assert world.run().outcome is not None


def test_one_key_under_two_ids_counts_once(world: World) -> None:
    """The root lists a key twice under different ids; its owner alone does not reach the threshold of two."""
    image = world.image
    first = image.signers["targets"][0]
    assert isinstance(first, CryptoSigner)
    twin = copy.deepcopy(first.public_key)
    twin.keyid = "another-id"
    image.root.add_key(twin, "targets")
    image.next_root()
    alias = CryptoSigner(first._private_key, twin)
    image.signers["targets"] = [first, alias]
    image.next()
    assert "1 of 2" in refused(world, "arbitrary_software", "image/targets")


def test_one_id_twice_in_the_signatures_is_malformed(world: World) -> None:
    body = json.parse_object(world.image.files["timestamp.json"], 10**5)
    body["signatures"] = body["signatures"] * 2
    world.image.files["timestamp.json"] = json.dump(body)
    refused(world, "format", "image/timestamp")


def test_unsupported_keys_are_ignored_and_not_counted(world: World) -> None:
    image = world.image
    stranger = CryptoSigner.generate_ed25519()
    image.root.add_key(stranger.public_key, "timestamp")
    image.next_root()
    image.next_timestamp()
    assert world.run().outcome is not None
    image.signers["timestamp"] = [stranger]
    image.next_timestamp()
    refused(world, "arbitrary_software", "image/timestamp")


def test_verifier_that_always_refuses(world: World) -> None:
    def never(key: Key, signature: bytes, message: bytes) -> None:
        raise SignatureError("no")

    with pytest.raises(DamagedRoot):
        Check(DEVICE, world.stored, Time(NOW, 0, 0), never)


# Rollback, freeze, fast-forward, equivocation


@NAMES
@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_rollback_of_one_role(world: World, name: str, role: str) -> None:
    """The keys sign an older version of one file; the files around it fit."""
    repository = world.repository(name)
    world.run()
    getattr(repository, role).version -= 2
    if role == "timestamp":
        repository.publish_timestamp()
    elif role == "snapshot":
        repository.timestamp.version += 1
        repository.publish_snapshot()
    else:
        repository.snapshot.version += 1
        repository.timestamp.version += 1
        repository.publish()
    refused(world, "rollback", f"{name}/{role}")


@NAMES
def test_snapshot_drops_a_file(world: World, name: str) -> None:
    repository = world.repository(name)
    repository.snapshot.meta["other.json"] = meta_file(1, b"x")
    repository.next()
    world.run()
    del repository.snapshot.meta["other.json"]
    repository.next()
    refused(world, "rollback", f"{name}/snapshot")


@NAMES
def test_snapshot_names_an_older_file(world: World, name: str) -> None:
    repository = world.repository(name)
    repository.snapshot.meta["other.json"] = meta_file(5, b"x")
    repository.next()
    world.run()
    repository.snapshot.meta["other.json"] = meta_file(4, b"x")
    repository.next()
    refused(world, "rollback", f"{name}/snapshot")


@NAMES
def test_damaged_stored_timestamp_still_leaves_the_snapshot_binding(world: World, name: str) -> None:
    repository = world.repository(name)
    world.run()
    world.stored[name]["timestamp"] = b"damaged"
    repository.snapshot.version = 1
    repository.timestamp.version += 1
    repository.publish_snapshot()
    refused(world, "rollback", f"{name}/timestamp")


@NAMES
@pytest.mark.parametrize("role", ["root", "timestamp", "snapshot", "targets"])
def test_expired(world: World, name: str, role: str) -> None:
    repository = world.repository(name)
    getattr(repository, role).expires = moment(NOW)
    if role == "root":
        repository.next_root()
    if name == "director":
        world.issue(NOW - 86400)
    repository.next()
    refused(world, "freeze", f"{name}/{role}" if role != "root" else f"{name}/timestamp")


@NAMES
@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_fast_forward(world: World, name: str, role: str) -> None:
    repository = world.repository(name)
    getattr(repository, role).version += MAX_VERSION_STEP + 1
    repository.publish()
    refused(world, "fast_forward", f"{name}/{role}")


@NAMES
@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_equivocation(world: World, name: str, role: str) -> None:
    """The same version says something else than before."""
    repository = world.repository(name)
    world.run()
    signed = getattr(repository, role)
    signed.unrecognized_fields["x-else"] = 1
    if role != "timestamp":
        repository.timestamp.version += 1
    if role == "targets":
        repository.snapshot.version += 1
    repository.publish()
    refused(world, "equivocation", f"{name}/{role}")


@NAMES
def test_same_version_signed_anew_is_no_equivocation(world: World, name: str) -> None:
    world.run()
    world.repository(name).publish_timestamp()
    assert world.run().outcome is not None


# Mix and match


@NAMES
@pytest.mark.parametrize("role", ["snapshot", "targets"])
@pytest.mark.parametrize("hashed", [True, False])
def test_file_of_another_publication(world: World, name: str, role: str, hashed: bool) -> None:
    """A validly signed, newer file is served where an older one was announced, with and without announced hashes."""
    repository = world.repository(name)
    if not hashed:
        meta = repository.snapshot.meta["targets.json"]
        repository.snapshot.version += 1
        repository.timestamp.version += 1
        meta.hashes, meta.length = None, None
        repository.publish_snapshot()
        repository.timestamp.snapshot_meta.hashes = None
        repository.timestamp.snapshot_meta.length = None
        repository.publish_timestamp()
    signed = getattr(repository, role)
    path = f"{signed.version}.{role}.json"
    newer = copy.deepcopy(signed)
    newer.version += 1
    body = repository.sign(role, newer)
    if hashed:
        body = body[: len(repository.files[path])]
    repository.files[path] = body
    refused(world, "mix_and_match", f"{name}/{role}")


@NAMES
def test_hash_differs_at_equal_length(world: World, name: str) -> None:
    repository = world.repository(name)
    path = f"{repository.snapshot.version}.snapshot.json"
    body = repository.files[path]
    repository.files[path] = body[:-1] + b"\n"
    refused(world, "mix_and_match", f"{name}/snapshot")


@NAMES
def test_announced_length_beyond_every_limit(world: World, name: str) -> None:
    repository = world.repository(name)
    repository.timestamp.version += 1
    repository.timestamp.snapshot_meta.length = 10**9
    repository.publish_timestamp()
    refused(world, "endless_data", f"{name}/snapshot")


@NAMES
def test_without_lengths_and_hashes_versions_decide(world: World, name: str) -> None:
    repository = world.repository(name)
    repository.timestamp.snapshot_meta.hashes = None
    repository.timestamp.snapshot_meta.length = None
    repository.timestamp.version += 1
    repository.publish_timestamp()
    assert world.run().outcome is not None


@NAMES
def test_stored_file_with_another_hash_than_announced_is_fetched_again(world: World, name: str) -> None:
    world.run()
    repository = world.repository(name)
    repository.timestamp.version += 1
    repository.publish_snapshot()  # same version and content, fresh signature, so another hash
    world.run()
    assert f"{name}/{repository.snapshot.version}.snapshot.json" in world.asked


# Root rotation


def rotate(repository: Repository, role: str) -> CryptoSigner:
    """Replace one key of a role; the new root is signed by the old root's keys and its own."""
    before = list(repository.signers["root"])
    stolen = repository.replace_key(role)
    assert isinstance(stolen, CryptoSigner)
    repository.next_root(extra=tuple(signer for signer in before if signer not in repository.signers["root"]))
    return stolen


@NAMES
def test_root_chain_replaces_every_root_key(world: World, name: str) -> None:
    repository = world.repository(name)
    first = {signer.public_key.keyid for signer in repository.signers["root"]}
    for _ in range(5):
        rotate(repository, "root")
    assert first & {signer.public_key.keyid for signer in repository.signers["root"]} == set()
    assert world.run().outcome is not None
    assert world.events.count(f"{name}/root") == 5
    assert world.stored[name]["root"] == repository.files["6.root.json"]


@NAMES
@pytest.mark.parametrize("signed_by", ["old", "new", "nobody"])
def test_new_root_needs_both_thresholds(world: World, name: str, signed_by: str) -> None:
    repository = world.repository(name)
    old = list(repository.signers["root"])
    for _ in old:
        repository.replace_key("root")
    if signed_by != "new":
        repository.signers["root"] = old if signed_by == "old" else []
    repository.next_root()
    refused(world, "arbitrary_software", f"{name}/root")


@NAMES
@pytest.mark.parametrize(("version", "code"), [(1, "rollback"), (3, "fast_forward")])
def test_root_under_the_wrong_number(world: World, name: str, version: int, code: str) -> None:
    repository = world.repository(name)
    repository.root.version = version
    repository.publish_root()
    repository.files["2.root.json"] = repository.files[f"{version}.root.json"]
    refused(world, code, f"{name}/root")


@NAMES
def test_root_chain_is_bounded_and_goes_on_next_time(world: World, name: str) -> None:
    repository = world.repository(name)
    for _ in range(MAX_ROOT_ROTATIONS + 2):
        repository.next_root()
    world.run()
    assert world.stored[name]["root"] == repository.files[f"{MAX_ROOT_ROTATIONS + 1}.root.json"]
    assert world.run().outcome is not None
    assert world.stored[name]["root"] == repository.files[f"{MAX_ROOT_ROTATIONS + 3}.root.json"]


@NAMES
def test_intermediate_root_may_have_expired(world: World, name: str) -> None:
    repository = world.repository(name)
    good = repository.root.expires
    repository.root.expires = moment(NOW - 1)
    repository.next_root()
    repository.root.expires = good
    repository.next_root()
    assert world.run().outcome is not None


def test_expired_stored_director_root_is_no_excuse_for_a_short_answer(world: World) -> None:
    director = world.director
    world.assign(None)
    world.run()
    later = NOW + 86400 * 400
    for signed in (director.timestamp, director.snapshot, director.targets):
        signed.expires = moment(later + 86400)
    world.issue(NOW)
    director.next()
    with pytest.raises(Rejected) as caught:
        world.run(now=later)
    assert caught.value.code == "freeze"
    director.root.expires = moment(later + 86400)
    director.next_root()
    assert world.run(now=later).outcome is None


def test_idle_answer_needs_an_unexpired_root(world: World) -> None:
    """Everything but the root is fresh, and nothing is assigned: one request would do."""
    director = world.director
    later = NOW + 86400 * 400
    for signed in (director.timestamp, director.snapshot, director.targets):
        signed.expires = moment(later + 86400)
    world.assign(None)
    world.run()
    director.next_timestamp()
    with pytest.raises(Rejected) as caught:
        world.run(now=later)
    assert caught.value.code == "freeze"
    assert world.asked == ["director/timestamp.json", "director/2.root.json"]
    assert world.events == []


@NAMES
def test_expired_root_ends_the_check_before_another_file_is_asked_for(world: World, name: str) -> None:
    repository = world.repository(name)
    repository.root.expires = moment(NOW)
    repository.next_root()
    repository.next()
    refused(world, "freeze", f"{name}/timestamp")
    assert world.asked[-1] == f"{name}/3.root.json"


@NAMES
@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_revoked_key_is_named(world: World, name: str, role: str) -> None:
    """A revoked key signs on, beside a new root that revokes it."""
    repository = world.repository(name)
    stolen = rotate(repository, role)
    repository.signers[role] = [stolen]
    repository.next()
    refused(world, "revoked_key", f"{name}/missing")
    assert world.stored[name]["root"] == repository.files["2.root.json"]
    assert f"{name}/{role}" not in world.events


def test_key_that_returns_is_not_revoked(world: World) -> None:
    image = world.image
    old = rotate(image, "timestamp")
    image.root.add_key(old.public_key, "timestamp")
    image.next_root()
    image.signers["timestamp"] = [old]
    image.next()
    assert world.run().outcome is not None


@NAMES
@pytest.mark.parametrize("role", ["timestamp", "snapshot"])
def test_fast_forward_recovery(world: World, name: str, role: str) -> None:
    """A stolen key raised versions far; after a rotation of that key the honest, lower versions are taken again."""
    repository = world.repository(name)
    honest = copy.deepcopy((repository.timestamp, repository.snapshot, repository.targets))
    repository.timestamp.version += 1000
    repository.snapshot.version += 1000
    repository.publish()
    world.run()
    repository.timestamp, repository.snapshot, repository.targets = honest
    repository.timestamp.version += 1
    repository.publish()
    refused(world, "rollback", f"{name}/timestamp")
    rotate(repository, role)
    repository.publish()
    assert world.run().outcome is not None
    order = [event for event in world.events if event.startswith((name, "-" + name))]
    assert order[0] == f"{name}/root"
    assert sorted(order[1:4]) == [f"-{name}/snapshot", f"-{name}/targets", f"-{name}/timestamp"]


@NAMES
def test_rotation_of_other_keys_keeps_versions_binding(world: World, name: str) -> None:
    repository = world.repository(name)
    world.run()
    rotate(repository, "root")
    repository.timestamp.version -= 1
    repository.publish_timestamp()
    refused(world, "rollback", f"{name}/timestamp")


@NAMES
def test_renamed_key_is_no_rotation(world: World, name: str) -> None:
    """The same key under a new id deletes nothing."""
    repository = world.repository(name)
    world.run()
    signer = repository.signers["timestamp"][0]
    assert isinstance(signer, CryptoSigner)
    twin = copy.deepcopy(signer.public_key)
    twin.keyid = "renamed"
    repository.root.revoke_key(signer.public_key.keyid, "timestamp")
    repository.root.add_key(twin, "timestamp")
    repository.signers["timestamp"] = [CryptoSigner(signer._private_key, twin)]
    repository.next_root()
    repository.next_timestamp()
    assert world.run().outcome is not None
    assert f"{name}/root" in world.events
    assert f"-{name}/timestamp" not in world.events


def test_power_cut_anywhere_in_the_check_still_ends_with_the_release() -> None:
    """Store only the first N accepted files, then start again: always the same outcome."""
    for cut in range(15):
        world = World()
        world.offer(make_release("1.1.0"))
        world.run()
        rotate(world.image, "timestamp")
        rotate(world.director, "snapshot")
        offered = world.offer(make_release("1.2.0"))
        stored = copy.deepcopy(world.stored)
        check = world.check()
        accepted: list[tuple[str, bytes]] = []
        while (request := check.wants()) is not None:
            body = world.answer(request)
            if body is None:
                check.absent()
            else:
                check.feed(body)
            accepted.extend(check.accepted())
        assert len(accepted) == 14
        for path, kept in accepted[:cut]:
            name, role = path.split("/")
            stored[name][role] = kept
        world.stored = stored
        assert world.run().outcome == offered
