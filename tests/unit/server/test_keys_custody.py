"""Rotation, revocation, renewal and recovery: what cameras accept afterwards, and what a power cut leaves."""

import json
import shutil
import time

import pytest
from tuf.api.exceptions import DownloadHTTPError
from tuf.ngclient import Updater
from tuf.ngclient.fetcher import FetcherInterface

from agent.core import trust
from tests.unit.server.conftest import NOW
from tests.unit.server.keyroom import LIFETIMES, PASS, Camera, Room, build
from update_server.db.models import Device, DirectorMetadata
from update_server.errors import BadInput, Misconfigured, PublishRefused
from update_server.files import write_atomic
from update_server.repository import ceremony, director, image, metadata, signers
from update_server.repository.custody import Changes
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


def roles(room, repository, version):
    return json.loads((room.root / repository / f"{version}.root.json").read_bytes())["signed"]["roles"]


def test_roots_say_when_they_were_made(room, session):
    for repository in ("image", "director"):
        room.rotate(session, repository, now=NOW + 50)
        for version, at in ((1, NOW), (2, NOW + 50)):
            signed = json.loads((room.root / repository / f"{version}.root.json").read_bytes())["signed"]
            assert signed["x-camward-issued-at"] == metadata.iso(at)


def test_a_renewed_root_is_valid_for_longer_and_takes_cameras_from_every_earlier_root(room, session):
    cameras = [Camera("image", room.image.root(1))]
    for version in (2, 3, 4):
        room.rotate(session, "image", now=NOW + version, valid_s=version * YEAR_S)
        cameras.append(Camera("image", room.image.root(version)))
    assert [camera.look(room.served("image")).root for camera in cameras] == [4, 4, 4, 4]
    ends = [metadata.parse(room.image.root(n), metadata.Root).expires.timestamp() for n in (2, 3, 4)]
    assert ends == sorted(ends)


def test_an_expired_root_is_renewed(room, session):
    later = NOW + 11 * YEAR_S
    camera = Camera("director", room.director.root(1))
    with pytest.raises(trust.Freeze):
        camera.look(room.served("director"), later)
    room.rotate(session, "director", now=later)
    served = room.served("director") | room.director.compose(NOBODY, {}, (1, 1, 1), later).files()
    assert camera.look(served, later).root == 2


def test_an_expired_root_and_an_expired_list_of_releases_are_renewed_together(room, session):
    later = NOW + 11 * YEAR_S
    made = room.prepare("image", now=later)
    assert [document.title for document in made.documents()] == ["image root 2", "list of releases 2"]
    keys = [*room.offline("image", "root", 1, 2, 3), *room.offline("image", "targets", 1, 2)]
    assert room.publish(session, made, *keys, now=later)
    assert Camera("image", room.image.root(1)).look(room.served("image"), later).root == 2


def test_an_expired_list_is_renewed_by_itself_and_never_dressed_up_with_a_fresh_timestamp(room, session):
    later = NOW + 2 * YEAR_S
    with pytest.raises(PublishRefused, match="freeze"):
        room.image.resign(later)
    room.publish(session, room.custody.prepare_targets(None, later), *room.offline("image", "targets", 1, 2), now=later)
    assert Camera("image", room.image.root(1)).look(room.served("image"), later).root == 1


def test_a_root_key_is_replaced_and_the_old_one_counts_no_more(room, session):
    fresh = room.new_key("root-of-aiko")
    room.rotate(
        session, "director", remove=[("root", "director-root-1")], add=[("root", fresh.public_key)],
        signing=[*room.offline("director", "root", 1, 2), fresh],
    )  # fmt: skip
    assert fresh.public_key.keyid in roles(room, "director", 2)["root"]["keyids"]
    made = room.prepare("director")
    with pytest.raises(BadInput, match="1 of 2 signatures by the root keys of root 2"):
        room.publish(session, made, room.offline("director", "root", 2)[0])
    with pytest.raises(BadInput, match="signs nothing"):
        room.publish(session, made, room.offline("director", "root", 1)[0])
    assert room.publish(session, made, fresh)


