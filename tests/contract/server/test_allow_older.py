"""Back to an older release: with the director's signed permission, within the security epoch, and never otherwise."""

import sqlite3
import time

import httpx
import pytest

from agent.core import trust
from agent.core.clock import Time
from tests.contract.server.test_idle import factory
from update_server.repository.devicecheck import verify_signature


@pytest.fixture(scope="module")
def releases(server, tools, tmp_path_factory):
    """Two releases of epoch 1 and one of epoch 2."""
    folder = tmp_path_factory.mktemp("older")
    for version, epoch in (("3.0.0", 1), ("3.1.0", 1), ("3.2.0", 2)):
        slot, tree, manifest = tools.write_build(folder, version, security_epoch=epoch)
        server.run("release", "add", slot, "--tree", tree, "--manifest", manifest)


@pytest.fixture
def runs(camera, releases):
    """A camera that runs the given version, as the server knows."""

    def say(version):
        with camera.client() as client:
            assert client.put("/device/v1/identity", json=camera.identity(version=version)).status_code == 204
        return camera

    return say


def check(camera, version, rollback_index=1):
    """What the camera would install now, or the code of its refusal."""
    who = trust.Device(camera.id, "kawa-1", "a", version, rollback_index)
    found = trust.Check(who, factory(camera), Time(int(time.time()), 0, 0), verify_signature)
    with camera.client() as client:
        try:
            while (wanted := found.wants()) is not None:
                base = "image" if wanted.repository == "image" else f"director/{camera.id}"
                answer = client.get(f"/tuf/{base}/{wanted.path}")
                if answer.status_code == 404:
                    found.absent()
                else:
                    found.feed(answer.content)
        except trust.TrustError as error:
            return error.code
    return found.outcome.version if found.outcome else None


def targets(camera):
    with camera.client() as client:
        stamp = client.get(f"/tuf/director/{camera.id}/timestamp.json").json()["signed"]
        pinned = client.get(f"/tuf/director/{camera.id}/{stamp['meta']['snapshot.json']['version']}.snapshot.json")
        version = pinned.json()["signed"]["meta"]["targets.json"]["version"]
        return client.get(f"/tuf/director/{camera.id}/{version}.targets.json").json()["signed"]


def test_without_the_flag_the_server_refuses_in_one_line(runs):
    camera = runs("3.1.0")
    before = targets(camera)
    done = camera.server.run("device", "assign", camera.id, "3.0.0", check=False)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "older than 3.1.0" in done.stderr
    assert "--allow-older" in done.stderr
    assert targets(camera) == before
    assert check(camera, "3.1.0") is None


def test_with_the_flag_the_camera_takes_the_older_release_within_its_epoch(runs):
    camera = runs("3.1.0")
    said = camera.server.run("device", "assign", camera.id, "3.0.0", "--allow-older").stdout
    assert "may go back" in said
    assert targets(camera)["x-camward-allow-older"] is True
    assert check(camera, "3.1.0") == "3.0.0"
    assert check(camera, "3.0.0") is None
    assert check(camera, "3.1.0", rollback_index=2) == "epoch_rollback"


def test_the_permission_is_signed_again_with_the_order_and_ends_with_it(runs):
    camera = runs("3.1.0")
    camera.server.run("device", "assign", camera.id, "3.0.0", "--allow-older")
    services = camera.server.services
    before = targets(camera)["version"]
    later = int(time.time()) + services.settings.tuf.snapshot_valid_s  # then the order itself is signed again
    services.director_timestamp(camera.id, later)
    again = targets(camera)
    assert again["version"] > before
    assert again["x-camward-allow-older"] is True
    for version in ("3.2.0", "none"):
        camera.server.run("device", "assign", camera.id, version)
        assert "x-camward-allow-older" not in targets(camera)


def test_below_the_epoch_no_flag_helps(runs):
    camera = runs("3.2.0")
    done = camera.server.run("device", "assign", camera.id, "3.1.0", "--allow-older", check=False)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "security epoch 1" in done.stderr
    assert "x-camward-allow-older" not in targets(camera)


def test_the_audit_log_says_who_allowed_it(runs):
    camera = runs("3.1.0")
    camera.server.run("device", "assign", camera.id, "3.0.0", "--allow-older")
    rows = sqlite3.connect(camera.server.folder / "server.db").execute("SELECT what, detail FROM audit").fetchall()
    assert ("device assign", f"{camera.id} 3.0.0 --allow-older") in rows


def test_the_api_allows_it_as_well_and_shows_it(runs):
    camera = runs("3.1.0")
    secret = camera.server.run("token", "create", "--name", "older", "--write").stdout.strip()
    headers = {"Authorization": f"Bearer {secret}"}
    path = f"/api/v1/devices/{camera.id}"
    with httpx.Client(verify=camera.server.context(), base_url=camera.server.people_url, headers=headers) as client:
        refused = client.put(path + "/assignment", json={"version": "3.0.0"})
        assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
        taken = client.put(path + "/assignment", json={"version": "3.0.0", "allow_older": True})
        assert (taken.status_code, taken.json()["allow_older"]) == (200, True)
        assert client.get(path).json()["allow_older"] is True
    assert check(camera, "3.1.0") == "3.0.0"
