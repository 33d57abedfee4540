"""What a hostile repository, or the holder of a stolen key, cannot do; each test looks at what stayed on disk."""

import copy
import json

import pytest
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import MetaFile

from tests.contract.tuf_client.simulator import TOP, moment

FIRST = {"root": 1, "timestamp": 1, "snapshot": 1, "targets": 1}
BELOW = ("timestamp", "snapshot", "targets")


@pytest.fixture
def updated(client, site):
    """A client that has taken the first version of everything."""
    assert client.refresh() == 0
    site.requests()
    return client


def refused(client, code, stored):
    """The next refresh ends with this code; the folder then has these versions, and what it had still verifies."""
    assert client.refresh() == 1
    assert client.code() == code, client.said
    assert client.stored() == stored


# Signatures


@pytest.mark.parametrize("role", TOP)
def test_a_role_without_its_keys_signature_ends_the_walk_there(client, site, role):
    site.publish("root")
    site.republish()
    body = json.loads(site.history[role][-1])
    body["signatures"][0]["sig"] = body["signatures"][0]["sig"][:-2] + "00"
    site.serve(role, json.dumps(body).encode())
    refused(client, "arbitrary_software", {"root": 1} | dict.fromkeys(TOP[: TOP.index(role)], 2))


def test_changed_content_under_an_old_signature_is_refused(updated, site):
    body = json.loads(site.history["timestamp"][0])
    body["signed"]["version"] = 9
    site.files["timestamp.json"] = json.dumps(body).encode()
    refused(updated, "arbitrary_software", FIRST)


def test_a_threshold_counts_each_key_once_however_often_it_signs(updated, site):
    site.roles["root"].roles["snapshot"].threshold = 2
    site.publish("root")
    site.publish("snapshot", "timestamp")
    refused(updated, "arbitrary_software", {"root": 2, "timestamp": 2, "snapshot": 1, "targets": 1})
    body = json.loads(site.files["2.snapshot.json"])
    body["signatures"] *= 2
    site.files["2.snapshot.json"] = json.dumps(body).encode()
    refused(updated, "format", {"root": 2, "timestamp": 2, "snapshot": 1, "targets": 1})


def test_one_key_under_two_ids_counts_once(updated, site):
    signer = site.signers["snapshot"][0]
    twin = copy.deepcopy(signer.public_key)
    twin.keyid = "0" * 64
    site.roles["root"].add_key(twin, "snapshot")
    site.signers["snapshot"].append(CryptoSigner(signer._private_key, twin))
    site.roles["root"].roles["snapshot"].threshold = 2
    site.publish("root", "snapshot", "timestamp")
    refused(updated, "arbitrary_software", {"root": 2, "timestamp": 2, "snapshot": 1, "targets": 1})


def test_a_bad_signature_beside_enough_good_ones_does_no_harm(updated, site):
    extra = site.add_key("timestamp")
    site.publish("root", "timestamp")
    body = json.loads(site.history["timestamp"][-1])
    for signature in body["signatures"]:
        if signature["keyid"] == extra.public_key.keyid:
            signature["sig"] = ""
    site.files["timestamp.json"] = json.dumps(body).encode()
    assert updated.refresh() == 0
    assert updated.body("timestamp") == site.files["timestamp.json"]


def test_metadata_of_another_role_is_refused_even_under_a_good_signature(client, site):
    site.roles["root"].add_key(site.signers["timestamp"][0].public_key, "snapshot")
    site.signers["snapshot"].append(site.signers["timestamp"][0])
    site.roles["snapshot"].meta = {"snapshot.json": MetaFile(1)}
    site.publish("root", "snapshot")
    site.files["timestamp.json"] = site.files["2.snapshot.json"]
    refused(client, "format", {"root": 2})


def test_a_revoked_key_is_named(updated, site):
    stolen = site.rotate("timestamp")
    site.publish("root")
    site.signers["timestamp"] = stolen
    site.publish("timestamp")
    refused(updated, "revoked_key", {"root": 2})


# Roots


@pytest.mark.parametrize("keep", ["old", "new"])
def test_a_new_root_needs_the_old_keys_and_its_own(updated, site, keep):
    old = site.rotate("root")
    if keep == "old":
        site.signers["root"] = old
    site.publish("root")
    refused(updated, "arbitrary_software", FIRST)


@pytest.mark.parametrize(("version", "code"), [(1, "rollback"), (3, "fast_forward")])
def test_a_root_has_the_version_of_its_name(updated, site, version, code):
    site.roles["root"].version = version
    site.files["2.root.json"] = site.sign("root")
    refused(updated, code, FIRST)


