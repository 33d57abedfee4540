"""Confidential releases: what lies in public folders and goes over the line tells nothing; each camera has its key."""

import random
import shutil
import time

import pytest
from cryptography.exceptions import InvalidTag

from agent.adapters.linux.unpacker import ZstdUnpacker
from agent.formats import delivery, segments
from agent.formats.segments import KEY_INFO
from tests.contract.server import harness
from tests.contract.server.test_allow_older import check, targets
from tests.unit.agent.adapters import hpke_reference
from update_server.db.models import Device
from update_server.deltas.service import LEAST_SAVING, WANTED, Deltas
from update_server.repository import delivery as orders
from update_server.repository import releases

BLOCKS, RUN_BYTES, BLOCK = 60, 64, 4096
PUBLIC, FIRST, SECOND = "8.0.0", "8.1.0", "8.2.0"


def content(version):
    """Each version is the one before with a little in front: all blocks differ, and most of the bytes are there."""
    head = b"".join(random.Random(one).randbytes(500) for one in (PUBLIC, FIRST, SECOND) if one <= version)
    data = head + random.Random(8).randbytes((BLOCKS - 1) * BLOCK)
    return data + bytes(-len(data) % BLOCK)


def add(server, folder, version, *options, **kinds):
    files = harness.write_build(folder, version, content=content(version))
    return server.run("release", "add", files[0], "--tree", files[1], "--manifest", files[2], *options, **kinds)


@pytest.fixture(scope="module")
def published(server, tmp_path_factory):
    """Two confidential releases with their artifacts."""
    folder = tmp_path_factory.mktemp("confidential")
    for version in (FIRST, SECOND):
        assert "confidential" in add(server, folder, version, "--confidential").stdout
    server.run("delta", "make", FIRST, "--full")
    server.run("delta", "make", SECOND, "--full")
    server.run("delta", "make", SECOND, "--from", FIRST)
    return server


@pytest.fixture
def assigned(published, new_camera):
    made = []

    def make(version, running="1.0.0"):
        camera = new_camera().enrol()
        made.append(camera)
        with camera.client() as client:
            assert client.put("/device/v1/identity", json=camera.identity(version=running)).status_code == 204
        published.assign(camera, version)
        return camera

    yield make
    for camera in made:
        published.assign(camera, None)


def way(camera):
    return delivery.parse(targets(camera)["x-camward-delivery"]).artifact


def fetched(camera, artifact):
    with camera.client() as client:
        return client.get(f"/targets/{artifact.sha256}.{artifact.name}").content


def key_of(camera, artifact):
    info = KEY_INFO + bytes.fromhex(artifact.index_sha256)
    return hpke_reference.unseal(camera.unsealing_key, artifact.enc, info, artifact.sealed)


def opened(body, artifact, key, old=b""):
    index, unpacker, found = segments.parse(body[: artifact.index_length_bytes]), ZstdUnpacker(), b""
    for number in range(index.segment_count):
        one = index.segment(number)
        frame = unpacker.decrypt(key, number, body[one.offset : one.offset + one.stored_bytes])
        source = bytearray(old[one.source_first * BLOCK :][: one.source_blocks * BLOCK])
        found += unpacker.unpack(frame, source, one.blocks * BLOCK)
    return found


def shows(body, plain):
    """Whether any aligned run of the plain image stands anywhere in these bytes."""
    runs = {plain[at : at + RUN_BYTES] for at in range(0, len(plain) - RUN_BYTES, RUN_BYTES)}
    return any(body[at : at + RUN_BYTES] in runs for at in range(len(body) - RUN_BYTES + 1))


def slot_name(server, version):
    row = next(one for one in server.json("release", "list") if one["version"] == version)
    return f"{row['sha256']}.{row['target']}"