@pytest.mark.parametrize("name", ["愛子", "k\U0001f511", 'a"b\\c', "x\n\x1b[2J", "\udcff"])
def test_a_key_may_be_called_anything(room, session, name):
    """Whatever its file is called, cameras take the root, and no terminal is steered."""
    public = signers.public_key_with_name(room.new_key("plain").public_key, name)
    room.rotate(session, "image", add=[("root", public)])
    assert Camera("image", room.image.root(1)).look(room.served("image")).root == 2
    assert signers.name_of(room.image.roots.newest().keys[public.keyid]).isprintable()
    room.image.online.add(f"file:{name.encode('utf-8', 'replace').decode()}".replace("\n", ""), public)
    assert public.keyid in Room(room.root).image.online.entries()


def test_the_old_threshold_and_the_new_one_must_both_be_reached(room, session):
    made = room.prepare("image", thresholds={"root": 2})
    first, second, third = room.offline("image", "root", 1, 2, 3)
    with pytest.raises(BadInput, match="2 of 3 signatures by the root keys of root 1"):
        room.publish(session, made, first, second)
    assert room.image.roots.version() == 1
    assert room.publish(session, made, third)
    assert roles(room, "image", 2)["root"]["threshold"] == 2


def test_a_targets_key_is_revoked_and_the_list_of_releases_is_signed_again_in_the_same_step(room, session):
    fresh, camera, up_to_date = room.new_key("t4"), *(Camera("image", room.image.root(1)) for _ in range(2))
    up_to_date.look(room.served("image"))
    made = room.prepare("image", remove=[("targets", "image-targets-1")], add=[("targets", fresh.public_key)])
    assert [document.title for document in made.documents()] == ["image root 2", "list of releases 2"]
    with pytest.raises(BadInput, match="list of releases 2 has 0 of 2"):
        room.publish(session, made, *room.offline("image", "root", 1, 2, 3))
    with pytest.raises(BadInput, match="signs nothing"):
        ceremony.sign(made, room.offline("image", "targets", 1)[0])
    assert room.publish(session, made, fresh, room.offline("image", "targets", 2)[0])
    assert (camera.look(room.served("image")).root, up_to_date.look(room.served("image")).root) == (2, 2)
    with pytest.raises(Misconfigured, match="not the targets keys"):
        room.image.sign_targets({}, room.offline("image", "targets", 1, 2), NOW)


def test_a_list_that_stays_trusted_is_not_signed_again(room, session):
    made = room.prepare("image", add=[("targets", room.new_key("t4").public_key)])
    assert [document.title for document in made.documents()] == ["image root 2"]
    room.publish(session, made, *room.offline("image", "root", 1, 2, 3))
    assert room.image.current().targets_version == 1


def test_new_online_keys_sign_at_once_and_the_old_ones_are_refused(room, session):
    camera = Camera("image", room.image.root(1))
    camera.look(room.served("image"))
    stolen = room.served("image")
    room.rotate(session, "image", online=Changes.all_online("image"))
    assert camera.look(room.served("image")).root == 2
    files = room.served("image")
    with pytest.raises(trust.RevokedKey):
        Camera("image", files["1.root.json"]).look(files | {"timestamp.json": stolen["timestamp.json"]})
    assert room.image.resign(NOW + 4000)  # the server goes on with the new keys
    assert camera.look(room.served("image"), NOW + 4000).root == 2


def counted_up(room, by):
    """What a thief of the online keys publishes: everything `by` versions ahead."""
    root, state = room.image.roots.newest(), room.image.current()
    snapshot = metadata.snapshot(state.targets_version, state.targets, by, NOW + 9000)
    body = metadata.sign(snapshot, room.image.online.for_role(root, "snapshot"))
    stamp = metadata.sign(metadata.timestamp(by, by, NOW + 9000), room.image.online.for_role(root, "timestamp"))
    return {f"{by}.snapshot.json": body, "timestamp.json": stamp}


@pytest.mark.parametrize("ahead", [2**20, 2**31 - 2])
def test_cameras_that_followed_a_thief_far_ahead_come_back_after_new_online_keys(room, session, ahead):
    camera = Camera("image", room.image.root(1))
    camera.look(room.served("image") | counted_up(room, ahead))
    with pytest.raises(trust.Rollback):
        camera.look(room.served("image"))
    room.rotate(session, "image", online=Changes.all_online("image"))
    assert camera.look(room.served("image")).root == 2


