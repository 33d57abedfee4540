"""docs/runbooks/lost-password.md, followed at a camera whose administrator has lost the password; and by thieves."""

import json
import re
from pathlib import Path

import pytest

from agent.formats import messages
from firmware_sim.world import factory
from firmware_sim.world.people import PASSWORD, USER, claim, enrol, login, request
from tests.scenario.owners import restarted
from tests.scenario.test_required_change import tell

RUNBOOK = Path(__file__).resolve().parents[2] / "docs" / "runbooks" / "lost-password.md"
NEW = "Yama no ue ni 5 tsu no hoshi"
SECRETS = ("credentials/web.json", "credentials/digest.json", "secret/device.key")


def commands(tool):
    """What the runbook has people type, in order."""
    blocks = re.findall(r"```sh\n(.*?)```", RUNBOOK.read_text(encoding="utf-8"), re.DOTALL)
    return [line.split()[1] for block in blocks for line in block.splitlines() if line.startswith(tool + " ")]


@pytest.fixture
def camera(stage):
    world = stage.world()
    world.power_on()
    world.run_for(1)
    return world


def last_words(world):
    return [messages.parse_state(payload).gone for payload in world.broker.on("/state")]


def test_the_runbook_gives_back_a_camera_that_knows_nothing_of_before(stage, camera):
    grant = login(camera)["grant"]
    before = {name: camera.documents.content.get(name) for name in SECRETS}
    device = camera.device_id()
    keys = [camera.documents.content[f"identity/{name}.key.pem"] for name in ("tls", "evidence")]
    for _ in range(12):
        login(camera, "is it this one?")
    assert login(camera)["code"] == "wait", "who has forgotten it has tried"

    assert commands("camward-agent") == ["erase", "claim"]
    assert camera.admin("erase")["ok"]
    restarted(camera)

    assert last_words(camera)[-1] == "erase"
    assert camera.ask("web", request("state"))["state"] == "unclaimed"
    assert login(camera) == {"v": 1, "ok": False, "code": "unclaimed"}
    assert claim(camera, password=NEW)["ok"]
    camera.run_for(60)
    assert login(camera, NEW)["ok"]
    assert login(camera, PASSWORD)["code"] == "denied"
    assert camera.ask("web", request("device", grant=grant))["code"] == "denied", "a session of before"
    for service in ("web", "rtsp", "onvif"):
        found = camera.ports.services.enter({"name": service, "way": "digest"}, "198.51.100.7", USER, PASSWORD)
        assert found == "refused", service
    assert not [name for name in SECRETS if before[name] and camera.documents.content.get(name) == before[name]]
    assert camera.device_id() != device
    assert not set(keys) & set(camera.documents.content.values())
    grant = login(camera, NEW)["grant"]
    assert camera.admin("status")["operator"] in ("", None)
    enrol(camera, stage.operator, grant)


ORDERS = ("erase", "recover", "reset", "unclaim", "set_password", "claim")


def test_nobody_does_it_from_afar_with_all_of_the_servers_keys(stage, camera):
    """Signed orders of every name that there might be, and messages of the broker; then the camera itself, in hand."""
    names = ("credentials/state.json", "credentials/web.json", "identity/tls.key.pem", "ownership/record.json")
    before = {name: camera.documents.content[name] for name in names}
    order = {"v": 1, "since_at": int(camera.clock.now_s), "remind_at": int(camera.clock.now_s), "reason": "staff_left"}
    for name in ORDERS:
        tell(stage, camera, dict(order, **{name: True, "op": name}))
        stage.operator.director.extra["targets"]["x-camward-" + name] = {
            "v": 1,
            "op": name,
            "user": USER,
            "password": NEW,
        }
        camera.server.files.update(stage.operator.files)
        camera.admin("check")
        camera.run_for(300)
        stage.operator.director.extra["targets"].pop("x-camward-" + name)
        for topic in camera.link.subscribed:
            camera.link.deliver(topic, json.dumps({"v": 1, "type": "command", "op": name, "yes": True}).encode())
            camera.run_for(10)
    assert {name: camera.documents.content[name] for name in names} == before
    assert camera.ask("web", request("state"))["state"] == "claimed"
    assert len(camera.boots) == 1
    tell(stage, camera, None)
    assert login(camera, PASSWORD)["ok"]
    assert camera.admin("erase")["ok"], "the same camera, in hand"
    restarted(camera)
    assert camera.ask("web", request("state"))["state"] == "unclaimed"


@pytest.mark.parametrize("service", ["web", "rtsp", "onvif"])
def test_nobody_does_it_through_a_service_without_an_administrators_password(camera, service):
    grant = login(camera)["grant"]
    for op in ("erase", "recover", "reset", "unclaim"):
        for who in ("", grant, factory.CLAIM_CODE):
            for password in ("", "wrong", factory.CLAIM_CODE):
                asked = request(op, grant=who, password=password)
                assert camera.ask(service, asked)["ok"] is False
    assert claim(camera)["code"] == "denied"
    camera.run_for(60)
    assert camera.ask("web", request("state"))["state"] == "claimed"
    assert len(camera.boots) == 1