def test_a_camera_comes_to_the_release_with_its_key_and_with_no_other(assigned):
    one, other = assigned(FIRST), assigned(FIRST)
    assert check(one, "1.0.0") == FIRST
    mine, theirs = way(one), way(other)
    assert (mine.sha256, mine.origin) == (theirs.sha256, "")
    assert mine.enc != theirs.enc
    body = fetched(one, mine)
    assert opened(body, mine, key_of(one, mine)) == content(FIRST)
    assert opened(body, theirs, key_of(other, theirs)) == content(FIRST)
    for camera, artifact in ((one, theirs), (other, mine)):
        with pytest.raises(InvalidTag):
            key_of(camera, artifact)


def test_a_delta_between_two_of_them_is_small_and_encrypted(assigned):
    camera = assigned(SECOND, running=FIRST)
    artifact = way(camera)
    assert artifact.origin
    assert artifact.length_bytes < 16 * 1024
    body, key = fetched(camera, artifact), key_of(camera, artifact)
    assert opened(body, artifact, key, content(FIRST)) == content(SECOND)


def test_no_two_artifacts_share_a_key(published):
    folder = published.folder / "keys" / "content"
    keys = [path.read_bytes() for path in folder.iterdir()]
    assert len(set(keys)) == len(keys) >= 3
    assert {oct(path.stat().st_mode)[-3:] for path in (folder, *folder.iterdir())} == {"700", "600"}


def test_neither_public_folders_nor_any_answer_hold_the_image_or_a_key(published, assigned, tmp_path):
    """What a content network holds, and all that a camera is ever answered, is searched."""
    camera = assigned(FIRST)
    stolen = shutil.copytree(published.folder / "targets", tmp_path / "targets")
    shutil.copytree(published.folder / "tuf", tmp_path / "tuf")
    plain, name = content(FIRST), slot_name(published, FIRST)
    keys = [path.read_bytes() for path in (published.folder / "keys" / "content").iterdir()]
    bodies = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    with camera.client() as client:
        refused = client.get(f"/targets/{name}")
        assert refused.status_code == 404
        bodies += [refused.content, str(targets(camera)).encode()]
    assert not (stolen / name).exists()
    for body in bodies:
        assert not shows(body, plain)
        assert not any(key in body or key.hex().encode() in body for key in keys)
    private = published.folder / "confidential" / name
    assert shows(private.read_bytes(), plain), "the control: where it lies"
    assert [oct(path.stat().st_mode)[-3:] for path in (private.parent, private)] == ["700", "600"]


def test_an_idle_fleet_is_not_signed_again_and_again(published, assigned):
    camera = assigned(FIRST)
    first, services, now = targets(camera), published.services, int(time.time())
    assert services.redeliver(now) == 0
    with services.database.write() as session:
        device = session.get(Device, camera.id)
        row = releases.find(session, FIRST)
        how = services._how(session, device, row)
        assert how == first["x-camward-delivery"]
        later = now + services.settings.tuf.director_timestamp_age_s + 1
        services._refresh(session, device, later)
        assert services.director.delivery(session, camera.id) == how
    assert targets(camera) == first
    with services.database.write() as session:  # an order of its own keeps the key as well
        services.update_now(session, session.get(Device, camera.id), now)
    again = targets(camera)
    assert again["version"] > first["version"]
    assert again["x-camward-delivery"]["artifact"] == first["x-camward-delivery"]["artifact"]


def test_another_key_of_the_camera_is_signed_anew(published, assigned):
    camera = assigned(FIRST)
    before = way(camera)
    services = published.services
    camera.unsealing_key = harness.ec.generate_private_key(harness.ec.SECP256R1())
    with services.database.write() as session:  # as if it had been removed, and had enrolled again
        session.get(Device, camera.id).unsealing_key = camera.identity()["unsealing_public_key"]
    assert services.redeliver(int(time.time())) == 1
    after = way(camera)
    assert after.enc != before.enc
    assert opened(fetched(camera, after), after, key_of(camera, after)) == content(FIRST)


