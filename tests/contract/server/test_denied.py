"""A camera that is denied: broker and device listener shut it out while the server runs, standing sessions included."""

import pytest

from tests.contract.server.test_broker import Link, ingest_client, refusals, report, row, telemetry

PATHS = ("/device/v1/ownership", "/tuf/image/timestamp.json", "/targets/x", "/device/v1/time/" + "0" * 32)
RENEWAL = "/.well-known/est/simplereenroll"


def own_paths(camera):
    return [*PATHS, *(f"/tuf/director/{camera.id}/{name}.json" for name in ("timestamp", "1.root", "1.targets"))]


def subscribed(link):
    link.client.subscribe(f"{link.topic}down/command", 1)
    assert not link.expect("subscribe").is_failure
    return link


def taken(camera, link):
    """Whether the broker takes a message of this camera's."""
    return not link.publish(f"{link.topic}up/telemetry", camera.envelope("telemetry", telemetry())).is_failure


@pytest.fixture
def other(new_camera):
    """Another camera of the fleet, with a session that stands."""
    camera = new_camera().enrol()
    link = subscribed(Link(camera))
    yield camera, link
    link.close()


def test_a_session_that_stands_can_neither_write_nor_read_from_then_on_and_others_notice_nothing(
    camera, other, server, tools
):
    bystander, theirs = other
    link = subscribed(Link(camera))
    assert taken(camera, link)
    told = server.json("device", "deny", camera.serial)
    assert (told["id"], told["online"]) == (camera.id, False)
    assert told["denied_at"] > 0
    tools.wait_for(lambda: not taken(camera, link), "the broker to shut the camera out")
    for topic in ("up/report", "up/alarm", "up/evidence", "state"):
        assert link.publish(link.topic + topic, camera.envelope("report", report("committed"))).is_failure, topic
    # The one that is denied hears nothing; its neighbour, whose session still is the same, hears what comes after.
    ingest = ingest_client(server)
    ingest.publish(f"{link.topic}down/command", b"for the denied", 1)
    ingest.publish(f"{theirs.topic}down/command", b"for the other", 1)
    assert theirs.expect("message").payload == b"for the other"
    assert taken(bystander, theirs)
    assert link.events.empty()
    link.close()
    link = subscribed(Link(camera))
    assert not taken(camera, link), "a new session opens nothing either"
    server.run("device", "allow", camera.serial)
    tools.wait_for(lambda: taken(camera, link), "the broker to let it in again")
    ingest.publish(f"{link.topic}down/command", b"welcome", 1)
    assert link.expect("message").payload == b"welcome"
    ingest.disconnect()
    ingest.loop_stop()
    link.close()


def test_its_last_will_says_nothing_any_more(camera, server, tools):
    link = Link(camera)
    link.publish(f"{link.topic}state", b'{"v":1,"online":true,"version":"1.0.0","slot":"a"}', retain=True)
    tools.wait_for(lambda: row(camera).online, "birth")
    server.run("device", "deny", camera.serial)
    tools.wait_for(lambda: not taken(camera, link), "the broker to shut the camera out")
    before = len(refusals(camera))
    link.close(cut=True)
    probe = Link(camera)
    assert not taken(camera, probe)
    probe.close()
    assert len(refusals(camera)) == before
    assert not row(camera).online


def test_the_device_listener_refuses_it_at_once_also_on_a_connection_that_stands(camera, server):
    with camera.client() as client:
        allowed = {path: client.get(path).status_code for path in own_paths(camera)}
        assert set(allowed.values()) <= {200, 404}
        assert client.post(RENEWAL, content=camera.csr()).status_code == 200
        server.run("device", "deny", camera.serial)
        for path in own_paths(camera):
            assert client.get(path).status_code == 403, path
        assert client.put("/device/v1/identity", json=camera.identity()).status_code == 403
        refused = client.post(RENEWAL, content=camera.csr())
        assert (refused.status_code, refused.json()["what"]) == (403, "This camera is denied.")
        assert camera.simpleenroll(camera.token()).status_code == 403, "a token is no way around"
        server.run("device", "allow", camera.serial)
        assert {path: client.get(path).status_code for path in own_paths(camera)} == allowed
        assert client.post(RENEWAL, content=camera.csr()).status_code == 200


def test_a_camera_that_was_removed_says_nothing_to_the_broker_until_it_enrols_again(camera, other, server, tools):
    link = Link(camera)
    assert taken(camera, link)
    server.run("device", "remove", camera.serial)
    tools.wait_for(lambda: not taken(camera, link), "the broker to shut the camera out")
    camera.enrol()
    tools.wait_for(lambda: taken(camera, link), "the broker to let it in again")
    link.close()
    assert taken(*other)


def test_it_stays_denied_over_a_restart_of_the_server_and_its_broker(tmp_path, tools):
    server = tools.make_server(tmp_path / "s")
    tools.start(server)
    try:
        denied, other = (tools.Camera(server, tmp_path / name, f"KW1-{name}").enrol() for name in ("denied", "other"))
        tools.stop(server)
        server.run("device", "deny", denied.serial)
        tools.start(server)
        for camera, let_in in ((denied, False), (other, True)):
            link = Link(camera)
            assert taken(camera, link) is let_in
            link.close()
    finally:
        tools.stop(server)


def test_who_denied_it_is_in_the_audit_log_and_the_list_shows_it(camera, server):
    server.run("device", "deny", camera.serial)
    once = server.json("device", "deny", camera.serial)
    assert server.json("device", "deny", camera.serial) == once, "since when does not move"
    assert [one["denied_at"] for one in server.json("device", "list") if one["id"] == camera.id] == [once["denied_at"]]
    assert server.json("device", "allow", camera.serial)["denied_at"] is None
    assert server.json("device", "show", camera.serial)["denied_at"] is None
    lines = [one for one in server.json("audit") if camera.id in one["detail"]]
    assert [one["what"] for one in lines][-4:] == ["device deny"] * 3 + ["device allow"]
    assert all(one["who"].startswith("console:") for one in lines)
