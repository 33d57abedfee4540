"""Who may speak for a target: the order of the search, and whose keys count."""

import hashlib
from urllib.parse import quote

import pytest

from tests.contract.tuf_client.simulator import moment


def publish(site, *roles):
    site.publish(*roles)
    site.republish()


def visited(site):
    """The delegated roles that were asked for, in order, without the walk before them."""
    asked = site.requests()
    return [path.split(".", 1)[1].removesuffix(".json") for path in asked[4:] if path.endswith(".json")]


GRAPHS = {
    "siblings": ([("targets", "a"), ("targets", "b")], ["a", "b"]),
    "children before siblings": ([("targets", "a"), ("targets", "b"), ("a", "c"), ("c", "d")], ["a", "c", "d", "b"]),
    "a circle": ([("targets", "a"), ("a", "b"), ("b", "a")], ["a", "b"]),
    "a diamond": ([("targets", "a"), ("targets", "b"), ("a", "c"), ("b", "c")], ["a", "c", "b"]),
}


@pytest.mark.parametrize(("edges", "order"), GRAPHS.values(), ids=GRAPHS)
def test_roles_are_asked_in_pre_order_and_once(client, site, edges, order):
    for parent, name in edges:
        site.delegate(parent, name)
    publish(site, *order)
    assert client.download("nothing") == 1
    assert client.code() == "unknown_target"
    assert visited(site) == order
    assert set(order) < set(client.stored())
    for name in order:
        assert client.body(name) == site.history[name][-1]


@pytest.mark.parametrize("ends", ["a", "c"])
def test_a_terminating_delegation_ends_the_search_after_its_own(client, site, ends):
    site.delegate("targets", "a", terminating=ends == "a")
    site.delegate("targets", "b")
    site.delegate("a", "c", terminating=ends == "c")
    site.delegate("c", "d")
    site.add_target("file", b"of b", "b")
    publish(site, "a", "b", "c", "d")
    assert client.download("file") == 1
    assert visited(site) == ["a", "c", "d"]


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("*", "file", True),
        ("*", "folder/file", False),
        ("*/*", "folder/file", True),
        ("folder/*.md", "folder/file.md", True),
        ("folder/*.md", "folder/file.MD", False),
        ("v-?.bin", "v-1.bin", True),
        ("v-?.bin", "v-12.bin", False),
        ("v-?.bin", "v-/.bin", False),
        ("v-[12].bin", "v-2.bin", True),
        ("v-[12].bin", "v-3.bin", False),
        ("file", "file", True),
        ("file", "files", False),
        ("fi.e", "file", False),
    ],
)
def test_path_patterns_match_within_one_folder(client, site, pattern, path, matches):
    site.delegate("targets", "a", [pattern])
    site.add_target(path, b"content", "a")
    publish(site, "a")
    assert client.download(path) == (0 if matches else 1)
    assert client.downloaded() == ([b"content"] if matches else [])
    assert len([asked for asked in site.requests() if asked == "1.a.json"]) == matches


def test_a_role_must_be_delegated_to_all_along_the_way(client, site):
    site.delegate("targets", "a", ["in/*"])
    site.delegate("a", "b", ["in/x*"])
    for path in ("in/x1", "in/y1", "out"):
        site.add_target(path, path.encode(), "b")
    publish(site, "a", "b")
    assert [client.download(path) for path in ("in/x1", "in/y1", "out")] == [0, 1, 1]
    assert client.downloaded() == [b"in/x1"]


def test_the_first_role_that_lists_a_target_decides(client, site):
    for name in ("a", "b"):
        site.delegate("targets", name)
    site.add_target("file", b"of b", "b")
    site.add_target("file", b"of a", "a")
    publish(site, "a", "b")
    assert client.download("file") == 0
    assert client.downloaded() == [b"of a"]


def test_hash_prefixes_lead_to_the_bin(client, site):
    digest = hashlib.sha256(b"file").hexdigest()
    site.delegate("targets", "other", prefixes=[hex(15 - int(digest[0], 16))[2:]])
    site.delegate("targets", "mine", prefixes=[digest[:2]])
    site.add_target("file", b"content", "mine")
    publish(site, "other", "mine")
    assert client.download("file") == 0
    assert visited(site) == ["mine"]


@pytest.mark.parametrize("bits", [1, 4, 8])
def test_succinct_bins_are_found_by_number(client, site, bits):
    names = site.delegate_bins(bits)
    number = int(hashlib.sha256(b"file").hexdigest()[:8], 16) >> (32 - bits)
    site.add_target("file", b"content", names[number])
    publish(site, *names)
    assert client.download("file") == 0
    assert visited(site) == [names[number]]
    assert client.downloaded() == [b"content"]


