"""The search through delegations: order, limits, and every way a delegated role may be refused."""

import copy
import itertools
from collections.abc import Callable, Generator
from typing import Any, TypeVar

import pytest
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Key as TufKey
from tuf.api.metadata import TargetFile, Targets

from agent.core.trust import Request
from agent.core.trust_delegations import MAX_DEPTH, MAX_VISITS, find_target
from agent.core.trust_errors import TrustError
from agent.core.trust_repository import Repository as Trusted
from agent.formats import tuf
from agent.formats.errors import FormatError, Rejected, Unavailable
from tests.repositories import (
    NOW,
    Repository,
    World,
    make_release,
    meta_file,
    moment,
    slot_target,
    target_file,
    tree_target,
    verify_signature,
)

T = TypeVar("T")


class Client:
    """The agent's side of one repository: what is stored, what was asked for."""

    def __init__(self, repository: Repository) -> None:
        self.repository = repository
        self.stored: dict[str, bytes | None] = {"root": repository.files["1.root.json"]}
        self.asked: list[str] = []
        self.now = NOW

    def drive(self, steps: Generator[Request, bytes | None, T]) -> T:
        body: bytes | None = None
        while True:
            try:
                request = steps.send(body)
            except StopIteration as stop:
                found: T = stop.value
                return found
            self.asked.append(request.path)
            body = self.repository.files.get(request.path)
            assert body is None or len(body) <= request.max_bytes

    def find(self, *paths: str) -> list[tuf.Target | None]:
        """Refresh, then look these up, all in one session."""
        self.asked = []
        trusted = Trusted("image", self.stored, verify_signature, self.keep)
        self.drive(trusted.refresh_root(self.now))
        timestamp, body = self.drive(trusted.refresh_timestamp(self.now))
        trusted.keep_timestamp(timestamp, body)
        snapshot = self.drive(trusted.refresh_snapshot(timestamp, self.now))
        targets = self.drive(trusted.refresh_targets(snapshot, self.now))
        self.asked = []
        return [self.drive(find_target(trusted, path, targets, snapshot, self.now)) for path in paths]

    def finds(self, path: str) -> bytes | None:
        """Which content the description of a target is of (see `put`)."""
        found = self.find(path)[0]
        return None if found is None else bytes.fromhex(found.custom["content"])

    def keep(self, role: str, body: bytes) -> None:
        self.stored[role] = body

    def visited(self) -> list[str]:
        return [path.partition(".")[2].removesuffix(".json") for path in self.asked]


def put(targets: Targets, path: str, content: bytes = b"x") -> None:
    targets.targets[path] = target_file(path, content, {"content": content.hex()})


@pytest.fixture
def client() -> Client:
    repository = Repository((1, 1), (1, 1))
    repository.publish_root()
    return Client(repository)


def refused(client: Client, code: str, role: str = "a", path: str = "x") -> str:
    """The search ends with this error, and what is stored of the role stays."""
    before = client.stored.get(role)
    with pytest.raises((Rejected, Unavailable)) as caught:
        client.find(path)
    assert caught.value.code == code, caught.value
    assert client.stored.get(role) == before
    return str(caught.value)


# The search


