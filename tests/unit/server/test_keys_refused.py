"""What is not published, and not even prepared: overtaken, foreign, incomplete, or against the rules of custody."""

from pathlib import Path

import pytest
from tuf.api.metadata import Metadata, TargetFile

from tests.unit.server.conftest import NOW
from tests.unit.server.keyroom import Room, build
from tests.unit.server.test_repository import TREE, target
from update_server.errors import BadInput, Conflict, PublishRefused
from update_server.repository import ceremony, metadata, signers, verifier
from update_server.repository.devicecheck import NOBODY

YEAR_S = 365 * 86_400


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("room") / "made"
    root.mkdir()
    build(root)
    return root


@pytest.fixture
def room(made, tmp_path):
    return Room.copy(made, tmp_path / "room")


@pytest.fixture
def session(database):
    with database.write() as opened:
        yield opened


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"thresholds": {"root": 1}}, "1 of 5"),
        ({"thresholds": {"root": 5}}, "5 of 5"),
        ({"thresholds": {"timestamp": 2}}, "has 1 keys, and 2"),
        ({"remove": [("root", "nobody")]}, "No keys"),
        ({"remove": [("targets", "image-root-1")]}, "No keys"),
        ({"remove": [("root", "abc")]}, "No keys"),
        ({"online": [("root", "new")]}, "is offline"),
        ({"valid_s": 100 * YEAR_S}, "too far away"),
    ],
)
def test_what_must_not_be_signed_is_not_even_prepared(room, changes, says):
    with pytest.raises(BadInput, match=says):
        room.prepare("image", **changes)
    assert room.image.roots.version() == 1


def test_one_key_does_not_serve_two_offline_roles_nor_offline_and_online(room):
    root_key = room.offline("image", "root", 1)[0].public_key
    for role in ("targets", "snapshot"):
        with pytest.raises(BadInput, match="would serve both"):
            room.prepare("image", add=[(role, root_key)])
    with pytest.raises(BadInput, match="serves root already"):
        room.prepare("image", add=[("root", root_key)])


def test_no_key_serves_both_repositories(room, session):
    shared = room.offline("image", "root", 1)[0].public_key
    with pytest.raises(BadInput, match="would serve both repositories"):
        room.prepare("director", add=[("root", shared)])
    new = room.new_key("shared")
    image, director = (room.prepare(name, add=[("root", new.public_key)]) for name in ("image", "director"))
    room.publish(session, director, *room.offline("director", "root", 1, 2))
    with pytest.raises(BadInput, match="would serve both repositories"):
        room.publish(session, image, *room.offline("image", "root", 1, 2, 3))
    assert room.image.roots.version() == 1


def test_what_was_overtaken_is_refused_and_what_is_there_already_is_no_news(room, session):
    stale, done = room.prepare("director", NOW + 1), room.prepare("director", NOW + 2)
    keys = room.offline("director", "root", 1, 2)
    assert room.publish(session, done, *keys)
    assert not room.publish(session, done)
    with pytest.raises(Conflict, match="Another director root 2"):
        room.publish(session, stale, *keys)
    old_list = room.custody.prepare_targets(None, NOW)
    room.publish(session, room.custody.prepare_targets(None, NOW + 5), *room.offline("image", "targets", 1, 2))
    with pytest.raises(Conflict, match="Another list"):
        room.custody.publish(session, old_list, NOW)


def test_a_file_of_another_server_is_refused(room, made, session, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    build(other)
    with pytest.raises(Conflict, match="another server"):
        room.publish(session, Room(other).prepare("director"))


def test_the_publication_itself_refuses_a_root_that_cameras_refuse(room):
    root = metadata.parse(room.director.root(1), metadata.Root)
    root.version = 2
    body = metadata.sign(root, room.offline("director", "root", 1))
    with pytest.raises(PublishRefused, match="needed signatures"):
        room.director.publish_root(body, room.director.compose(NOBODY, {}, (1, 1, 1), NOW), NOW)
    state = room.image.current()
    with pytest.raises(PublishRefused, match="needed signatures"):
        room.image.publish(state, NOW, metadata.sign(room.image.roots.newest(), room.offline("image", "root", 1)))
    assert sorted(path.name for path in (room.root / "director").iterdir()) == ["1.root.json"]


def test_a_rollback_for_cameras_that_are_up_to_date_is_not_published(room, session):
    before = room.image.current()
    assert room.image.resign(NOW + 20_000)
    with pytest.raises(PublishRefused, match="rollback"):
        room.image.publish(before, NOW + 1)


def test_the_list_of_releases_carries_nothing_that_was_not_signed(room, session):
    prepared = room.custody.prepare_targets({"x": TargetFile(3, {"sha256": "0" * 64}, "x")}, NOW)
    for key in room.offline("image", "targets", 1, 2):
        ceremony.sign(prepared, key)
    prepared.new_targets.signed.targets["x"].length = 4
    changed = ceremony.parse(prepared.encode(), "it")
    with pytest.raises(BadInput, match="0 of 2"):
        room.custody.publish(session, changed, NOW)
    assert isinstance(changed.new_targets, Metadata)


def test_a_published_release_does_not_get_other_content_under_its_name(room, session):
    files = target() | TREE
    room.image.publish(room.image.sign_targets(files, room.offline("image", "targets", 1, 2), NOW), NOW)
    room.releases.reconcile(session, NOW)
    session.flush()
    other = room.custody.prepare_targets(target(severity="critical") | TREE, NOW)
    with pytest.raises(Conflict, match=r"k.slot is published with other content"):
        room.publish(session, other, *room.offline("image", "targets", 1, 2))
    assert room.image.targets() == files


def test_an_endless_file_is_no_key():
    with pytest.raises(BadInput, match=r"(?i)too large"):
        signers.read_public_key(Path("/dev/zero"))


def test_a_chain_of_roots_is_numbered_one_by_one_from_the_first(room, session):
    room.rotate(session, "image")
    roots = room.image.roots.chain()
    verifier.verify_roots("image", roots, NOW)
    with pytest.raises(PublishRefused, match="one by one"):
        verifier.verify_roots("image", roots[1:], NOW)
    with pytest.raises(PublishRefused, match="one by one"):
        verifier.verify_under("image", 1, roots[1], {}, NOW)
