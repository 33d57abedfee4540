"""The ceremony file: what a signer sees, what is refused before anybody signs, and copies that are put together."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tuf.api.metadata import TargetFile

from tests.unit.server.conftest import NOW
from tests.unit.server.keyroom import Room, build
from tests.unit.server.test_repository import TREE, target
from update_server.errors import BadInput
from update_server.repository import ceremony, ceremony_checks, metadata, summary

YEAR_S = 365 * 86_400


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    root = tmp_path_factory.mktemp("room") / "made"
    root.mkdir()
    build(root)
    return Room(root)


@pytest.fixture(scope="module")
def next_root(room):
    return room.prepare(
        "image", remove=[("targets", "image-targets-1")], add=[("targets", room.new_key("t4").public_key)]
    )


@pytest.fixture(scope="module")
def next_list(room):
    return room.custody.prepare_targets(target() | TREE, NOW)


def changed(made, change):
    """The file with `change` made to its JSON, as a liar would."""
    value = json.loads(made.encode())
    change(value)
    return ceremony.parse(json.dumps(value).encode(), "it")


def test_the_file_says_in_words_what_would_change(room, next_root, next_list):
    text = "\n".join(summary.lines(next_root))
    first = ceremony_checks.fingerprint(room.image.root(1))
    for line in (
        f"root 1, SHA-256 {first}", "root (offline): 3 of 5 must sign", "NEW    t4 (", "GONE   image-targets-1 (",
        "2 of 3 must sign", "0 of 3 signatures by the root keys of root 1: 3 missing", "list of releases 2",
    ):  # fmt: skip
        assert line in text
    text = "\n".join(summary.lines(next_list))
    assert "NEW     k.slot, 4096 bytes, SHA-256 " + "2" * 64 + "; model kawa-1, version 1.1.0, severity low" in text
    assert "NEW     k.tree" in text
    assert "GONE" not in text


def test_names_cannot_steer_a_terminal(next_root):
    def change(value):
        for key in value["new_root"]["signed"]["keys"].values():
            key["x-camward-name"] = "\x1b[2Jaiko\u202e"

    assert all(line.isprintable() for line in summary.lines(changed(next_root, change)))


def sets(path, value):
    *names, last = path.split("/")

    def change(file):
        for name in names:
            file = file[name]
        file[last] = value(file[last]) if callable(value) else value

    return change


ROOT, LIST = "new_root/signed/", "new_targets/signed/"


def test_another_key_under_the_id_of_one_that_stays_is_refused(room):
    """The summary tells keys apart by their ids: here it would say that nothing changes."""
    renewal = room.prepare("image")
    thief = room.new_key("thief").public_key.keyval["public"]

    def hide(value):
        signed = value["new_root"]["signed"]
        signed["keys"][signed["roles"]["targets"]["keyids"][0]]["keyval"]["public"] = thief

    lied = changed(renewal, hide)
    assert "No key and no threshold changes" in "\n".join(summary.lines(lied))
    with pytest.raises(BadInput, match="is not the one that this id stands for"):
        ceremony_checks.check(lied, NOW)


@pytest.mark.parametrize("role", ["root", "targets", "snapshot", "timestamp"])
def test_a_role_that_names_a_key_that_is_not_there_makes_no_ceremony_file(next_root, role):
    def drop(value):
        signed = value["new_root"]["signed"]
        del signed["keys"][signed["roles"][role]["keyids"][0]]

    with pytest.raises(BadInput, match="no ceremony file"):
        changed(next_root, drop)


def test_what_has_no_canonical_form_is_no_ceremony_file(next_root):
    with pytest.raises(BadInput, match="no ceremony file"):
        changed(next_root, sets(ROOT + "x-other", 1.5))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (sets(ROOT + "version", 3), "does not follow"),
        (sets(ROOT + "version", 1), "does not follow"),
        (sets(ROOT + "expires", metadata.iso(NOW - 1)), "past, or too far"),
        (sets(ROOT + "expires", metadata.iso(NOW + 30 * YEAR_S)), "past, or too far"),
        (sets(ROOT + "x-camward-issued-at", metadata.iso(NOW + 2 * 86_400)), "in the future"),
        (sets(ROOT + "x-camward-issued-at", metadata.iso(NOW - 1)), "before the root that it follows"),
        (sets(ROOT + "x-camward-issued-at", 7), "must not be signed"),
        (sets(ROOT + "consistent_snapshot", False), "consistent snapshots"),
        (sets(ROOT + "roles/root/threshold", 1), "1 of 5"),
        (sets(ROOT + "roles/targets/threshold", 3), "3 of 3"),
        (sets(ROOT + "roles/timestamp/threshold", 2), "has 1 keys"),
        (
            sets(ROOT + "keys", lambda keys: {k: {**v, "scheme": "ecdsa-sha2-nistp384"} for k, v in keys.items()}),
            "P-256",
        ),
        (sets("published_roots", []), "does not follow"),
        (sets("published_roots", lambda roots: roots * 2), "not numbered|rollback|must not be signed"),
        (sets("published_targets", lambda text: text.replace('"version":1', '"version":7')), "not genuine|must not be"),
        (sets("new_targets", None), "would not be trusted under the new root"),
        (sets(LIST + "version", 5), "does not follow list 1"),
        (sets(LIST + "delegations", {"keys": {}, "roles": []}), "delegates"),
        (sets(LIST + "expires", metadata.iso(NOW + 9 * YEAR_S)), "past, or too far"),
        (sets("repository", "director"), "no list of releases|must not be signed"),
    ],
)
def test_what_must_not_be_signed_is_refused_before_anybody_signs(next_root, change, says):
    ceremony_checks.check(next_root, NOW)
    with pytest.raises(BadInput, match=says):
        ceremony_checks.check(changed(next_root, change), NOW)


def test_a_release_that_cameras_cannot_read_is_not_signed(room):
    for files, says in ((target(), "block tree of k.slot is missing"), (target(v=2) | TREE, "must not be signed")):
        with pytest.raises(BadInput, match=says):
            room.custody.prepare_targets(files, NOW)


def test_a_chain_that_does_not_go_through_the_kept_root_is_refused(room, next_root, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    build(other)
    ceremony_checks.check_descends(next_root, room.image.root(1))
    for kept, says in (
        (Room(other).image.root(1), "does not descend from your root 1"),
        (room.director.root(1), "does not descend"),
        (b"{}", "cannot be compared"),
    ):
        with pytest.raises(BadInput, match=says):
            ceremony_checks.check_descends(next_root, kept)


def test_copies_signed_apart_are_put_together(room, next_root):
    copies = [ceremony.parse(next_root.encode(), "it") for _ in range(3)]
    for copy, signer in zip(copies, room.offline("image", "root", 1, 2, 3), strict=True):
        assert ceremony.sign(copy, signer) == ["image root 2"]
    merged = ceremony.merge(copies, lambda number: f"copy {number}")
    root, releases = merged.documents()
    assert root.complete()
    assert not releases.complete()
    assert not copies[0].documents()[0].complete()


def test_one_key_counts_once(room, next_root):
    copies = [ceremony.parse(next_root.encode(), "it") for _ in range(3)]
    for copy in copies:
        ceremony.sign(copy, room.offline("image", "root", 1)[0])
    merged = ceremony.merge(copies, str)
    assert [len(merged.documents()[0].have(share)) for share in merged.documents()[0].shares] == [1, 1]


def test_what_are_no_copies_of_one_ceremony_is_not_mixed(room, next_root, next_list):
    for other in (next_list, room.prepare("director"), room.prepare("image", NOW + 1)):
        with pytest.raises(BadInput, match="not copies of one"):
            ceremony.merge([next_root, other], str)


def test_a_false_signature_is_named_and_a_strangers_is_dropped(room, next_root):
    copy = ceremony.parse(next_root.encode(), "it")
    ceremony.sign(copy, room.offline("image", "root", 1)[0])

    def spoil(value):
        signature = value["new_root"]["signatures"][0]
        signature["sig"] = signature["sig"][:-2] + ("00" if signature["sig"][-2:] != "00" else "01")

    with pytest.raises(BadInput, match=r"file 0: the signature of key \w+ is invalid"):
        ceremony.merge([changed(copy, spoil)], lambda number: f"file {number}")

    def rename(value):
        value["new_root"]["signatures"][0]["keyid"] = "f" * 64

    assert not ceremony.merge([changed(copy, rename)], str).new_root.signatures


def test_a_key_signs_what_it_is_for_and_nothing_else(room, next_list):
    with pytest.raises(BadInput, match="signs nothing"):
        ceremony.sign(next_list, room.offline("image", "root", 1)[0])
    with pytest.raises(BadInput, match="signs nothing"):
        ceremony.sign(next_list, room.offline("director", "root", 1)[0])


def test_a_file_is_written_whole_and_read_again(next_root, tmp_path):
    ceremony.save(tmp_path / "c.json", next_root)
    assert ceremony.load(tmp_path / "c.json").encode() == next_root.encode()
    with pytest.raises(BadInput, match="cannot be written"):
        ceremony.save(tmp_path / "no" / "c.json", next_root)
    for name in ("no.json", "."):
        with pytest.raises(BadInput, match="cannot be read"):
            ceremony.load(tmp_path / name)


def test_an_old_list_of_releases_is_not_changed_in_silence(room, next_list):
    """A changed target stands out: the same name with other content is never called new."""
    old = {"k.slot": TargetFile(1, {"sha256": "0" * 64}, "k.slot")}
    found = summary._targets(metadata.targets(old, 1, NOW), next_list.new_targets.signed)
    assert any(line.startswith("  CHANGED k.slot") for line in found)


@given(st.binary(max_size=300))
def test_random_bytes_are_no_ceremony_file(body):
    with pytest.raises(BadInput):
        ceremony.parse(body, "it")


SMALL = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2**60) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_file_with_anything_in_any_place_is_judged_and_not_stumbled_over(next_root, data):
    value = json.loads(next_root.encode())
    at = value
    while isinstance(at, dict | list) and at:
        name = data.draw(st.sampled_from(sorted(at) if isinstance(at, dict) else range(len(at))))
        if not isinstance(at[name], dict | list) or not at[name] or data.draw(st.integers(0, 4)) == 0:
            at[name] = data.draw(SMALL)
            break
        at = at[name]
    try:
        read = ceremony.parse(json.dumps(value).encode(), "it")
        ceremony_checks.check(read, NOW)
    except BadInput:
        return
    summary.lines(read)
    ceremony.merge([read], str)
