"""A rollout as cameras live it: signed reports over real MQTT, metadata over real TLS."""

import pytest

from agent.formats import command
from tests.contract.server.harness import add_release, wait_for
from tests.contract.server.test_broker import Link, report, telemetry
from tests.contract.server.test_repository import device_check

BIRTH = b'{"v":1,"online":true,"version":"1.0.0","slot":"a"}'


@pytest.fixture(scope="module")
def bad_release(server, tmp_path_factory, release):
    return add_release(server, tmp_path_factory.mktemp("build"), "1.2.0")


def ended(server, number, state):
    shown = server.json("rollout", "show", number)
    return shown if shown["state"] == state else None


def test_a_good_release_is_committed_and_a_bad_one_pauses(server, release, bad_release, new_camera):
    # A group of its own, so that the cameras of other tests stay out of it.
    camera = new_camera().enrol()
    server.run("device", "group", camera.id, "bridge")
    link = Link(camera)
    up = link.topic + "up/"

    link.client.subscribe(link.topic + "down/#", 1)
    assert not link.expect("subscribe").is_failure
    link.publish(link.topic + "state", BIRTH, retain=True)

    good = server.json("rollout", "create", "1.1.0", "--phases", "100%", "--group", "bridge")
    nudge = link.expect("message")  # told to look, instead of waiting for its next check
    assert nudge.topic == link.topic + "down/command"
    told = command.parse(nudge.payload)
    assert (told.device, told.name) == (camera.id, command.CHECK)
    link.client.unsubscribe(link.topic + "down/#")

    assert (good["state"], len(good["devices"])) == ("running", 1)
    with camera.client() as client:
        outcome, stored, _ = device_check(camera, client)
        assert outcome.version == "1.1.0"
        for event in ("started", "installed", "committed"):
            link.publish(up + "report", camera.envelope("report", report(event)))
        assert server.json("rollout", "show", good["id"])["state"] == "running"
        link.publish(up + "telemetry", camera.envelope("telemetry", telemetry("1.1.0")))
        shown = wait_for(lambda: ended(server, good["id"], "complete"), "the good rollout")
        assert shown["counts"] == [{"waiting": 0, "pending": 0, "silent": 0, "committed": 1, "failed": 0}]
        assert device_check(camera, client, "1.1.0", stored)[0] is None

        bad = server.json("rollout", "create", "1.2.0", "--phases", "100%", "--group", "bridge")
        # The camera runs a release that this server has, so it first waits for what it has to fetch to be prepared.
        assert bad["counts"][0]["waiting"] == 1
        shown = server.json
        wait_for(lambda: shown("rollout", "show", bad["id"])["counts"][0]["pending"], "the delta and the assignment")
        outcome, stored, _ = device_check(camera, client, "1.1.0", stored)
        assert outcome.version == "1.2.0"
        body = report("rolled_back", "1.2.0", "health") | {"from": "1.1.0"}
        link.publish(up + "report", camera.envelope("report", body))
        shown = wait_for(lambda: ended(server, bad["id"], "paused"), "the bad rollout")
        assert shown["reason"] == "failed cameras: 1 by phase 1 (allowed: 0)"
        assert shown["devices"][0]["code"] == "health"
        assert device_check(camera, client, "1.1.0", stored)[0] is None
    link.close()

    device = server.json("device", "show", camera.serial)
    assert [event["event"] for event in device["updates"]] == ["rolled_back", "committed", "installed", "started"]
    assert device["attention"].startswith("rolled back 1.2.0 health")
    status = server.json("status")
    assert {"id": bad["id"], "version": "1.2.0", "state": "paused", "reason": shown["reason"]} in status["rollouts"]
    server.run("rollout", "abort", bad["id"])
    assert "aborted" in server.run("rollout", "list").stdout
    for what in (
        ("device", "list"),
        ("release", "list"),
        ("rollout", "show", bad["id"]),
        ("device", "show", camera.id),
    ):
        assert server.run(*what).stdout.strip()