Edge = tuple[str, str, dict[str, Any]]
GRAPHS: dict[str, tuple[list[Edge], list[str]]] = {
    "no delegations": ([], []),
    "one": ([("targets", "a", {})], ["a"]),
    "in order": ([("targets", "a", {}), ("targets", "b", {})], ["a", "b"]),
    "depth first": (
        [("targets", "a", {}), ("targets", "b", {}), ("a", "c", {}), ("c", "d", {}), ("a", "e", {})],
        ["a", "c", "d", "e", "b"],
    ),
    "terminating": (
        [("targets", "a", {"terminating": True}), ("targets", "b", {}), ("a", "c", {})],
        ["a", "c"],
    ),
    "terminating below ends what is above, too": (
        [("targets", "a", {}), ("targets", "b", {}), ("a", "c", {"terminating": True}), ("a", "d", {}), ("c", "e", {})],
        ["a", "c", "e"],
    ),
    "terminating for other paths": (
        [("targets", "a", {"terminating": True, "paths": ["y"]}), ("targets", "b", {})],
        ["b"],
    ),
    "terminating after others": (
        [("targets", "a", {}), ("targets", "b", {"terminating": True}), ("targets", "c", {})],
        ["a", "b"],
    ),
    "terminating at a role seen before still ends": (
        [("targets", "a", {}), ("targets", "b", {}), ("targets", "d", {}), ("b", "a", {"terminating": True})],
        ["a", "b"],
    ),
    "no path matches": ([("targets", "a", {"paths": ["y", "x/*", "x?"]}), ("a", "b", {})], []),
    "a chain needs every link": ([("targets", "a", {}), ("a", "b", {"paths": ["y"]}), ("b", "c", {})], ["a"]),
    "cycle": ([("targets", "a", {}), ("a", "b", {}), ("b", "a", {}), ("b", "b", {})], ["a", "b"]),
    "diamond": (
        [("targets", "a", {}), ("targets", "b", {}), ("a", "c", {}), ("b", "c", {}), ("c", "d", {})],
        ["a", "c", "d", "b"],
    ),
    "diamond, reached by the second way alone": (
        [("targets", "a", {}), ("targets", "b", {}), ("a", "c", {"paths": ["y"]}), ("b", "c", {})],
        ["a", "b", "c"],
    ),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_order_of_the_search(client: Client, name: str) -> None:
    edges, visited = GRAPHS[name]
    for parent, child, how in edges:
        client.repository.delegate(parent, child, **how)
    client.repository.publish()
    assert client.finds("x") is None
    assert client.visited() == visited


def test_a_role_must_satisfy_each_who_delegates_to_it(client: Client) -> None:
    """`a` comes first and has `c` say nothing; `b` wants `c` by other keys. What comes after must not speak then."""
    repository = client.repository
    repository.delegate("targets", "a")
    repository.delegate("targets", "b")
    repository.delegate("a", "c")
    repository.delegate("b", "c")
    put(repository.delegate("targets", "later"), "x")
    repository.publish()
    assert client.finds("x") == b"x"
    assert client.visited() == ["a", "c", "b", "later"]
    repository.signers["c"] = repository.signers["c"][:1]
    repository.delegated["c"].version += 1
    repository.next()
    with pytest.raises(TrustError) as caught:
        client.find("x")
    assert caught.value.code == "arbitrary_software"
    assert client.visited() == ["a", "c", "b", "c"]


def test_a_cycle_is_left_and_the_next_role_is_asked(client: Client) -> None:
    repository = client.repository
    for parent, child in (("targets", "a"), ("a", "a"), ("a", "b"), ("b", "a")):
        repository.delegate(parent, child)
    put(repository.delegate("targets", "later"), "x")
    repository.publish()
    assert client.finds("x") == b"x"
    assert client.visited() == ["a", "b", "later"]


def test_visits_are_counted_with_those_of_the_same_role(client: Client) -> None:
    """Two ways from each role to the next make 2**7 ways through seven: they are not all walked."""
    repository = client.repository
    pairs = [("targets",), *((f"l{level}", f"r{level}") for level in range(7))]
    for above, below in itertools.pairwise(pairs):
        for parent, child in itertools.product(above, below):
            repository.delegate(parent, child)
    put(repository.delegate("targets", "later"), "x")
    repository.publish()
    assert client.finds("x") is None
    assert "later" not in client.visited()


def test_the_first_who_has_it_is_believed(client: Client) -> None:
    repository = client.repository
    for index, name in enumerate(("a", "b", "c")):
        put(repository.delegate("targets", name), "x", bytes([index]))
    del repository.delegated["a"].targets["x"]
    repository.publish()
    assert client.finds("x") == b"\x01"
    assert client.visited() == ["a", "b"]


def test_the_top_role_comes_first(client: Client) -> None:
    put(client.repository.delegate("targets", "a", terminating=True), "x", b"delegated")
    put(client.repository.targets, "x", b"top")
    client.repository.publish()
    assert client.finds("x") == b"top"
    assert client.asked == []


def test_a_role_is_not_believed_outside_its_paths(client: Client) -> None:
    """A delegated role lists a target that it was never trusted for; so does its own delegate."""
    repository = client.repository
    put(repository.delegate("targets", "a", ["mine-*"]), "x", b"forged")
    put(repository.delegate("a", "b"), "x", b"forged")
    repository.publish()
    assert client.finds("x") is None
    assert client.asked == []
    assert client.finds("mine-1") is None
    assert client.visited() == ["a", "b"]


def test_prefixes_of_the_hash(client: Client) -> None:
    repository = client.repository
    put(repository.delegate("targets", "a", path_hash_prefixes=["2d71"]), "x")
    repository.publish()
    assert client.finds("x") == b"x"  # SHA-256 of "x" begins with 2d711642
    assert client.finds("y") is None
    assert client.asked == []


def test_bins(client: Client) -> None:
    repository = client.repository
    repository.delegate_bins("targets", 3)
    put(repository.delegated["bin-1"], "x")
    put(repository.delegated["bin-2"], "y", b"not its bin")
    repository.publish()
    assert client.finds("x") == b"x"
    assert client.visited() == ["bin-1"]
    assert client.finds("y") is None


def chain(repository: Repository, length: int) -> str:
    parent = "targets"
    for number in range(length):
        repository.delegate(parent, f"r{number}")
        parent = f"r{number}"
    put(repository.delegated[parent], "x")
    repository.publish()
    return parent


@pytest.mark.parametrize("more", [0, 1])
def test_depth_is_bounded(client: Client, more: int) -> None:
    chain(client.repository, MAX_DEPTH + more)
    assert client.finds("x") == (None if more else b"x")
    assert len(client.asked) == MAX_DEPTH


def test_who_comes_after_a_chain_that_is_too_deep_is_not_asked(client: Client) -> None:
    chain(client.repository, MAX_DEPTH + 1)
    put(client.repository.delegate("targets", "later"), "x", b"less trusted")
    client.repository.publish()
    assert client.finds("x") is None
    assert "later" not in client.visited()


@pytest.mark.parametrize("more", [0, 1])
def test_number_of_roles_is_bounded(client: Client, more: int) -> None:
    repository = client.repository
    for number in range(MAX_VISITS + more):
        repository.delegate("targets", f"r{number}")
    put(repository.delegated[f"r{MAX_VISITS - 1 + more}"], "x")
    repository.publish()
    assert client.finds("x") == (None if more else b"x")
    assert len(client.asked) == MAX_VISITS


@pytest.mark.parametrize("name", ["?", "#", "/a", "../a", "..", ".", "%2e%2e", "a b", "川", "Root", "1.root"])
def test_odd_names_stay_one_part_of_the_path(client: Client, name: str) -> None:
    put(client.repository.delegate("targets", name), "x")
    client.repository.publish()
    assert client.finds("x") == b"x"
    assert len(client.asked) == 1
    assert set("/?#\\ ").isdisjoint(client.asked[0])
    assert client.asked[0].startswith("1.")
    assert client.stored[name] == client.repository.files[client.asked[0]]


def test_without_consistent_snapshots_names_have_no_version(client: Client) -> None:
    repository = client.repository
    repository.root.consistent_snapshot = False
    repository.next_root()
    put(repository.delegate("targets", "a"), "x")
    repository.publish()
    assert "snapshot.json" in repository.files
    assert client.finds("x") == b"x"
    assert client.asked == ["a.json"]


def test_malformed_delegations_are_refused_even_beside_the_target(client: Client) -> None:
    put(client.repository.targets, "x")
    client.repository.targets.unrecognized_fields["delegations"] = {"keys": {}}
    client.repository.publish()
    refused(client, "format", "targets-stays-unused")


# Refusals


@pytest.fixture
def delegated(client: Client) -> Client:
    """A client that has seen version 1 of the delegated role `a`."""
    put(client.repository.delegate("targets", "a", keys=2), "x", b"1")
    client.repository.publish()
    assert client.finds("x") == b"1"
    return client


def next_version(client: Client, content: bytes = b"2") -> Targets:
    role = client.repository.delegated["a"]
    put(role, "x", content)
    role.version += 1
    return role


def publish(client: Client) -> None:
    client.repository.next()


def test_next_version(delegated: Client) -> None:
    next_version(delegated)
    publish(delegated)
    assert delegated.finds("x") == b"2"
    assert delegated.asked == ["2.a.json"]


def test_nothing_is_fetched_twice(delegated: Client) -> None:
    assert delegated.finds("x") == b"1"
    assert delegated.asked == []
    found = delegated.find("x", "y", "x")
    assert found[0] == found[2] is not None
    assert delegated.asked == []


@pytest.mark.parametrize("signers", [0, 1])
def test_too_few_signatures(delegated: Client, signers: int) -> None:
    next_version(delegated)
    delegated.repository.signers["a"] = delegated.repository.signers["a"][:signers]
    publish(delegated)
    assert f"{signers} of 2" in refused(delegated, "arbitrary_software")


def test_signed_by_keys_of_the_roles_above(delegated: Client) -> None:
    next_version(delegated)
    repository = delegated.repository
    repository.signers["a"] = [repository.signers[role][0] for role in ("root", "targets", "snapshot", "timestamp")]
    publish(delegated)
    refused(delegated, "arbitrary_software")


def test_one_key_under_two_ids_counts_once(delegated: Client) -> None:
    repository = delegated.repository
    first = repository.signers["a"][0]
    assert isinstance(first, CryptoSigner)
    twin = copy.deepcopy(first.public_key)
    twin.keyid = "another-id"
    repository.targets.add_key(twin, "a")
    repository.targets.version += 1
    repository.signers["a"] = [first, CryptoSigner(first._private_key, twin)]
    next_version(delegated)
    publish(delegated)
    assert "1 of 2" in refused(delegated, "arbitrary_software")


def test_key_that_the_delegator_no_longer_trusts(delegated: Client) -> None:
    repository = delegated.repository
    repository.targets.revoke_key(repository.signers["a"][0].public_key.keyid, "a")
    repository.targets.add_key(CryptoSigner.generate_ecdsa().public_key, "a")
    publish(delegated)
    refused(delegated, "arbitrary_software")


def test_stored_file_that_its_delegator_no_longer_trusts_binds_nobody(delegated: Client) -> None:
    """After a revocation the role starts again at a lower version, the snapshot's keys having changed as well."""
    repository = delegated.repository
    next_version(delegated)
    publish(delegated)
    assert delegated.finds("x") == b"2"
    for signer in list(repository.signers["a"]):
        repository.targets.revoke_key(signer.public_key.keyid, "a")
    repository.signers["a"] = [CryptoSigner.generate_ecdsa() for _ in range(2)]
    for signer in repository.signers["a"]:
        repository.targets.add_key(signer.public_key, "a")
    repository.replace_key("snapshot")
    repository.next_root()
    put(repository.delegated["a"], "x", b"3")
    repository.delegated["a"].version = 1
    publish(delegated)
    assert delegated.finds("x") == b"3"


def test_keys_of_one_delegator_mean_nothing_to_another(client: Client) -> None:
    """Two roles delegate to `c` with one key id for different keys; each is held to its own."""
    repository = client.repository
    for parent in ("a", "b"):
        repository.delegate("targets", parent, [f"{parent}-*"])
        repository.delegate(parent, "c", [f"{parent}-*"])
        put(repository.delegated["c"], f"{parent}-x")
    first, second = repository.signers["c"]
    rename(repository.delegated["a"], first.public_key)
    rename(repository.delegated["b"], second.public_key)
    assert isinstance(first, CryptoSigner)
    assert isinstance(second, CryptoSigner)
    repository.signers["c"] = [CryptoSigner(first._private_key, named(first.public_key))]
    repository.publish()
    assert client.finds("a-x") == b"x"
    assert client.visited() == ["a", "c"]
    # `c` is stored now, verified for `a`; for `b` it is signed by a stranger.
    kept = client.stored["c"]
    with pytest.raises(TrustError) as caught:
        client.find("b-x")
    assert caught.value.code == "arbitrary_software"
    assert client.stored["c"] == kept


def named(key: TufKey) -> TufKey:
    twin = copy.deepcopy(key)
    twin.keyid = "shared-id"
    return twin


def rename(delegator: Targets, key: TufKey) -> None:
    delegator.revoke_key(key.keyid, "c")
    delegator.add_key(named(key), "c")


def older(role: Targets) -> None:
    role.version = 1


def test_rollback_behind_the_snapshots_back(delegated: Client) -> None:
    """The snapshot names an older version of the role than it did before."""
    next_version(delegated)
    publish(delegated)
    assert delegated.finds("x") == b"2"
    delegated.repository.delegated["a"].version = 1
    publish(delegated)
    refused(delegated, "rollback")


def test_role_that_the_snapshot_drops(delegated: Client) -> None:
    del delegated.repository.snapshot.meta["a.json"]
    delegated.repository.snapshot.version += 1
    delegated.repository.timestamp.version += 1
    delegated.repository.publish_snapshot()
    refused(delegated, "rollback")


def test_damaged_snapshot_leaves_the_stored_role_binding(delegated: Client) -> None:
    next_version(delegated)
    publish(delegated)
    delegated.find("x")
    for role in ("snapshot", "timestamp"):
        delegated.stored[role] = b"damaged"
    delegated.repository.delegated["a"].version = 1
    publish(delegated)
    refused(delegated, "rollback")


def test_same_version_with_other_content(delegated: Client) -> None:
    put(delegated.repository.delegated["a"], "x", b"else")
    publish(delegated)
    refused(delegated, "equivocation")


def test_fast_forward(delegated: Client) -> None:
    next_version(delegated).version += 2**24
    publish(delegated)
    refused(delegated, "fast_forward")


def test_expired(delegated: Client) -> None:
    next_version(delegated).expires = moment(NOW)
    publish(delegated)
    refused(delegated, "freeze")


def test_expired_stored_file_gives_way(delegated: Client) -> None:
    later = NOW + 86400 * 400
    for signed in (delegated.repository.root, delegated.repository.targets, delegated.repository.snapshot):
        signed.expires = moment(later + 1)
    delegated.repository.timestamp.expires = moment(later + 1)
    delegated.repository.next_root()
    publish(delegated)
    delegated.now = later
    refused(delegated, "freeze")
    next_version(delegated).expires = moment(later + 1)
    publish(delegated)
    assert delegated.finds("x") == b"2"


@pytest.mark.parametrize("stored", [b"", b"{}", b"junk", None])
def test_damaged_stored_file_is_fetched_again(delegated: Client, stored: bytes | None) -> None:
    delegated.stored["a"] = stored
    assert delegated.finds("x") == b"1"
    assert delegated.asked == ["1.a.json"]


def test_stored_file_of_another_role_is_not_taken(delegated: Client) -> None:
    """Somebody with access to the disk puts one role's file in the place of another's."""
    repository = delegated.repository
    put(repository.delegate("targets", "b", terminating=True), "y", b"b's")
    repository.targets.version += 1
    publish(delegated)
    delegated.find("y")
    delegated.stored["a"] = delegated.stored["b"]
    assert delegated.finds("x") == b"1"
    assert delegated.asked == ["1.a.json"]


def test_role_that_the_snapshot_does_not_name(client: Client) -> None:
    put(client.repository.delegate("targets", "a"), "x")
    put(client.repository.delegate("targets", "b"), "x")
    client.repository.publish()
    del client.repository.snapshot.meta["a.json"]
    client.repository.publish_snapshot()
    refused(client, "mix_and_match")
    assert client.asked == []


def test_role_that_is_withheld(client: Client) -> None:
    """The less trusted role that also has the target is not asked instead."""
    put(client.repository.delegate("targets", "a"), "x", b"withheld")
    put(client.repository.delegate("targets", "b"), "x", b"less trusted")
    client.repository.publish()
    del client.repository.files["1.a.json"]
    refused(client, "unavailable")
    assert client.visited() == ["a"]


def without_hashes(client: Client) -> None:
    repository = client.repository
    for meta in repository.snapshot.meta.values():
        meta.length, meta.hashes = None, None
    repository.publish_snapshot()


def test_version_other_than_announced(client: Client) -> None:
    role = client.repository.delegate("targets", "a")
    client.repository.publish()
    without_hashes(client)
    role.version += 1
    client.repository.files["1.a.json"] = client.repository.sign("a", role)
    refused(client, "mix_and_match")


def test_file_other_than_announced(client: Client) -> None:
    client.repository.delegate("targets", "a")
    client.repository.publish()
    client.repository.files["1.a.json"] = client.repository.files["1.a.json"][:-1] + b"\n"
    refused(client, "mix_and_match")


def test_file_longer_than_every_limit(client: Client) -> None:
    client.repository.delegate("targets", "a")
    client.repository.publish()
    client.repository.snapshot.meta["a.json"].length = 10**9
    client.repository.publish_snapshot()
    refused(client, "endless_data")


@pytest.mark.parametrize("kind", ["snapshot", "timestamp", "root"])
def test_file_of_another_kind(client: Client, kind: str) -> None:
    """A delegated role's key signs another kind of file."""
    repository = client.repository
    repository.delegate("targets", "a")
    repository.publish()
    body = repository.sign("a", getattr(repository, kind))
    repository.files["1.a.json"] = body
    repository.snapshot.meta["a.json"] = meta_file(1, body)
    repository.publish_snapshot()
    refused(client, "format")


def test_delegated_file_in_the_place_of_the_top_one(client: Client) -> None:
    """The keys of a delegated role do not sign the top role, though both are targets files."""
    repository = client.repository
    role = repository.delegate("targets", "a")
    put(role, "x")
    repository.publish()
    assert client.finds("x") == b"x"
    role.version = repository.targets.version = 2
    body = repository.sign("a", role)
    repository.files["2.targets.json"] = body
    repository.snapshot.meta["targets.json"] = meta_file(2, body)
    repository.snapshot.version += 1
    repository.timestamp.version += 1
    repository.publish_snapshot()
    refused(client, "arbitrary_software", "targets")


# In the device's check


@pytest.fixture
def world() -> World:
    """The image repository's release and its tree come from a delegated role."""
    world = World()
    made = make_release()
    role = world.image.delegate("targets", "a", ["kawa-*"])
    role.targets[made.target] = slot_target(made)
    role.targets[made.tree_name] = tree_target(made)
    world.image.next()
    world.assign(made)
    return world


def test_the_device_installs_what_a_delegated_role_vouches_for(world: World) -> None:
    assert world.run().outcome == make_release()
    assert world.asked[-1] == "image/1.a.json"
    assert world.asked.count("image/1.a.json") == 1
    assert set(world.stored["image"]) == {"root", "timestamp", "snapshot", "targets"}


Change = Callable[[Repository, Targets], object]
CHANGES: dict[str, tuple[Change, str]] = {
    "not its path": (lambda image, _: image.delegate("targets", "a", ["kawa-2*"]), "arbitrary_software"),
    "another hash": (lambda _, role: rehash(role.targets["kawa-1-1.1.0.slot"]), "wrong_target"),
    "another tree": (lambda _, role: rehash(role.targets["kawa-1-1.1.0.tree"]), "wrong_target"),
    "no tree": (lambda _, role: role.targets.pop("kawa-1-1.1.0.tree"), "wrong_target"),
    "no signature": (lambda image, _: image.signers["a"].clear(), "arbitrary_software"),
}


def rehash(target: TargetFile) -> None:
    target.hashes["sha256"] = "0" * 64


@pytest.mark.parametrize("name", CHANGES)
def test_the_device_refuses(world: World, name: str) -> None:
    change, code = CHANGES[name]
    change(world.image, world.image.delegated["a"])
    world.image.delegated["a"].version += 1
    world.image.next()
    with pytest.raises(Rejected) as caught:
        world.run()
    assert caught.value.code == code


def test_the_search_of_a_malformed_file_is_refused(world: World) -> None:
    world.image.delegated["a"].unrecognized_fields["delegations"] = []
    world.image.delegated["a"].version += 1
    world.image.next()
    with pytest.raises(FormatError):
        world.run()
