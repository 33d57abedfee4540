"""The specification's client workflow: which requests in which order, what is stored, what is downloaded."""

from urllib.parse import quote

import pytest

from tests.contract.tuf_client.simulator import WALK, Client


def test_init_stores_the_root_as_it_is_and_asks_nobody(client, site):
    assert client.stored() == {"root": 1}
    assert client.body("root") == site.history["root"][0]
    assert site.requests() == []


@pytest.mark.parametrize("hashes", [False, True])
def test_refresh_walks_the_roles_in_order_and_stores_each_as_it_came(tmp_path, host, hashes):
    site = host.site(hashes=hashes)
    site.files["timestamp.json"] += b" \n"
    client = Client(tmp_path, site)
    client.init()
    assert client.refresh() == 0
    assert site.requests() == WALK
    assert client.stored() == {"root": 1, "timestamp": 1, "snapshot": 1, "targets": 1}
    for role, name in zip(("timestamp", "snapshot", "targets"), WALK[1:], strict=True):
        assert client.body(role) == site.files[name]
    assert client.said == ""


def test_what_is_stored_and_still_announced_is_not_asked_for_again(client, site):
    client.refresh()
    site.requests()
    assert client.refresh() == 0
    assert site.requests() == WALK[:2]
    site.publish("timestamp")
    assert client.refresh() == 0
    assert site.requests() == WALK[:2]
    site.publish("snapshot", "timestamp")
    assert client.refresh() == 0
    assert site.requests() == [*WALK[:2], "2.snapshot.json"]
    assert client.stored() == {"root": 1, "timestamp": 3, "snapshot": 2, "targets": 1}


def test_a_chain_of_roots_is_walked_to_its_end(client, site):
    for _ in range(3):
        old = site.rotate("root")
        site.signers["root"] += old
        site.publish("root")
        site.signers["root"] = site.signers["root"][:1]
    assert client.refresh() == 0
    assert site.requests() == ["2.root.json", "3.root.json", "4.root.json", "5.root.json", *WALK[1:]]
    assert client.body("root") == site.history["root"][-1]


def test_a_chain_may_be_longer_than_one_walk_of_a_camera(client, site):
    for _ in range(33):
        site.publish("root")
    assert client.refresh() == 0
    assert site.requests() == [*(f"{version}.root.json" for version in range(2, 36)), *WALK[1:]]
    assert client.stored()["root"] == 34


def test_without_consistent_snapshots_names_carry_no_version_and_no_hash(tmp_path, host):
    site = host.site(consistent=False)
    site.add_target("folder/file.bin", b"content")
    site.delegate("targets", "role")
    site.publish("role")
    site.republish()
    client = Client(tmp_path, site)
    client.init()
    assert client.download("folder/file.bin") == 0
    assert site.requests() == [
        "2.root.json",
        "timestamp.json",
        "snapshot.json",
        "targets.json",
        "folder/file.bin",
    ]
    assert client.downloaded() == [b"content"]
    assert client.download("nothing") == 1
    assert site.requests() == ["2.root.json", "timestamp.json", "role.json"]


def test_download_refreshes_first_and_fetches_by_hash_inside_the_folder(client, site):
    target = site.add_target("a/b/file.bin", b"content")
    site.republish()
    assert client.download("a/b/file.bin") == 0
    asked = ["2.root.json", "timestamp.json", "2.snapshot.json", "2.targets.json"]
    assert site.requests() == [*asked, f"a/b/{target.hashes['sha256']}.file.bin"]
    assert client.downloaded() == [b"content"]


def test_a_file_that_is_there_already_is_not_fetched_again_until_it_changes(client, site):
    site.add_target("file.bin", b"first")
    site.republish()
    assert client.download("file.bin") == 0
    site.requests()
    assert client.download("file.bin") == 0
    assert site.requests() == ["2.root.json", "timestamp.json"]
    second = site.add_target("file.bin", b"other")  # of equal length
    site.republish()
    assert client.download("file.bin") == 0
    assert site.requests()[-1] == second.hashes["sha256"] + ".file.bin"
    assert client.downloaded() == [b"other"]


def test_a_damaged_download_is_fetched_again(client, site):
    site.add_target("file.bin", b"content")
    site.republish()
    client.download("file.bin")
    (client.targets / "file.bin").write_bytes(b"CONTENT")
    assert client.download("file.bin") == 0
    assert client.downloaded() == [b"content"]


def test_targets_come_in_the_given_order_with_one_refresh(client, site):
    for name in ("a", "b", "c"):
        site.add_target(name, name.encode())
    site.republish()
    assert client.download("c", "a", "b") == 0
    assert [path.rpartition(".")[2] for path in site.requests()[4:]] == ["c", "a", "b"]


def test_the_first_target_that_fails_ends_the_command(client, site):
    for name in ("a", "b", "c"):
        site.add_target(name, name.encode())
    site.republish()
    assert client.download("a", "unknown", "b") == 1
    assert client.code() == "unknown_target"
    assert client.downloaded() == [b"a"]
    assert len(site.requests()) == 5


def test_an_unknown_target_still_brings_the_metadata_up_to_date(client, site):
    assert client.download("nothing") == 1
    assert client.code() == "unknown_target"
    assert client.stored() == {"root": 1, "timestamp": 1, "snapshot": 1, "targets": 1}
    assert client.downloaded() == []


@pytest.mark.parametrize(
    "name", ["with space", "?query#part", "a%2Fb", "日本語.bin", "..", "../up", "/top", "a//b", "%"]
)
def test_a_targets_path_may_be_any_text_and_becomes_one_plain_file(client, site, name):
    target = site.add_target(name, b"content")
    site.republish()
    assert client.download(name) == 0
    folder, slash, last = name.rpartition("/")
    assert site.requests()[-1] == quote(folder + slash + target.hashes["sha256"] + "." + last, safe="/")
    assert client.downloaded() == [b"content"]
    assert sorted(path.name for path in client.folder.iterdir()) == ["initial.json", "metadata", "targets"]


def test_a_very_long_path_becomes_a_file_too(client, site):
    names = ["n" * 1000 + end for end in ("1", "2")]
    for name in names:
        site.add_target(name, name.encode())
    site.republish()
    assert client.download(*names) == 0
    assert client.downloaded() == [name.encode() for name in names]


@pytest.mark.parametrize("algorithms", [("sha256",), ("sha512",), ("sha256", "sha512")])
def test_every_known_hash_of_a_target_counts(client, site, algorithms):
    target = site.add_target("file.bin", b"content", algorithms=algorithms)
    site.republish()
    assert client.download("file.bin") == 0
    assert client.downloaded() == [b"content"]
    for name in algorithms:
        target.hashes[name] = "0" * len(target.hashes[name])
        for digest in target.hashes.values():
            site.content[digest + ".file.bin"] = b"content"
        site.republish()
        (client.targets / "file.bin").unlink(missing_ok=True)
        assert client.download("file.bin") == 1
        assert client.code() == "arbitrary_software"
        assert client.downloaded() == []


def test_a_target_with_unknown_hashes_alone_is_not_fetched(client, site):
    target = site.add_target("file.bin", b"content")
    target.hashes = {"md5": "9a0364b9e99bb480dd25e1f0284c8555"}
    site.republish()
    assert client.download("file.bin") == 1
    assert client.code() == "arbitrary_software"
    assert len(site.requests()) == 4
