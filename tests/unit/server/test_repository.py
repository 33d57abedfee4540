"""Image repository and director: versions, expiry, renewal, and that the device's verifier has the last word."""

import json
import types

import pytest
from tuf.api.metadata import TargetFile

from tests.unit.server.conftest import NOW
from update_server.db.models import DirectorMetadata
from update_server.errors import BadInput, Misconfigured, NotFound, PublishRefused
from update_server.repository import director, image, metadata, signers
from update_server.repository.devicecheck import NOBODY, DeviceCheck
from update_server.repository.director import Director
from update_server.repository.image import Lifetimes

LIFETIMES = Lifetimes(timestamp_s=7000, snapshot_s=30_000)
PASS = b"passphrase"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("tuf")
    for name in ("image", "director", "keys", "offline"):
        (root / name).mkdir()
    image.make(root / "image", root / "keys", root / "offline", PASS, LIFETIMES, NOW)
    director.make(root / "director", root / "keys", root / "offline", PASS, NOW)
    return root


@pytest.fixture
def parts(made, tmp_path):
    import shutil

    root = tmp_path / "tuf"
    shutil.copytree(made, root)
    repository = image.ImageRepository(root / "image", root / "keys", LIFETIMES)
    orders = Director(root / "director", root / "keys", LIFETIMES, 600)
    return types.SimpleNamespace(root=root, image=repository, director=orders, check=DeviceCheck(repository, orders))


def offline(parts, prefix=image.TARGETS_PREFIX, count=2):
    return signers.load_folder(parts.root / "offline", prefix, PASS, count)


def versions(state):
    return state.targets_version, state.snapshot_version, state.timestamp_version


def test_roles_have_the_agreed_keys_and_thresholds(parts):
    def shape(body):
        signed = json.loads(body)["signed"]
        return {name: (len(role["keyids"]), role["threshold"]) for name, role in signed["roles"].items()}

    online = {"snapshot": (1, 1), "timestamp": (1, 1)}
    assert shape(parts.image.root()) == {"root": (5, 3), "targets": (3, 2), **online}
    assert shape(parts.director.root()) == {"root": (3, 2), "targets": (1, 1), **online}
    for body in (parts.image.root(), parts.director.root()):
        signed = json.loads(body)["signed"]
        assert signed["consistent_snapshot"] is True
        assert {(key["keytype"], key["scheme"]) for key in signed["keys"].values()} == {
            ("ecdsa", "ecdsa-sha2-nistp256")
        }
    image_keys, director_keys = (set(json.loads(r.root())["signed"]["keys"]) for r in (parts.image, parts.director))
    assert not image_keys & director_keys


def test_nothing_is_signed_again_before_half_of_its_life_is_over(parts):
    assert not parts.image.resign(NOW + 3000)
    assert versions(parts.image.current()) == (1, 1, 1)


def test_the_timestamp_is_renewed_alone_and_then_the_snapshot_too(parts):
    assert parts.image.resign(NOW + 3600)
    assert versions(parts.image.current()) == (1, 1, 2)
    assert parts.image.resign(NOW + 15_100)
    assert versions(parts.image.current()) == (1, 2, 3)


def test_what_was_signed_by_a_clock_that_was_ahead_is_signed_again(parts):
    assert parts.image.resign(NOW + 100 * 86_400)
    assert versions(parts.image.current()) == (1, 2, 2)
    assert parts.image.resign(NOW)
    assert versions(parts.image.current()) == (1, 3, 3)
    assert not parts.image.resign(NOW)


def test_keys_of_another_role_do_not_sign_targets(parts):
    with pytest.raises(Misconfigured):
        parts.image.sign_targets({}, offline(parts, image.ROOT_PREFIX), NOW)
    with pytest.raises(Misconfigured):
        parts.image.sign_targets({}, offline(parts, count=1), NOW)


def test_missing_keys_and_wrong_passphrases_are_named(parts):
    with pytest.raises(Misconfigured, match="0 of the 2"):
        signers.load_folder(parts.root, image.TARGETS_PREFIX, PASS, 2)
    with pytest.raises(BadInput):
        signers.load_folder(parts.root / "offline", image.TARGETS_PREFIX, b"wrong", 2)
    with pytest.raises(Misconfigured, match="scheme"):
        signers.load("hsm:1")


def test_a_camera_gets_its_own_metadata_and_old_versions_go(parts, database):
    with database.write() as session:
        for number in range(1, 7):
            state = parts.director.assign(session, NOBODY, {}, NOW + number)
            assert versions(state) == (number, number, number)
    with database.read() as session:
        kept = [(row.role, row.version) for row in session.query(DirectorMetadata).order_by("role", "version")]
    assert kept == [("snapshot", 4), ("snapshot", 5), ("snapshot", 6), ("targets", 4), ("targets", 5), ("targets", 6),
                    ("timestamp", 6)]  # fmt: skip