def test_versions_that_a_thief_left_on_the_server_itself_are_counted_on_or_begun_anew(room, session):
    for name, body in counted_up(room, 2**31 - 2).items():
        write_atomic(room.root / "image" / name, body)
    room.rotate(session, "image", online=Changes.all_online("image"))
    assert Camera("image", room.image.root(1)).look(room.served("image")).root == 2
    assert room.image.current().timestamp_version == 1


def test_the_directors_orders_are_signed_anew_for_a_camera_when_its_keys_change(room, session):
    session.add(Device(id=NOBODY, serial="S", ownership_sha256="", enrolled_at=NOW))
    session.flush()
    before = room.director.refresh(session, NOBODY, {}, NOW)
    room.rotate(session, "director", online=Changes.all_online("director"))
    assert room.director.timestamp(session, NOBODY, NOW) is None
    after = room.director.refresh(session, NOBODY, {}, NOW)
    root = room.director.roots.newest()
    assert metadata.trusted(root, "timestamp", after)
    assert not metadata.trusted(root, "timestamp", before)
    rows = {(row.role, row.version): row.body for row in session.query(DirectorMetadata)}
    assert all(metadata.trusted(root, role, body) for (role, version), body in rows.items() if version == 2)
    assert room.director.refresh(session, NOBODY, {}, NOW) == after


def test_the_director_signs_nothing_under_a_root_that_has_expired(room, session):
    session.add(Device(id=NOBODY, serial="S", ownership_sha256="", enrolled_at=NOW))
    session.flush()
    room.director.refresh(session, NOBODY, {}, NOW)
    assert room.director.refresh(session, NOBODY, {}, NOW + 700)
    with pytest.raises(PublishRefused, match="director root 1 has expired"):
        room.director.refresh(session, NOBODY, {}, NOW + 11 * YEAR_S)


def test_a_damaged_snapshot_is_not_dressed_up_with_a_fresh_timestamp(room, session):
    session.add(Device(id=NOBODY, serial="S", ownership_sha256="", enrolled_at=NOW))
    session.flush()
    room.director.refresh(session, NOBODY, {}, NOW)
    row = session.get(DirectorMetadata, (NOBODY, "snapshot", 1))
    row.body = row.body.replace(b'"version":1', b'"version":7', 1)
    with pytest.raises(PublishRefused, match="needed signatures"):
        room.director.refresh(session, NOBODY, {}, NOW + 700)


class Files(FetcherInterface):
    """python-tuf's fetcher port over files in memory."""

    def __init__(self, served):
        self.served = served

    def _fetch(self, url):
        name = url.rpartition("/")[2]
        if name not in self.served:
            raise DownloadHTTPError(name, 404)
        yield self.served[name]


def test_python_tufs_own_client_follows_every_rotation(room, tmp_path, database):
    """Another implementation of the client workflow comes to the same end, from the first root and step by step."""
    now = int(time.time())  # its clock is the machine's
    for name in ("image", "director", "keys", "offline"):
        shutil.rmtree(room.root / name)
        (room.root / name).mkdir()
    image.make(room.root / "image", room.root / "keys", room.root / "offline", PASS, LIFETIMES, now)
    director.make(room.root / "director", room.root / "keys", room.root / "offline", PASS, now)
    room = Room(room.root)
    first, fresh = room.image.root(1), room.new_key("t4")
    steps = [
        ({"remove": [("targets", "image-targets-1")], "add": [("targets", fresh.public_key)]},
         [fresh, *room.offline("image", "targets", 2)]),
        ({"online": Changes.all_online("image")}, []),
        ({"thresholds": {"root": 2}, "remove": [("root", "image-root-5")]}, []),
    ]  # fmt: skip

    def refresh(folder):
        folder.mkdir(exist_ok=True)
        client = Updater(str(folder), "x/", str(folder), "x/", fetcher=Files(room.served("image")), bootstrap=first)
        client.refresh()
        return json.loads((folder / "root.json").read_bytes())["signed"]["version"]

    for number, (changes, more) in enumerate(steps, 1):
        assert refresh(tmp_path / "always") == number
        with database.write() as session:
            made = room.prepare("image", now, **changes)
            room.publish(session, made, *room.offline("image", "root", 1, 2, 3), *more, now=now)
    assert [refresh(tmp_path / name) for name in ("always", "new")] == [4, 4]