def test_the_unsealing_key_is_taken_once(new_camera):
    camera = new_camera().enrol()
    first = camera.identity()
    camera.unsealing_key = harness.ec.generate_private_key(harness.ec.SECP256R1())
    p384 = harness.public_pem(harness.ec.generate_private_key(harness.ec.SECP384R1()).public_key())
    with camera.client() as client:
        assert client.put("/device/v1/identity", json=first).status_code == 204
        answer = client.put("/device/v1/identity", json=camera.identity())
        assert (answer.status_code, "Another unsealing key" in answer.text) == (409, True)
        for wrong in (p384, "", "nonsense", 7):
            answer = client.put("/device/v1/identity", json=first | {"unsealing_public_key": wrong})
            assert (answer.status_code, "unsealing_public_key" in answer.text) == (400, True)


def test_a_camera_without_a_key_gets_none_of_them(published, camera):
    with published.services.database.write() as session:
        session.get(Device, camera.id).unsealing_key = None
    done = published.run("device", "assign", camera.id, FIRST, check=False)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "named no key to encrypt it for" in done.stderr
    assert targets(camera)["targets"] == {}


def test_people_see_which_releases_are_confidential(published):
    listed = {one["version"]: one["confidential"] for one in published.json("release", "list")}
    assert (listed[FIRST], listed[SECOND]) == (True, True)
    assert f"kawa-1 {FIRST} --confidential" in published.run("audit").stdout


def test_a_lost_content_key_makes_another_artifact_with_another_key(published, assigned):
    camera = assigned(FIRST)
    before = way(camera)
    kept = published.folder / "keys" / "content" / f"{before.sha256}.key"
    key = kept.read_bytes()
    kept.unlink()
    other = published.run("device", "assign", camera.id, FIRST, check=False)
    assert "encrypted form is not made yet" in other.stderr
    published.run("delta", "make", FIRST, "--full")
    after = way(camera)
    assert after.sha256 != before.sha256
    assert key_of(camera, after) != key
    assert opened(fetched(camera, after), after, key_of(camera, after)) == content(FIRST)


@pytest.fixture(scope="module")
def quiet(tmp_path_factory):
    """A server that does not run: nothing is made behind the test's back."""
    made = harness.make_server(tmp_path_factory.mktemp("quiet") / "s")
    yield made
    made.services.close()


def test_a_rollout_waits_for_the_encrypted_form_also_when_deltas_are_off(quiet, tmp_path):
    add(quiet, tmp_path / "build", PUBLIC)
    add(quiet, tmp_path / "build", FIRST, "--confidential")
    services = quiet.services
    off = Deltas(services.database, services.blobs, services.confidential, services.content_keys, 0, 0)
    far = int(time.time()) + 10**6
    with services.database.write() as session:
        for row in services.deltas.listed(session):
            session.delete(row)
        public, row = (releases.find(session, version) for version in (PUBLIC, FIRST))
        off.want_for(session, public, far)
        assert off.listed(session) == []
        off.want_for(session, row, far)
        assert [(one.from_version, one.state) for one in off.listed(session)] == [("", WANTED)]
        assert off.ready(session, "1.0.0", public, far)
        assert not off.ready(session, "1.0.0", row, far)
        assert not off.ready(session, "1.0.0", row, 2 * far)
        assert off.artifact(session, "1.0.0", row) is None
    while off.work(far):
        pass
    with services.database.write() as session:
        row = releases.find(session, FIRST)
        assert off.ready(session, "1.0.0", row, far)
        made = off.artifact(session, "1.0.0", row)
        assert made.length_bytes > row.length_bytes * (1 - LEAST_SAVING), "too little is saved; offered all the same"
        assert orders.of(None, (), made)["artifact"]["sha256"] == made.sha256


def test_the_same_image_is_not_added_both_ways(quiet, tmp_path):
    add(quiet, tmp_path / "build", SECOND)
    renamed = harness.write_build(tmp_path / "other", "8.2.1", content=content(SECOND))
    line = ("release", "add", renamed[0], "--tree", renamed[1], "--manifest", renamed[2], "--confidential")
    done = quiet.run(*line, check=False)
    assert done.returncode == 1
    assert "is public already" in done.stderr
