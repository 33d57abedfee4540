"""The operator says "now": signed by the director in the delivery, by command line, API and dashboard; and audited."""

import sqlite3
import time

import httpx
import pytest

from agent.core import trust
from agent.core.clock import Time
from tests.contract.server.test_idle import factory
from update_server.repository.devicecheck import verify_signature


@pytest.fixture
def assigned(camera, release):
    """A camera to which a release is assigned, and which may wait for its window."""
    with camera.client() as client:
        assert client.put("/device/v1/identity", json=camera.identity(version="1.0.0")).status_code == 204
    camera.server.run("device", "assign", camera.id, "1.1.0")
    return camera


def check(camera):
    """The whole verification, as the camera does it."""
    who = trust.Device(camera.id, "kawa-1", "a", "1.0.0", 0)
    found = trust.Check(who, factory(camera), Time(int(time.time()), 0, 0), verify_signature)
    with camera.client() as client:
        while (wanted := found.wants()) is not None:
            base = "image" if wanted.repository == "image" else f"director/{camera.id}"
            answer = client.get(f"/tuf/{base}/{wanted.path}")
            if answer.status_code == 404:
                found.absent()
            else:
                found.feed(answer.content)
    return found


def audited(camera):
    rows = sqlite3.connect(camera.server.folder / "server.db").execute("SELECT what, detail FROM audit").fetchall()
    return [row for row in rows if camera.id in row[1]]


def test_the_director_signs_now_only_when_it_is_told_to(assigned):
    assert check(assigned).delivery.install_now is False
    said = assigned.server.run("device", "update-now", assigned.id).stdout
    assert "install 1.1.0 now" in said
    found = check(assigned)
    assert (found.outcome.version, found.delivery.install_now) == ("1.1.0", True)
    assert ("device update-now", f"{assigned.id} 1.1.0 --now") in audited(assigned)
    assert assigned.server.json("device", "show", assigned.id)["install_now"] is True


def test_now_is_signed_again_with_the_order_and_ends_with_it(assigned):
    server = assigned.server
    server.run("device", "update-now", assigned.id)
    later = int(time.time()) + server.services.settings.tuf.snapshot_valid_s  # then the order itself is signed again
    server.services.director_timestamp(assigned.id, later)
    assert check(assigned).delivery.install_now is True
    server.run("device", "assign", assigned.id, "1.1.0")
    assert check(assigned).delivery.install_now is False


def test_where_nothing_is_left_to_install_there_is_no_now(camera):
    camera.server.run("device", "assign", camera.id, "none")
    done = camera.server.run("device", "update-now", camera.id, check=False)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "nothing" in done.stderr


def test_the_api_says_now_as_well(assigned):
    secret = assigned.server.run("token", "create", "--name", "now", "--write").stdout.strip()
    reader = assigned.server.run("token", "create", "--name", "looks").stdout.strip()
    path = f"/api/v1/devices/{assigned.id}"
    with httpx.Client(verify=assigned.server.context(), base_url=assigned.server.people_url) as client:
        mine, theirs = ({"Authorization": f"Bearer {one}"} for one in (secret, reader))
        assert client.post(path + "/update-now", headers=theirs).status_code == 403
        taken = client.put(path + "/assignment", json={"version": "1.1.0", "install_now": True}, headers=mine)
        assert (taken.status_code, taken.json()["install_now"]) == (200, True)
        client.put(path + "/assignment", json={"version": "1.1.0"}, headers=mine)
        taken = client.post(path + "/update-now", headers=mine)
        assert (taken.status_code, taken.json()["install_now"]) == (200, True)
    assert check(assigned).delivery.install_now is True


def test_a_rollout_says_now_to_its_cameras(assigned):
    server = assigned.server
    server.run("device", "group", assigned.id, "hurry")
    server.run("device", "assign", assigned.id, "none")
    made = server.json("rollout", "create", "1.1.0", "--phases", "100%", "--group", "hurry", "--now")
    try:
        assert made["install_now"] is True
        assert check(assigned).delivery.install_now is True
        rows = sqlite3.connect(server.folder / "server.db").execute("SELECT detail FROM audit").fetchall()
        assert (f"{made['id']} 1.1.0 --now",) in rows
    finally:
        server.run("rollout", "abort", made["id"])
