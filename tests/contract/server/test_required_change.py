"""The server's order that passwords be changed: signed for the camera, by command line and API; shown; audited."""

import csv
import io
import time

import httpx
import pytest

from agent.formats import required_change
from agent.formats.required_change import ChangeReport
from tests.contract.server.test_update_now import audited, check
from update_server.fleet.ingest import Incoming, take_batch

DAY_S = 86_400


def signed(camera):
    """The order in the camera's verified targets; None without one."""
    told = check(camera).directed.get(required_change.MEMBER)
    return None if told is None else required_change.parse(told)


def mine(camera, rows):
    (row,) = [one for one in rows if one["id"] == camera.id]
    return row


def shown(camera):
    return mine(camera, camera.server.json("fleet", "passwords"))


def test_the_director_signs_it_for_this_camera_and_takes_it_back(camera, new_camera):
    other = new_camera().enrol()
    assert signed(camera) is None
    before = int(time.time())
    said = camera.server.run("device", "require-change", camera.id, "--reason", "staff-left").stdout
    assert "has to change its passwords" in said
    order = signed(camera)
    assert before <= order.since_at <= time.time()
    assert (order.remind_at, order.restrict_at, order.claim_only_at, order.reason) == (
        order.since_at, order.since_at + 7 * DAY_S, order.since_at + 14 * DAY_S, "staff_left",
    )  # fmt: skip
    assert signed(other) is None
    assert shown(camera)["verdict"] == "not_taken"
    camera.server.run("device", "withdraw-change", camera.id)
    assert signed(camera) is None
    assert [what for what, _ in audited(camera)][-2:] == ["device require-change", "device withdraw-change"]
    again = camera.server.run("device", "withdraw-change", camera.id, check=False)
    assert (again.returncode, again.stderr.count("\n")) == (1, 1)


def test_it_stays_with_other_orders_and_is_signed_again_with_them(camera, release):
    camera.server.run("device", "require-change", camera.id, "--reason", "compromised", "--restrict", "now")
    order = signed(camera)
    camera.server.run("device", "assign", camera.id, "1.1.0")
    found = check(camera)
    assert found.outcome.version == "1.1.0"
    assert signed(camera) == order
    later = int(time.time()) + camera.server.services.settings.tuf.snapshot_valid_s
    camera.server.services.director_timestamp(camera.id, later)
    assert signed(camera) == order
    camera.server.run("device", "withdraw-change", camera.id)
    assert check(camera).outcome.version == "1.1.0"


def test_an_amended_order_concerns_nobody_new(camera):
    amend = ("device", "require-change", camera.id, "--amend", "--reason", "policy", "--restrict", "30d")
    amend += ("--claim-only", "never")
    assert camera.server.run(*amend, check=False).returncode == 1, "there is nothing to amend"
    camera.server.run("device", "require-change", camera.id, "--reason", "compromised", "--restrict", "now")
    before = signed(camera)
    camera.server.run(*amend)
    after = signed(camera)
    assert (after.since_at, after.reason, after.claim_only_at) == (before.since_at, "policy", required_change.NEVER)
    assert after.restrict_at >= before.since_at + 30 * DAY_S


@pytest.mark.parametrize(
    "wrong",
    [
        ("--reason", "because"),
        ("--reason", "policy", "--restrict", "3d", "--claim-only", "2d"),
        ("--reason", "policy", "--claim-only", "400d"),
        ("--reason", "policy", "--restrict", "soon"),
    ],
)
def test_an_order_that_makes_no_sense_is_refused_in_one_line(camera, wrong):
    done = camera.server.run("device", "require-change", camera.id, *wrong, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert signed(camera) is None


def test_a_group_gets_it_as_a_whole_and_the_view_follows_what_the_cameras_say(camera, new_camera):
    server, other = camera.server, new_camera().enrol()
    for one in (camera, other):
        server.run("device", "group", one.id, f"g{camera.id[:6]}")
    group = ("--group", f"g{camera.id[:6]}")
    assert "2 cameras have" in server.run("fleet", "require-change", *group, "--reason", "routine").stdout
    order = signed(camera)
    assert order.reason == signed(other).reason == "routine"
    for event, behind in (("accepted", 2), ("changed", 1)):
        body = required_change.report_body(ChangeReport(event, order.since_at, behind, 2, ""))
        message = Incoming(f"camward/1/{camera.id}/up/report", camera.envelope("report", body))
        take_batch(server.services.database, server.services.ingest, [message], int(time.time()))
    assert shown(camera)["behind"] == 1
    assert (shown(camera)["verdict"], shown(other)["verdict"]) == ("old", "not_taken")
    ids = {one["id"] for one in server.json("fleet", "passwords", "--old")}
    assert {camera.id, other.id} <= ids
    table = list(csv.DictReader(io.StringIO(server.run("fleet", "passwords", "--csv").stdout)))
    assert mine(camera, table)["verdict"] == "old"
    assert "2 cameras need not" in server.run("fleet", "withdraw-change", *group).stdout
    assert signed(camera) is signed(other) is None


def test_nobody_orders_a_whole_fleet_by_leaving_something_out(server):
    done = server.run("fleet", "require-change", "--reason", "routine", check=False)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "group" in done.stderr


def test_the_api_orders_shows_and_takes_back(camera):
    secret = camera.server.run("token", "create", "--name", "changes", "--write").stdout.strip()
    reader = camera.server.run("token", "create", "--name", "looks").stdout.strip()
    path = f"/api/v1/devices/{camera.id}/required-change"
    with httpx.Client(verify=camera.server.context(), base_url=camera.server.people_url) as client:
        may, may_not = ({"Authorization": f"Bearer {one}"} for one in (secret, reader))
        wanted = {"reason": "compromised", "restrict_after_s": 0, "claim_only_after_s": None}
        assert client.put(path, json=wanted, headers=may_not).status_code == 403
        assert client.put(path, json=wanted | {"password": "x"} | {"reason": "x"}, headers=may).status_code == 422
        assert client.put(path, json=wanted, headers=may).json()["verdict"] == "not_taken"
        assert signed(camera).claim_only_at == required_change.NEVER
        listed = client.get("/api/v1/passwords", headers=may_not).json()
        assert mine(camera, listed)["reason"] == "compromised"
        assert camera.id in client.get("/api/v1/passwords.csv", headers=may_not).text
        many = {"reason": "routine", "site": "nowhere"}
        assert client.post("/api/v1/passwords/require-change", json=many, headers=may).status_code == 404
        assert client.delete(path, headers=may_not).status_code == 403
        assert client.delete(path, headers=may).json()["verdict"] == "no_order"
    assert signed(camera) is None