def test_director_versions_begin_anew_where_a_thief_has_used_them_up(room, session):
    row = {"signed_at": NOW, "expires_at": NOW + 9000, "body": b"{}"}
    session.add_all(
        DirectorMetadata(device_id=NOBODY, role=role, version=2**31 - 1, **row)
        for role in ("targets", "snapshot", "timestamp")
    )
    session.add(Device(id=NOBODY, serial="S", ownership_sha256="", enrolled_at=NOW))
    session.flush()
    room.director.refresh(session, NOBODY, {}, NOW)
    assert {row.version for row in session.query(DirectorMetadata)} == {1}


def test_a_root_that_names_online_keys_of_others_is_not_prepared(room):
    stranger = signers.make(room.root / "offline" / "stranger.pem", PASS)
    with pytest.raises(Misconfigured, match="0 of the 1 timestamp keys"):
        room.prepare("image", remove=[("timestamp", "image-timestamp")], add=[("timestamp", stranger.public_key)])


def test_key_files_that_the_passphrase_does_not_open_belong_to_somebody_else(room):
    signers.make(room.root / "offline" / "a-strangers.pem", b"another passphrase")
    keyids = room.image.roots.newest().roles["targets"].keyids
    assert len(signers.load_matching(room.root / "offline", keyids, PASS, 2)) == 2
    with pytest.raises(Misconfigured, match="3 of the 4"):
        signers.load_matching(room.root / "offline", keyids, PASS, 4)
    with pytest.raises(BadInput, match="does not open"):
        signers.load_matching(room.root / "offline", keyids, b"wrong", 2)


class PowerCut(Exception):
    pass


def cutting(after):
    """A disk that takes `after` writes, and then the power is gone."""
    left = [after]

    def write(path, body):
        if left[0] == 0:
            raise PowerCut
        left[0] -= 1
        write_atomic(path, body)

    return write


@pytest.mark.parametrize("what", ["targets key", "online keys", "renewal"])
def test_a_power_cut_at_any_write_leaves_a_working_repository(made, tmp_path, database, what):
    def attempt(room, session):
        fresh = signers.make(room.root / "offline" / "t9.pem", PASS)
        changes = {
            "targets key": {"remove": [("targets", "image-targets-1")], "add": [("targets", fresh.public_key)]},
            "online keys": {"online": Changes.all_online("image")},
            "renewal": {},
        }[what]
        prepared = room.prepare("image", **changes)
        keys = room.offline("image", "root", 1, 2, 3)
        if what == "targets key":
            keys += [fresh, room.offline("image", "targets", 2)[0]]
        for key in keys:
            ceremony.sign(prepared, key)
        (room.root / "signed.json").write_bytes(prepared.encode())
        room.custody.publish(session, prepared, NOW)

    writes = 0
    for after in range(20):
        root = tmp_path / f"{after}"
        room = Room.copy(made, root, write=cutting(after))
        camera = Camera("image", room.image.root(1))
        camera.look(room.served("image"))
        with database.write() as session:
            try:
                attempt(room, session)
            except PowerCut:
                writes += 1
            else:
                break
        again = Room(root)  # the machine is on again, and the server starts
        again.image.resign(NOW)
        published = again.image.roots.version()
        for one in (camera, Camera("image", again.image.root(1))):
            assert one.look(again.served("image")).root == published
        with database.write() as session:
            again.custody.publish(session, ceremony.load(root / "signed.json"), NOW)
        again.image.resign(NOW)
        for one in (camera, Camera("image", again.image.root(1))):
            assert one.look(again.served("image")).root == 2
    assert writes == 4  # targets, root, snapshot, timestamp


def test_the_order_of_the_writes_matters(made, tmp_path, database):
    """The control of the test above: with the root before the list of releases, a cut leaves nothing that works."""
    room = Room.copy(made, tmp_path / "room")
    fresh = room.new_key("t9")
    prepared = room.prepare(
        "image", remove=[("targets", "image-targets-1")], add=[("targets", fresh.public_key)]
    )  # fmt: skip
    for key in room.offline("image", "root", 1, 2, 3):
        ceremony.sign(prepared, key)
    room.image.roots.publish(2, metadata.encode(prepared.new_root))
    with pytest.raises(Misconfigured, match="No list of releases is signed by the targets keys of image root 2"):
        Room(room.root).image.resign(NOW)
