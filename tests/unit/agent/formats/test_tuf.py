"""TUF metadata and release manifests: what is read, and that nothing but FormatError comes out of anything else."""

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from securesystemslib.signer import CryptoSigner

from agent.formats import json, release, tuf
from agent.formats.errors import FormatError
from tests.repositories import World, make_release, slot_target

WORLD = World()
WORLD.offer(make_release())
ROOT = WORLD.image.files["1.root.json"]
BODIES = {
    "root": ROOT,
    "timestamp": WORLD.image.files["timestamp.json"],
    "snapshot": WORLD.image.files["2.snapshot.json"],
    "targets": WORLD.image.files["2.targets.json"],
}
PATHS = sorted(BODIES)


def read_all(body: bytes, role: str) -> None:
    """Everything that the verifier reads of a file."""
    if role == "root":
        tuf.parse_root(body, 10**6)
        return
    metadata = tuf.parse(body, role, 10**6)
    if role == "timestamp":
        tuf.snapshot_meta(metadata)
    elif role == "snapshot":
        tuf.targets_metas(metadata)
    else:
        tuf.has_delegations(metadata)
        for path in tuf.targets_files(metadata):
            target = tuf.target_file(metadata, path)
            if target is not None and target.custom:
                release.parse(target)


def change(body: bytes, path: str, value: Any) -> bytes:
    """The file with one member replaced (or removed, for None); the path is dotted below `signed`."""
    source = json.parse_object(body, 10**6)
    at: Any = source if path.startswith("signatures") else source["signed"]
    *way, last = path.split("/")
    for step in way:
        at = at[int(step)] if isinstance(at, list) else at[step]
    if value is None:
        del at[last]
    else:
        at[int(last) if isinstance(at, list) else last] = value
    return json.dump(source)


@pytest.mark.parametrize("role", PATHS)
def test_what_python_tuf_writes_is_read(role: str) -> None:
    read_all(BODIES[role], role)


def test_values() -> None:
    root = tuf.parse_root(ROOT, 10**6)
    assert root.roles["root"].threshold == 3
    assert len(root.roles["root"].keyids) == 5
    assert all(len(key.identity) == 65 for key in root.keys.values())
    targets = tuf.parse(BODIES["targets"], "targets", 10**6)
    target = tuf.target_file(targets, "kawa-1-1.1.0.slot")
    assert target is not None
    assert release.parse(target) == make_release()
    assert tuf.target_file(targets, "other") is None


@pytest.mark.parametrize(
    ("role", "path", "value"),
    [
        (role, path, value)
        for role in PATHS
        for path, value in (
            ("_type", "mirrors"),
            ("_type", None),
            ("spec_version", "2.0.0"),
            ("spec_version", "1"),
            ("spec_version", 1),
            ("version", 0),
            ("version", 2**31),
            ("version", True),
            ("version", "1"),
            ("version", None),
            ("expires", "2030-01-01"),
            ("expires", None),
            ("signatures", None),
            ("signatures", {}),
            ("signatures/0", []),
            ("signatures/0/keyid", None),
            ("signatures/0/sig", 5),
        )
    ]
    + [
        ("root", "consistent_snapshot", 1),
        ("root", "consistent_snapshot", "true"),
        ("root", "keys", []),
        ("root", "roles/timestamp", None),
        ("root", "roles/timestamp/threshold", 0),
        ("root", "roles/timestamp/threshold", -1),
        ("root", "roles/timestamp/threshold", 33),
        ("root", "keys/X", []),
        ("root", "keys/X", {"keytype": "ecdsa", "scheme": "ecdsa-sha2-nistp256"}),
        ("root", "keys/X", {"keytype": "ecdsa", "scheme": "ecdsa-sha2-nistp256", "keyval": "x"}),
        ("root", "keys/X", {"keytype": "ecdsa", "scheme": 1, "keyval": {}}),
        ("root", "keys/X", {"scheme": "ecdsa-sha2-nistp256", "keyval": {}}),
        ("root", "roles/timestamp/keyids", [1]),
        ("root", "roles/timestamp/keyids", None),
        ("timestamp", "meta", {}),
        ("timestamp", "meta", {"snapshot.json": {"version": 1}, "other.json": {"version": 1}}),
        ("timestamp", "meta", {"targets.json": {"version": 1}}),
        ("timestamp", "meta", {"snapshot.json": {"version": 0}}),
        ("timestamp", "meta", {"snapshot.json": {"version": 1, "length": -1}}),
        ("timestamp", "meta", {"snapshot.json": {"version": 1, "hashes": {"sha512": "00"}}}),
        ("snapshot", "meta", {}),
        ("snapshot", "meta", {"targets.json": 1}),
        ("snapshot", "meta", {"targets.json": {"version": 1}} | {str(n): {"version": 1} for n in range(1024)}),
        ("targets", "targets", []),
        ("targets", "targets", {"x" * 1025: {"length": 1, "hashes": {"sha256": "0" * 64}}}),
        ("targets", "targets", {"x": {"length": 1, "hashes": {"sha512": 0}}}),
        ("targets", "targets", {"x": {"length": 1, "hashes": []}}),
        ("targets", "targets", {"x": {"hashes": {"sha256": "0" * 64}}}),
        ("targets", "targets", {"x": {"length": 1, "hashes": {"sha256": "A" * 64}}}),
        ("targets", "targets", {"x": {"length": 1, "hashes": {"sha256": "0" * 64}, "custom": []}}),
        ("targets", "delegations", []),
    ],
)
def test_malformed(role: str, path: str, value: Any) -> None:
    with pytest.raises(FormatError):
        read_all(change(BODIES[role], path, value), role)