@pytest.mark.parametrize("body", [b"", b"{}", b"\xff", b'{"signed": {}, "signatures": []}'])
def test_what_is_no_root_is_never_trusted(tmp_path, client, site, body):
    client.metadata.joinpath("root.json").unlink()
    assert client.init(body) == 1
    assert client.code() == "damaged_root"
    assert client.stored() == {}
    assert client.refresh() == 1
    assert client.code() == "damaged_root"
    assert site.requests() == []


def test_a_root_that_its_own_keys_have_not_signed_is_never_trusted(client, site):
    client.metadata.joinpath("root.json").unlink()
    body = json.loads(site.history["root"][0])
    body["signed"]["expires"] = "2099-01-01T00:00:00Z"
    assert client.init(json.dumps(body).encode()) == 1
    assert client.code() == "damaged_root"
    assert client.stored() == {}


def test_a_damaged_stored_root_ends_it_without_a_request(updated, site):
    updated.metadata.joinpath("root.json").write_bytes(b"x")
    assert updated.refresh() == 1
    assert updated.code() == "damaged_root"
    assert site.requests() == []


# Freeze


def test_an_expired_root_is_stored_and_ends_the_walk(updated, site):
    site.roles["root"].expires = moment(-1)
    site.publish("root")
    site.republish()
    refused(updated, "freeze", FIRST | {"root": 2})
    assert site.requests() == ["2.root.json", "3.root.json"]


@pytest.mark.parametrize("role", BELOW)
def test_expired_metadata_is_not_stored(updated, site, role):
    site.roles[role].expires = moment(-1)
    site.republish()
    refused(updated, "freeze", {"root": 1} | {one: 2 if BELOW.index(one) < BELOW.index(role) else 1 for one in BELOW})


def test_a_frozen_repository_is_noticed_when_what_is_stored_expires(updated, site):
    site.roles["timestamp"].expires = moment(-1)
    body = site.sign("timestamp")
    site.files["timestamp.json"] = body
    updated.metadata.joinpath("timestamp.json").write_bytes(body)
    refused(updated, "freeze", FIRST)


@pytest.mark.parametrize("role", BELOW)
def test_expired_stored_metadata_does_not_stop_fresh_metadata(updated, site, role):
    expires, site.roles[role].expires = site.roles[role].expires, moment(-1)
    updated.metadata.joinpath(role + ".json").write_bytes(site.sign(role))
    site.roles[role].expires = expires
    site.republish()
    assert updated.refresh() == 0
    assert updated.stored() == {"root": 1, "timestamp": 2, "snapshot": 2, "targets": 2}


# Rollback


@pytest.mark.parametrize("hashes", [False, True])
@pytest.mark.parametrize("role", BELOW)
def test_an_older_version_is_refused(updated, site, role, hashes):
    site.hashes = hashes
    site.republish()
    assert updated.refresh() == 0
    site.roles[role].version = 0
    site.publish(*BELOW[: BELOW.index(role) + 1][::-1])
    two = {"root": 1, "timestamp": 2, "snapshot": 2, "targets": 2}
    # An older snapshot is refused when the timestamp announces it; older targets, when the snapshot does.
    refused(updated, "rollback", two | ({"timestamp": 3} if role == "targets" else {}))


def test_a_role_may_not_vanish_from_the_snapshot(updated, site):
    site.delegate("targets", "role")
    site.publish("role")
    site.republish()
    assert updated.refresh() == 0
    del site.roles["snapshot"].meta["role.json"]
    site.publish("snapshot", "timestamp")
    refused(updated, "rollback", {"root": 1, "timestamp": 3, "snapshot": 2, "targets": 2})


def test_another_timestamp_of_the_same_version_is_not_taken_and_said(updated, site):
    body = updated.body("timestamp")
    site.roles["timestamp"].snapshot_meta.version = 100
    site.files["timestamp.json"] = site.sign("timestamp")
    assert updated.refresh() == 0
    assert updated.code() == "equivocation"
    assert updated.body("timestamp") == body
    assert site.requests() == ["2.root.json", "timestamp.json"]


def test_the_same_timestamp_signed_again_changes_nothing(updated, site):
    body = updated.body("timestamp")
    site.files["timestamp.json"] = site.sign("timestamp")
    assert site.files["timestamp.json"] != body
    assert updated.refresh() == 0
    assert updated.said == ""
    assert updated.body("timestamp") == body


