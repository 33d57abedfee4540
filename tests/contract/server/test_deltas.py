"""Artifacts on a running server: made in the background, signed into the orders of the cameras that can use them."""

import hashlib
import json
import random
import time

import httpx
import pytest

from agent.formats import delivery, segments
from tests.contract.server.test_allow_older import check, targets
from tests.unit.server.applier import applied, leaves

OLD, NEW, NEWER = "6.0.0", "6.1.0", "6.2.0"
RELATED = 300  # blocks


def content(version):
    """Slots of which each is the one before with a little inserted, so that all their blocks differ."""
    head = b"".join(random.Random(one).randbytes(500) for one in (OLD, NEW, NEWER) if one <= version)
    data = head + random.Random(0).randbytes(RELATED * 4096)
    return data + bytes(-len(data) % 4096)


@pytest.fixture(scope="module")
def releases(server, tools, tmp_path_factory):
    """Two releases, each almost the one before."""
    folder = tmp_path_factory.mktemp("deltas")
    for version in (OLD, NEW):
        add(server, tools, folder, version)
    return folder


def add(server, tools, folder, version):
    files = tools.write_build(folder, version, content=content(version))
    server.run("release", "add", files[0], "--tree", files[1], "--manifest", files[2])


@pytest.fixture
def old_camera(camera, releases):
    """A camera that runs the older release, as the server knows."""
    with camera.client() as client:
        assert client.put("/device/v1/identity", json=camera.identity(version=OLD)).status_code == 204
    yield camera
    camera.server.assign(camera, None)


def made(server, to=NEW, frm=OLD):
    """The pair's line once it is made."""
    rows = [row for row in server.json("delta", "list", to) if (row["from"], row["state"]) == (frm, "made")]
    return rows[0] if rows else None


def test_a_release_costs_a_camera_that_runs_the_one_before_next_to_nothing(old_camera, tools):
    server = old_camera.server
    server.run("delta", "make", NEW, "--from", OLD)
    row = made(server)
    assert (row["full_bytes"], row["sent_blocks"]) == ((RELATED + 1) * 4096, RELATED + 1)
    assert row["delta_bytes"] < 8192

    server.assign(old_camera, NEW)
    way = delivery.parse(targets(old_camera)["x-camward-delivery"])
    assert way.artifact.length_bytes == row["delta_bytes"]
    assert check(old_camera, OLD) == NEW
    with old_camera.client() as client:
        answer = client.get(f"/targets/{way.artifact.sha256}.{way.artifact.name}")
        head = client.get(str(answer.url), headers={"Range": f"bytes=0-{way.artifact.index_length_bytes - 1}"})
    assert hashlib.sha256(answer.content).hexdigest() == way.artifact.sha256
    assert (head.status_code, hashlib.sha256(head.content).hexdigest()) == (206, way.artifact.index_sha256)
    assert segments.parse(head.content).segment_count == row["segments"]
    new = applied(content(OLD), leaves(content(NEW)), answer.content, way.artifact.index_length_bytes)
    assert new == content(NEW)


def test_a_camera_of_another_version_gets_what_builds_on_nothing_or_plain_blocks(camera, releases):
    server = camera.server
    server.run("delta", "make", NEW, "--full")
    assert made(server, frm="")["delta_bytes"] > RELATED * 4096  # of noise, no smaller than the slot: not offered
    server.assign(camera, NEW)
    assert "x-camward-delivery" not in targets(camera)
    server.assign(camera, None)


def test_what_is_made_later_is_signed_into_orders_that_are_not_yet_followed(old_camera, tools, releases):
    server = old_camera.server
    add(server, tools, releases, NEWER)  # it is wanted from now on: this camera runs an older one
    server.assign(old_camera, NEWER)
    first = targets(old_camera)
    tools.wait_for(lambda: made(server, NEWER), "the running server to make it")
    way = tools.wait_for(lambda: targets(old_camera).get("x-camward-delivery"), "the order to be signed again")
    shown = server.run("release", "show", OLD).stdout
    assert way["artifact"]["from"] in shown
    assert targets(old_camera)["version"] > first["version"]
    assert targets(old_camera)["targets"] == first["targets"]


def test_it_is_made_once_and_found_again(old_camera, tools):
    server = old_camera.server
    server.run("delta", "make", NEW, "--from", OLD)
    before = made(server)
    begun = time.monotonic()
    server.run("delta", "make", NEW, "--from", OLD)
    assert made(server) == before
    assert time.monotonic() - begun < tools.DEADLINE_S


def test_the_api_says_what_a_release_costs(old_camera):
    server = old_camera.server
    server.run("delta", "make", NEW, "--from", OLD)
    secret = server.run("token", "create", "--name", "deltas").stdout.strip()
    headers = {"Authorization": f"Bearer {secret}"}
    with httpx.Client(verify=server.context(), base_url=server.people_url, headers=headers) as client:
        rows = client.get(f"/api/v1/releases/{NEW}/deltas").json()
        assert made(server) in rows
        assert client.get("/api/v1/releases/9.9.9/deltas").status_code == 404


def test_a_damaged_old_release_is_named_in_one_line_and_nothing_is_published(old_camera, tools, releases):
    server = old_camera.server
    shown = json.loads(server.run("release", "show", OLD).stdout)
    blob = server.services.blobs.path(f"{shown['sha256']}.{shown['target']}")
    genuine = blob.read_bytes()
    with server.services.database.write() as session:  # as if it had never been made
        for row in server.services.deltas.listed(session):
            session.delete(row)
    blob.chmod(0o644)
    blob.write_bytes(genuine[:-1] + b"x")
    try:
        done = server.run("delta", "make", NEW, "--from", OLD, check=False)
    finally:
        blob.write_bytes(genuine)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert f"{shown['target']} is missing or damaged" in done.stderr
    assert [row["state"] for row in server.json("delta", "list", NEW)] == ["failed"]
    server.run("delta", "make", NEW, "--from", OLD)
    assert made(server)


def test_wrong_use_is_refused_in_one_line(old_camera):
    for arguments, said in (((NEW, "--from", NEW), "release itself"), ((NEW, "--from", "0.0.9"), "no release 0.0.9")):
        done = old_camera.server.run("delta", "make", *arguments, check=False)
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1
        assert said in done.stderr


def test_nothing_is_left_behind_but_artifacts(old_camera):
    server = old_camera.server
    server.run("delta", "make", NEW, "--from", OLD)
    assert not [path.name for path in server.services.blobs.folder.iterdir() if path.name.startswith(".delta-")]