@pytest.mark.parametrize(("member", "value"), [(None, False), (False, False), (True, True)])
def test_consistent_snapshot_may_be_off_or_absent(member: bool | None, value: bool) -> None:
    root = tuf.parse_root(change(ROOT, "consistent_snapshot", member), 10**6)
    assert root.consistent_snapshot is value


def test_a_keyid_without_a_key_is_kept() -> None:
    root = tuf.parse_root(change(ROOT, "roles/timestamp/keyids", ["unknown"]), 10**6)
    assert root.roles["timestamp"].keyids == ("unknown",)


@pytest.mark.parametrize("keyval", [{}, {"public": 1}, {"public": "x" * 8193}, {"identity": "x", "issuer": "y"}])
def test_a_key_of_an_unknown_kind_may_hold_anything(keyval: dict[str, Any]) -> None:
    key = {"keytype": "novel", "scheme": "novel", "keyval": keyval}
    root = tuf.parse_root(change(ROOT, "keys/X", key), 10**6)
    assert root.keys["X"] == tuf.Key("X", "novel", "", b"")


def test_target_paths_are_free_text_and_hashes_of_other_kinds_are_kept() -> None:
    entry = {"length": 1, "hashes": {"sha512": "ab", "novel": ""}}
    targets = tuf.parse(change(BODIES["targets"], "targets", {"../a b/ü": entry}), "targets", 10**6)
    assert tuf.target_file(targets, "../a b/ü") == tuf.Target("../a b/ü", 1, "", {}, {"sha512": "ab", "novel": ""})


def test_a_keyid_twice_in_a_role() -> None:
    keyid = tuf.parse_root(ROOT, 10**6).roles["timestamp"].keyids[0]
    with pytest.raises(FormatError, match="repeats"):
        tuf.parse_root(change(ROOT, "roles/timestamp/keyids", [keyid, keyid]), 10**6)


def test_too_many_keys_and_signatures() -> None:
    root = json.parse_object(ROOT, 10**6)
    some = next(iter(root["signed"]["keys"].values()))
    keys = dict(root["signed"]["keys"]) | {str(n): some for n in range(tuf.MAX_KEYS)}
    with pytest.raises(FormatError, match="keys"):
        tuf.parse_root(change(ROOT, "keys", keys), 10**6)
    many = [{"keyid": str(n), "sig": ""} for n in range(tuf.MAX_SIGNATURES + 1)]
    with pytest.raises(FormatError, match="signatures"):
        tuf.parse(change(BODIES["timestamp"], "signatures", many), "timestamp", 10**6)


@pytest.mark.parametrize("sig", ["", "0", "zz", "AA", "00" * 1025])
def test_signatures_of_other_shapes_are_empty(sig: str) -> None:
    body = change(BODIES["timestamp"], "signatures/0/sig", sig)
    assert tuf.parse(body, "timestamp", 10**6).signatures[0].signature == b""


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("keytype", "ed25519"),
        ("scheme", "ecdsa-sha2-nistp384"),
        ("keyval", {"public": "00"}),
        ("keyval", {"public": CryptoSigner.generate_rsa().public_key.keyval["public"]}),
    ],
)
def test_other_keys_are_unsupported(member: str, value: Any) -> None:
    keyid = tuf.parse_root(ROOT, 10**6).roles["timestamp"].keyids[0]
    root = tuf.parse_root(change(ROOT, f"keys/{keyid}/{member}", value), 10**6)
    assert root.keys[keyid].identity == b""


PEM = next(iter(tuf.parse_root(ROOT, 10**6).keys.values())).public


@pytest.mark.parametrize(
    "pem",
    [
        "",
        PEM.replace("PUBLIC", "SECRET"),
        PEM.replace("-----END PUBLIC KEY-----", ""),
        PEM.replace("MFkw", "MFkx"),
        PEM.replace("\n", "!\n"),
        PEM[:60] + "\n-----END PUBLIC KEY-----\n",
    ],
)
def test_pem_that_is_no_p256_key(pem: str) -> None:
    with pytest.raises(FormatError):
        tuf.point_from_pem(pem)