def test_another_snapshot_of_the_same_version_is_refused(updated, site):
    site.hashes = True
    site.roles["snapshot"].expires = moment(8)
    site.serve("snapshot", site.sign("snapshot"))
    site.publish("timestamp")
    refused(updated, "equivocation", {"root": 1, "timestamp": 2, "snapshot": 1, "targets": 1})


# Mix and match, fast forward


@pytest.mark.parametrize("role", ["snapshot", "targets"])
@pytest.mark.parametrize("attack", ["version", "length", "hash"])
def test_a_file_that_was_not_announced_is_refused(updated, site, role, attack):
    site.hashes = True
    if attack == "version":
        site.hashes = False
        site.roles[role].version += 2
        body = site.sign(role)
        site.roles[role].version -= 2
        site.publish(*BELOW[: BELOW.index(role) + 1][::-1])
        site.files[f"2.{role}.json"] = body
    else:
        site.publish(*BELOW[: BELOW.index(role) + 1][::-1])
        body = site.files[f"2.{role}.json"]
        site.files[f"2.{role}.json"] = body[:-1] if attack == "length" else body[:-1] + b" "
    before = BELOW[: BELOW.index(role)]
    refused(updated, "mix_and_match", FIRST | dict.fromkeys(before, 2))


def test_a_version_that_leaps_is_refused(updated, site):
    site.roles["timestamp"].version = 2**30
    site.publish("timestamp")
    refused(updated, "fast_forward", FIRST)


@pytest.mark.parametrize("role", BELOW)
def test_new_keys_undo_a_version_that_was_pushed_forward(updated, site, role):
    site.roles[role].version = 1000
    site.publish(*BELOW[: BELOW.index(role) + 1][::-1])
    assert updated.refresh() == 0
    assert updated.stored()[role] == 1001
    for one in ("snapshot", "timestamp"):
        site.rotate(one)
    site.publish("root")
    site.roles[role].version = 1
    site.republish()
    assert updated.refresh() == 0
    assert updated.stored()[role] == 2


# Missing files


@pytest.mark.parametrize("role", BELOW)
def test_a_missing_file_ends_the_walk_there(updated, site, role):
    site.republish()
    del site.files["timestamp.json" if role == "timestamp" else f"2.{role}.json"]
    refused(updated, "unavailable", FIRST | dict.fromkeys(BELOW[: BELOW.index(role)], 2))
    assert site.requests()[-1].endswith(f"{role}.json")


@pytest.mark.parametrize("role", BELOW)
def test_damaged_stored_metadata_does_not_stop_fresh_metadata(updated, site, role):
    updated.metadata.joinpath(role + ".json").write_bytes(b'{"signed": ')
    assert updated.refresh() == 0
    assert updated.stored() == FIRST


def test_a_served_file_that_changed_after_signing_is_not_stored(client, site):
    site.add_target("a", b"honest")
    site.add_target("b", b"honest")
    site.republish()
    assert client.download("a") == 0
    for name in list(site.content):
        site.content[name] = b"forged"
    assert client.download("a") == 0  # there already
    assert client.download("b") == 1
    assert client.code() == "arbitrary_software"
    assert client.downloaded() == [b"honest"]


@pytest.mark.parametrize(("served", "code"), [(b"hones", "arbitrary_software"), (b"honest!", "endless_data")])
def test_a_target_of_another_length_is_not_stored(client, site, served, code):
    site.add_target("a", b"honest")
    site.republish()
    for name in list(site.content):
        site.content[name] = served
    assert client.download("a") == 1
    assert client.code() == code
    assert client.downloaded() == []


def test_a_missing_target_is_unavailable(client, site):
    site.add_target("a", b"honest")
    site.republish()
    site.content.clear()
    assert client.download("a") == 1
    assert client.code() == "unavailable"


def test_a_target_beyond_all_measure_is_not_asked_for(client, site):
    target = site.add_target("a", b"honest")
    target.length = 2**40
    site.republish()
    assert client.download("a") == 1
    assert client.code() == "endless_data"
    assert len(site.requests()) == 4


def test_another_timestamp_of_the_same_version_does_not_prolong_an_expired_one(updated, site):
    expires, site.roles["timestamp"].expires = site.roles["timestamp"].expires, moment(-1)
    updated.metadata.joinpath("timestamp.json").write_bytes(site.sign("timestamp"))
    site.roles["timestamp"].expires = expires
    refused(updated, "freeze", FIRST)