def test_a_stored_role_is_used_again_while_it_is_announced(client, site):
    site.delegate("targets", "a")
    site.add_target("one", b"1", "a")
    site.add_target("two", b"2", "a")
    publish(site, "a")
    assert client.download("one") == 0
    site.requests()
    assert client.download("two") == 0
    assert not any(path.endswith("a.json") for path in site.requests())
    publish(site, "a")
    assert client.download("two") == 0
    assert "2.a.json" in site.requests()
    assert client.stored()["a"] == 2


def test_a_stored_role_must_verify_by_the_keys_of_whoever_delegates_now(client, site):
    """One role name under two parents with different keys: what one parent's key signed is nothing to the other."""
    for parent in ("left", "right"):
        site.delegate("targets", parent, [parent + "/*"])
        site.delegate(parent, "shared", [parent + "/*"])
    site.signers["shared"].pop()
    for parent in ("left", "right"):
        site.add_target(parent + "/file", parent.encode(), "shared")
    publish(site, "shared", "left", "right")
    assert client.download("left/file", "right/file") == 1
    assert client.code() == "arbitrary_software"
    assert client.downloaded() == [b"left"]
    assert client.download("right/file") == 1
    assert client.downloaded() == [b"left"]


def test_a_role_that_the_snapshot_does_not_name_is_not_asked_for(client, site):
    site.delegate("targets", "a")
    site.add_target("file", b"content", "a")
    site.publish("a", "targets")
    del site.roles["snapshot"].meta["a.json"]
    site.publish("snapshot", "timestamp")
    assert client.refresh() == 0
    site.requests()
    assert client.download("file") == 1
    assert client.code() == "mix_and_match"
    assert site.requests() == ["2.root.json", "timestamp.json"]


@pytest.mark.parametrize("attack", ["unsigned", "expired", "missing", "older"])
def test_a_role_that_is_refused_ends_the_search(client, site, attack):
    role = site.delegate("targets", "a")
    site.delegate("targets", "b")
    site.add_target("file", b"content", "b")
    if attack == "unsigned":
        site.signers["a"].clear()
    if attack == "expired":
        role.expires = moment(-1)
    publish(site, "a", "b")
    if attack == "missing":
        del site.files["1.a.json"]
    if attack == "older":
        site.publish("a")
        publish(site, "b")
        site.files["2.a.json"] = site.files["1.a.json"]
    assert client.download("file") == 1
    codes = {"unsigned": "arbitrary_software", "expired": "freeze", "missing": "unavailable", "older": "mix_and_match"}
    assert client.code() == codes[attack]
    assert "a" not in client.stored()
    assert "b" not in client.stored()
    assert client.downloaded() == []


@pytest.mark.parametrize("name", ["?", "#", "/role", "../role", "..", "a b", "100%", "役割", ".hidden", "UPPER"])
def test_a_roles_name_is_one_part_of_the_url_and_one_file(client, site, name):
    site.delegate("targets", name)
    site.add_target("file", b"content", name)
    publish(site, name)
    assert client.download("file") == 0
    assert "1." + quote(name, safe="") + ".json" in site.requests()
    assert set(client.stored()) == {"root", "timestamp", "snapshot", "targets", quote(name, safe="")}
    assert sorted(path.name for path in client.folder.iterdir()) == ["initial.json", "metadata", "targets"]
    assert client.download("file") == 0
    assert not any(path.startswith("1.") for path in site.requests())


@pytest.mark.parametrize("name", ["root", "timestamp", "snapshot"])
def test_a_delegated_role_cannot_take_the_place_of_a_top_role(client, site, name):
    """python-tuf refuses to make such metadata, so the name is changed in what it made."""
    site.delegate("targets", "a")
    site.add_target("file", b"content", "a")
    site.publish("a")
    signed = site.roles["targets"]
    delegation = signed.delegations.roles.pop("a")
    delegation.name = name
    signed.delegations.roles[name] = delegation
    site.roles["snapshot"].meta[name + ".json"] = site.roles["snapshot"].meta.pop("a.json")
    site.republish()
    site.files[f"1.{name}.json"] = site.history["a"][0]
    before = client.body("root")
    assert client.download("file") == 1
    assert client.body("root") == before
    assert "a" not in client.stored()
    assert client.downloaded() == []


def test_the_search_ends_after_a_bounded_number_of_roles(client, site):
    names = [f"r{number:02}" for number in range(40)]
    for name in names:
        site.delegate("targets", name)
    site.add_target("file", b"content", names[-1])
    publish(site, *names)
    assert client.download("file") == 1
    assert client.code() == "unknown_target"
    assert visited(site) == names[:32]