def test_the_directors_timestamp_names_camera_and_time(parts, database):
    with database.write() as session:
        signed = json.loads(parts.director.refresh(session, NOBODY, {}, NOW))["signed"]
    assert signed["x-camward-device"] == NOBODY
    assert signed["x-camward-issued-at"] == metadata.iso(NOW) == "2027-01-15T08:00:00Z"


def test_refresh_signs_no_more_than_is_old(parts, database):
    def known():
        with database.read() as session:
            return {(row.role, row.version) for row in session.query(DirectorMetadata) if row.role != "timestamp"}

    with database.write() as session:
        first = parts.director.refresh(session, NOBODY, {}, NOW)
        assert parts.director.refresh(session, NOBODY, {}, NOW + 599) == first
        second = parts.director.refresh(session, NOBODY, {}, NOW + 600)
    assert second != first
    assert known() == {("targets", 1), ("snapshot", 1)}
    with database.write() as session:
        parts.director.refresh(session, NOBODY, {}, NOW + 15_001)
    assert known() == {("targets", 1), ("snapshot", 1), ("targets", 2), ("snapshot", 2)}


def test_a_timestamp_from_a_clock_that_was_ahead_is_not_served_on(parts, database):
    with database.write() as session:
        ahead = parts.director.refresh(session, NOBODY, {}, NOW + 86_400)
        assert parts.director.timestamp(session, NOBODY, NOW) is None
        put_right = json.loads(parts.director.refresh(session, NOBODY, {}, NOW))["signed"]
    assert put_right["x-camward-issued-at"] == metadata.iso(NOW)
    assert put_right["version"] == json.loads(ahead)["signed"]["version"] + 1


def test_damaged_metadata_is_named(parts):
    (parts.root / "image/timestamp.json").write_text("{}")
    with pytest.raises(Misconfigured, match="timestamp metadata is damaged"):
        parts.image.current()


def test_only_numbered_targets_and_snapshots_are_served_by_number(parts, database):
    with database.write() as session:
        parts.director.assign(session, NOBODY, {}, NOW)
        assert parts.director.numbered(session, NOBODY, "targets", 1)
        for role, version in (("timestamp", 1), ("targets", 2), ("root", 1)):
            with pytest.raises(NotFound):
                parts.director.numbered(session, NOBODY, role, version)
    with pytest.raises(NotFound):
        parts.director.root(2)


def device(**changes):
    return types.SimpleNamespace(**{"id": NOBODY, "model": "kawa-1", "hardware": "a", "version": "1.0.0", **changes})


def order(parts, files, now=NOW, who=NOBODY):
    return parts.director.compose(who, files, (1, 1, 1), now)


def manifest(**changes):
    return {
        "camward": {
            "v": 1, "model": "kawa-1", "hardware": ["a"], "version": "1.1.0", "security_epoch": 1, "severity": "low",
            "support_ends": "2031-12-31", "notes": {"en": "", "ja": ""},
            "components": [
                {
                    "name": "slot", "layout": "ab-1", "block_bytes": 4096, "block_count": 1, "tree_root": "0" * 64,
                    "tree": {"name": "k.tree", "length": 32, "sha256": "1" * 64},
                }
            ],
            **changes,
        }
    }  # fmt: skip


def target(**changes):
    return {"k.slot": TargetFile(4096, {"sha256": "2" * 64}, "k.slot", {"custom": manifest(**changes)})}


TREE = {"k.tree": TargetFile(32, {"sha256": "1" * 64}, "k.tree")}


def publish(parts, files):
    parts.image.publish(parts.image.sign_targets(files, offline(parts), NOW), NOW)


def test_what_agrees_is_accepted(parts):
    publish(parts, target() | TREE)
    parts.check.verify_director(device(), order(parts, target()), NOW)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"who": {"model": "yama-2"}}, "wrong_model"),
        ({"who": {"hardware": "b"}}, "wrong_hardware"),
        ({"who": {"version": "1.2.0"}}, "rollback"),
        ({"who": {"id": "b" * 26}}, "wrong_device"),
        ({"image": TREE}, "arbitrary_software"),
        ({"image": target()}, "wrong_target"),
        ({"image": target(severity="high") | TREE}, "wrong_target"),
        ({"now": NOW + 8000}, "freeze"),
        ({"files": target(v=2)}, "format"),
    ],
)
def test_what_a_camera_would_refuse_is_not_published(parts, changes, code):
    publish(parts, changes.get("image", target() | TREE))
    with pytest.raises(PublishRefused, match=f"\\({code}"):
        parts.check.verify_director(
            device(**changes.get("who", {})), order(parts, changes.get("files", target())), changes.get("now", NOW)
        )