def test_unknown_members_stay_in_the_signed_message() -> None:
    body = change(BODIES["timestamp"], "x-novel", [1, {"b": None}])
    assert b'"x-novel":[1,{"b":null}]' in tuf.parse(body, "timestamp", 10**6).message


@settings(max_examples=300)
@given(st.sampled_from(PATHS), st.data())
def test_damaged_files_only_format_errors(role: str, data: st.DataObject) -> None:
    body = bytearray(BODIES[role])
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(body) - 1))
        piece = data.draw(st.binary(max_size=3) | st.sampled_from([b"{}", b"[]", b"null", b"-1", b'""', b"1"]))
        body[at : at + data.draw(st.integers(0, 8))] = piece
    with contextlib.suppress(FormatError):
        read_all(bytes(body), role)


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [at]
    if isinstance(value, dict):
        for key in value:
            found.extend(places(value[key], (*at, key)))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            found.extend(places(item, (*at, index)))
    return found


ODD: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, 0, -1, 2**53 - 1, "", "x", "..", [], {}, [[]], {"": None}, ["a", "a"], "0" * 64]
)


@settings(max_examples=400)
@given(st.sampled_from(PATHS), ODD, st.data())
def test_odd_values_anywhere_only_format_errors(role: str, odd: Any, data: st.DataObject) -> None:
    source = json.parse_object(BODIES[role], 10**6)
    way = data.draw(st.sampled_from(places(source)[1:]))
    at = source
    for step in way[:-1]:
        at = at[step]
    at[way[-1]] = odd
    with contextlib.suppress(FormatError):
        read_all(json.dump(source), role)


def manifest(**changes: Any) -> dict[str, Any]:
    custom = release.custom(make_release())
    custom["camward"].update(changes)
    return custom


SLOT = release.custom(make_release())["camward"]["components"][0]
EDITS: list[Callable[[], dict[str, Any]]] = [
    lambda: {},
    lambda: manifest(v=2),
    lambda: manifest(v=True),
    lambda: manifest(model="a/b"),
    lambda: manifest(hardware=[]),
    lambda: manifest(hardware=["a"] * 33),
    lambda: manifest(hardware="a"),
    lambda: manifest(version="1.1"),
    lambda: manifest(version="01.1.0"),
    lambda: manifest(version="1.1.0-rc1"),
    lambda: manifest(version="1.1.1000000"),
    lambda: manifest(security_epoch=-1),
    lambda: manifest(security_epoch=2**16),
    lambda: manifest(severity="grave"),
    lambda: manifest(support_ends="2031-02-30"),
    lambda: manifest(notes={"en": ""}),
    lambda: manifest(components=[]),
    lambda: manifest(components=[1]),
    lambda: manifest(components=[{"name": "bootloader", "fixed": True}, SLOT]),
    lambda: manifest(components=[SLOT, {"name": "bootloader", "fixed": False}]),
    lambda: manifest(components=[SLOT, {"name": "bootloader"}]),
    lambda: manifest(components=[SLOT | {"block_bytes": 512}]),
    lambda: manifest(components=[SLOT | {"block_count": 4}]),
    lambda: manifest(components=[SLOT | {"block_count": 0}]),
    lambda: manifest(components=[SLOT | {"tree_root": "00"}]),
    lambda: manifest(components=[SLOT | {"tree": SLOT["tree"] | {"length": 95}}]),
    lambda: manifest(components=[SLOT | {"tree": SLOT["tree"] | {"name": "../tree"}}]),
]


@pytest.mark.parametrize("edit", EDITS)
def test_malformed_manifests(edit: Callable[[], dict[str, Any]]) -> None:
    made = make_release()
    with pytest.raises(FormatError):
        release.parse(tuf.Target(made.target, made.length_bytes, made.sha256, edit()))


def test_unknown_members_of_a_manifest_are_ignored() -> None:
    made = make_release()
    assert release.parse(tuf.Target(made.target, made.length_bytes, made.sha256, manifest(novel=1))) == made


def test_manifest_survives_python_tuf() -> None:
    target = slot_target(make_release())
    assert target.custom == release.custom(make_release())


VERSIONS = st.tuples(*[st.integers(0, release.MAX_VERSION_PART)] * 3)


@given(VERSIONS, VERSIONS)
def test_versions_are_ordered_as_numbers(one: tuple[int, int, int], two: tuple[int, int, int]) -> None:
    first, second = (release.version_key(".".join(map(str, parts))) for parts in (one, two))
    assert (first < second) == (one < two)


@given(st.text(max_size=12))
def test_other_versions(text: str) -> None:
    with contextlib.suppress(FormatError):
        assert ".".join(map(str, release.version_key(text))) == text
