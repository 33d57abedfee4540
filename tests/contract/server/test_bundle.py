"""Offline bundles and the public repository, made by the real server and read by the device's own verifier."""

import hashlib
import ssl
import time

import httpx
import pytest

from agent.core import trust
from agent.core.clock import Time
from agent.core.trust_owner import OwnerCheck
from agent.formats import bundle
from agent.formats.release import version_key
from update_server.repository.devicecheck import verify_signature

VERSION = "1.1.0"


def opened(body, device_id="nobody"):
    """Index and files of a bundle, as the camera of that id reads it."""
    head = bundle.parse_head(body[: bundle.HEAD_BYTES])
    assert head.total_bytes == len(body)
    found = bundle.parse_index(body[bundle.HEAD_BYTES : bundle.HEAD_BYTES + head.index_bytes], head, device_id)
    return found, {path: body[at : at + length] for path, (at, length) in found.files.items()}


def converse(check, files, device_id=""):
    while (wanted := check.wants()) is not None:
        folder = "/tuf/image/" if wanted.repository == "image" else f"/tuf/director/{device_id}/"
        found = files.get(folder + wanted.path)
        if found is None:
            check.absent()
        else:
            check.feed(found)
    return check.outcome


def image_root(server):
    return {"root": (server.folder / "tuf/image/1.root.json").read_bytes()}


def owner_outcome(server, files, wanted=""):
    who = trust.Device("nobody", "kawa-1", "a", "1.0.0", 1)
    check = OwnerCheck(who, {"image": image_root(server)}, Time(int(time.time()), 0, 0), verify_signature, wanted)
    return converse(check, files)


@pytest.fixture
def made(server, release, tmp_path):
    """`made("--device", ...)`: what the command says, and the file."""

    def make(*arguments):
        file = tmp_path / "kawa.bundle"
        return server.json("bundle", "make", VERSION, "-o", file, *arguments), file.read_bytes()

    return make


def test_a_bundle_holds_what_a_camera_without_an_operator_needs_and_nothing_else(server, release, made):
    told, body = made()
    slot, tree = release
    found, files = opened(body)
    assert (told["model"], told["version"], told["devices"]) == ("kawa-1", VERSION, 0)
    assert (told["length_bytes"], told["sha256"]) == (len(body), hashlib.sha256(body).hexdigest())
    outcome = owner_outcome(server, files, found.release)
    assert outcome.version == VERSION
    assert files[bundle.target_path(outcome.sha256, outcome.target)] == slot.read_bytes()
    assert files[bundle.target_path(outcome.tree_sha256, outcome.tree_name)] == tree.read_bytes()
    assert found.devices == 0
    audit = server.run("audit").stdout
    assert "bundle make" in audit


def test_cameras_with_an_operator_find_their_own_orders_in_one_bundle(server, new_camera, made):
    cameras = [new_camera().enrol() for _ in range(3)]
    for camera in cameras[:2]:
        server.assign(camera, VERSION)
    told, body = made("--device", cameras[0].serial, "--device", cameras[1].id)
    assert told["devices"] == 2
    for camera in cameras[:2]:
        found, files = opened(body, camera.id)
        assert found.devices == 2
        stored = {
            "image": image_root(server),
            "director": {"root": (server.folder / "tuf/director/1.root.json").read_bytes()},
        }
        who = trust.Device(camera.id, "kawa-1", "a", "1.0.0", 1)
        check = trust.Check(who, stored, Time(0, 0, 0), verify_signature)
        assert converse(check, files, camera.id).version == VERSION
        assert check.issued_at
    _, files = opened(body, cameras[2].id)
    assert not any(path.startswith("/tuf/director/") for path in files)


def test_a_camera_that_is_not_assigned_the_release_is_refused_and_no_file_is_written(server, camera, release, tmp_path):
    file = tmp_path / "kawa.bundle"
    done = server.run("bundle", "make", VERSION, "-o", file, "--device", camera.serial, check=False)
    assert done.returncode == 1
    assert f"device assign {camera.serial} {VERSION}" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    for arguments in (("9.9.9",), (VERSION, "--device", "nobody")):
        assert server.run("bundle", "make", *arguments, "-o", file, check=False).returncode == 1
    assert list(tmp_path.glob("*.bundle*")) == list(tmp_path.glob(".*.part")) == []


def test_the_same_file_comes_by_the_api_to_whom_may_read(server, release, made):
    _, body = made()
    token = server.run("token", "create", "--name", "reader").stdout.strip()
    url = f"{server.people_url}/api/v1/releases/{VERSION}/bundle"
    with httpx.Client(verify=ssl.create_default_context(cafile=server.ca)) as client:
        answer = client.get(url, headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 200
        assert answer.headers["content-disposition"] == f'attachment; filename="kawa-1-{VERSION}.bundle"'
        assert opened(answer.content)[0].release == opened(body)[0].release
        assert len(answer.content) == int(answer.headers["content-length"])
        assert client.get(url).status_code == 401
        refused = client.get(url, params={"device": "nobody"}, headers={"Authorization": f"Bearer {token}"})
        assert refused.status_code == 404


def test_the_public_repository_is_static_files_that_a_camera_verifies(server, release, tmp_path):
    folder = tmp_path / "public"
    told = server.json("release", "export", folder)
    assert told["copied"] == told["targets"] >= 2
    files = {"/" + str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    listed = server.json("release", "list")  # the server is shared: other tests have published as well
    published = [one["version"] for one in listed if (one["model"], one["state"]) == ("kawa-1", "published")]
    assert owner_outcome(server, files).version == max(published, key=version_key)
    again = server.json("release", "export", folder)
    assert (again["copied"], again["copied_bytes"]) == (0, 0)
    assert not any(path.name.startswith(".") for path in folder.rglob("*"))


def test_a_damaged_blob_is_not_exported(server, release, tmp_path):
    slot, _ = release
    blob = next(server.services.settings.path("blobs").glob(f"*.{slot.name}"))
    before = blob.read_bytes()
    blob.write_bytes(before[:-1] + b"\0")
    try:
        done = server.run("release", "export", tmp_path / "public", check=False)
    finally:
        blob.write_bytes(before)
    assert done.returncode == 1
    assert "damaged" in done.stderr
    assert not (tmp_path / "public/tuf/image/timestamp.json").exists()
