"""Commands from the command line and the API to a camera and back, with keys that people hold, over a real broker."""

import json
import time

import httpx
import pytest
from sqlalchemy import select

from agent.core.commands import Keys
from agent.formats import command, ownership
from tests.contract.server import harness
from tests.contract.server.harness import wait_for
from tests.contract.server.test_broker import Link, refusals
from tests.contract.server.test_rollout import BIRTH
from tests.contract.server.test_update_now import audited
from update_server.db.models import Command
from update_server.fleet.ingest import Incoming, take_batch
from update_server.repository.verifier import verify_signature

PASSPHRASE = "violet harbour seventeen lanterns"


@pytest.fixture
def link(camera):
    made = Link(camera)
    made.client.subscribe(made.topic + "down/command", 1)
    assert not made.expect("subscribe").is_failure
    yield made
    made.close()


@pytest.fixture(scope="module")
def people(server, tmp_path_factory):
    """Three keys of people, made on machines of their own; those that the server knows from now on."""
    folder = tmp_path_factory.mktemp("people")
    (folder / "passphrase").write_text(PASSPHRASE)
    keys = [folder / f"{name}.pem" for name in ("aoi", "ken", "yui")]
    for key in keys:
        harness.command("command-key", "make", key, "--passphrase-file", folder / "passphrase")
    server.run("command-key", "authorise", *(key.with_suffix(".pub") for key in keys))
    return folder, keys


def sign(people, file, *which):
    folder, keys = people
    named = [word for number in which for word in ("--key", keys[number])]
    return harness.command(
        "command-key", "sign", file, *named, "--passphrase-file", folder / "passphrase", "--yes"
    ).stdout


def shown(camera):
    return camera.server.json("command", "list", camera.id)


def answer(camera, event, one, code="", count=1):
    body = command.report_body(command.CommandReport(event, one["seq"], one["command"], code, count))
    message = Incoming(f"camward/1/{camera.id}/up/report", camera.envelope("report", body))
    services = camera.server.services
    take_batch(services.database, services.ingest, [message], int(time.time()))


def arguments(camera):
    """What was sent with the camera's commands, the oldest first."""
    with camera.server.services.database.read() as session:
        query = select(Command.body).where(Command.device_id == camera.id).order_by(Command.id)
        return [json.loads(body)["signed"]["arguments"] for body in session.scalars(query)]


def record(camera):
    with camera.client() as client:
        return ownership.parse(client.get("/device/v1/ownership").content)


def test_a_command_waits_for_the_camera_is_signed_for_it_sent_and_ended_by_its_report(camera, link):
    (made,) = camera.server.json("command", "send", "reboot", camera.id)
    assert (made["state"], made["device"], made["command"]) == ("queued", camera.id, "reboot")
    link.publish(link.topic + "state", BIRTH, retain=True)
    found = command.parse(link.expect("message").payload)
    assert (found.device, found.name, found.seq) == (camera.id, "reboot", made["seq"])
    assert Keys(record(camera)).refusal(found, verify_signature) == ""
    wait_for(lambda: shown(camera)[0]["state"] == "delivered", "the state")
    answer(camera, "accepted", made)
    assert shown(camera)[0]["state"] == "accepted"
    answer(camera, "done", made)
    answer(camera, "refused", made, "replayed")
    assert shown(camera)[0]["state"] == "done", "done stays done"
    assert ("command", f"{camera.id} reboot {made['seq']}") in audited(camera)


def test_each_waits_for_the_one_before_and_a_camera_that_comes_back_gets_it_again(camera, link):
    first, second = (camera.server.json("command", "send", name, camera.id)[0] for name in ("evidence", "reboot"))
    assert second["seq"] > first["seq"]
    link.publish(link.topic + "state", BIRTH, retain=True)
    assert command.parse(link.expect("message").payload).seq == first["seq"]
    wait_for(lambda: shown(camera)[1]["state"] == "delivered", "the state")
    link.publish(link.topic + "state", BIRTH, retain=True)
    assert command.parse(link.expect("message").payload).seq == first["seq"]
    assert shown(camera)[0]["state"] == "queued"
    answer(camera, "refused", first, "failed")
    assert command.parse(link.expect("message").payload).seq == second["seq"]
    assert (shown(camera)[1]["state"], shown(camera)[1]["code"]) == ("refused", "failed")


def test_a_group_becomes_one_command_for_each_camera(camera, new_camera):
    server, other, group = camera.server, new_camera().enrol(), f"c{camera.id[:6]}"
    for one in (camera, other):
        server.run("device", "group", one.id, group)
    made = server.json("command", "send", "check", "--group", group)
    assert {one["device"] for one in made} == {camera.id, other.id}
    assert "check" in server.run("command", "list", camera.id).stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("send", "sing"), "no command"), (("send", "erase"), "signed"), (("send", "change_keys"), "signed"),
        (("send", "reboot", "--valid", "31d"), "30 days"), (("prepare", "reboot", "-o", "x"), "no signatures"),
    ],
)  # fmt: skip
def test_what_this_server_cannot_order_is_refused_in_one_line(camera, words, says):
    done = camera.server.run("command", *words[:2], camera.id, *words[2:], check=False)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert says in done.stderr
    assert shown(camera) == []


def test_nobody_orders_a_whole_fleet_by_leaving_something_out(server):
    done = server.run("command", "send", "reboot", check=False)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)


def test_what_nobody_takes_expires(camera):
    camera.server.run("command", "send", "check", camera.id, "--valid", "1s")
    wait_for(lambda: shown(camera)[0]["state"] == "expired", "its end")


def test_a_refusal_of_what_is_not_ours_is_shown_with_the_camera(camera):
    answer(camera, "refused", {"seq": 0, "command": ""}, "forged", 7)
    answer(camera, "refused", {"seq": 99, "command": "reboot"}, "replayed")
    assert [code for code, _ in refusals(camera)] == ["command replayed", "command forged"]
    assert "7 commands" in refusals(camera)[1][1]


def test_an_erase_takes_two_people_and_the_cameras_last_word_ends_it(people, new_camera, tmp_path):
    camera = new_camera().enrol()
    server, file = camera.server, tmp_path / "erase.json"
    server.run("command", "prepare", "erase", camera.id, "-o", file)
    alone = server.run("command", "import", file, check=False)
    assert "forged" in alone.stderr
    said = sign(people, file, 0)
    assert "REMOVES everything" in said
    assert camera.id in said
    one = server.run("command", "import", file, check=False)
    assert "too_few_signatures" in one.stderr
    twice = server.run("command", "import", file, check=False)
    assert (twice.returncode, shown(camera)) == (1, [])
    sign(people, file, 2)
    server.run("command", "import", file)
    again = server.run("command", "import", file, check=False)
    assert "overtaken" in again.stderr
    assert [(row["command"], row["state"]) for row in shown(camera)] == [("erase", "queued")]
    link = Link(camera)
    link.client.subscribe(link.topic + "down/command", 1)
    link.expect("subscribe")
    link.publish(link.topic + "state", BIRTH, retain=True)
    assert command.parse(link.expect("message").payload).name == "erase"
    wait_for(lambda: shown(camera)[0]["state"] == "delivered", "the state")
    gone = b'{"v":1,"online":false,"gone":"erase"}'
    link.publish(link.topic + "state", gone, retain=True)
    wait_for(lambda: camera.server.json("device", "show", camera.id)["attention"].startswith("gone"), "what is said")
    assert shown(camera)[0]["state"] == "delivered", "nobody has signed that"
    answer(camera, "accepted", shown(camera)[0])
    wait_for(lambda: shown(camera)[0]["state"] == "done", "the end")
    link.close()


def test_a_camera_that_knows_no_people_takes_no_grave_command(camera_from_before, tmp_path):
    done = camera_from_before.server.run(
        "command", "prepare", "erase", camera_from_before.id, "-o", tmp_path / "x", check=False
    )
    assert "without authority keys" in done.stderr
    assert not (tmp_path / "x").exists()


@pytest.fixture
def camera_from_before(new_camera):
    """Enrolled while the server had no keys for commands."""
    camera = new_camera()
    services, real = camera.server.services, camera.server.services.ownership.current
    now = ownership.parse(services.ownership.record(real))
    services.ownership.publish(now.replace(command_keys=(), authority_keys=()))
    try:
        camera.enrol()
    finally:
        services.ownership.publish(now)
    return camera


def test_a_camera_from_before_commands_is_told_to_look_by_an_unsigned_message(camera_from_before, release):
    camera = camera_from_before
    refused = camera.server.run("command", "send", "reboot", camera.id, check=False)
    assert "takes no commands" in refused.stderr
    link = Link(camera)
    link.client.subscribe(link.topic + "down/command", 1)
    link.expect("subscribe")
    camera.server.run("device", "assign", camera.id, "1.1.0")
    assert link.expect("message").payload == b'{"type":"check","v":1}'
    link.close()


def test_keys_are_exchanged_by_two_people_and_the_server_remembers_which_camera_has_which(people, new_camera, tmp_path):
    camera = new_camera().enrol()
    server, before, file = camera.server, record(camera), tmp_path / "keys.json"
    nothing = server.run("command", "prepare", "change_keys", camera.id, "-o", file, check=False)
    assert "has the keys" in nothing.stderr
    server.run("command-key", "renew")
    fresh = server.json("command-key", "list")
    server.run("command", "prepare", "change_keys", camera.id, "-o", file)
    said = sign(people, file, 0, 1)
    assert fresh[0]["id"] in said
    (made,) = server.json("command", "import", file)
    assert record(camera) == before
    answer(camera, "done", made)
    after = record(camera)
    assert after == before.replace(command_keys=after.command_keys)
    assert [command.key_id(key) for key in after.command_keys] == [fresh[0]["id"]]
    (sent,) = server.json("command", "send", "check", camera.id)
    assert sent["state"] == "queued"


def test_a_ca_that_would_cut_the_camera_off_is_not_sent(people, new_camera, tmp_path):
    camera = new_camera().enrol()
    server, file, services = camera.server, tmp_path / "ca.json", camera.server.services
    current = ownership.parse(services.ownership.record(services.ownership.current))
    other = harness.make_server(tmp_path / "other")
    services.ownership.publish(current.replace(ca=other.ca.read_text()))
    try:
        server.run("command", "prepare", "change_keys", camera.id, "-o", file)
        sign(people, file, 0, 1)
        done = server.run("command", "import", file, check=False)
        assert "trust this server no more" in done.stderr
        services.ownership.publish(current.replace(ca=current.ca + other.ca.read_text()))
        server.run("command", "prepare", "change_keys", camera.id, "-o", file)
        sign(people, file, 0, 1)
        server.run("command", "import", file)
    finally:
        services.ownership.publish(current)
    assert shown(camera)[0]["command"] == "change_keys"


def test_a_key_of_the_server_is_nobody_of_the_people(server, people, tmp_path):
    where = server.json("command-key", "list")
    online = next(one for one in where if one["where"] != "offline")
    entry = server.services.director.online.entries()[online["id"]]
    (tmp_path / "mine.pub").write_text(entry.public.keyval["public"])
    _, keys = people
    done = server.run("command-key", "authorise", tmp_path / "mine.pub", keys[0].with_suffix(".pub"), check=False)
    assert "key of this server" in done.stderr
    one = server.run("command-key", "authorise", keys[0].with_suffix(".pub"), check=False)
    assert one.returncode == 1
    same = server.run("command-key", "authorise", *2 * [keys[0].with_suffix(".pub")], check=False)
    assert "one" in same.stderr
    assert server.json("command-key", "list") == where


def test_the_api_gives_and_shows_commands(camera):
    writer = camera.server.run("token", "create", "--name", "commands", "--write").stdout.strip()
    reader = camera.server.run("token", "create", "--name", "looks").stdout.strip()
    with httpx.Client(verify=camera.server.context(), base_url=camera.server.people_url) as client:
        may, may_not = ({"Authorization": f"Bearer {one}"} for one in (writer, reader))
        wanted = {"command": "evidence", "devices": [camera.id]}
        assert client.post("/api/v1/commands", json=wanted, headers=may_not).status_code == 403
        assert client.post("/api/v1/commands", json=wanted | {"command": "erase"}, headers=may).status_code == 422
        assert client.post("/api/v1/commands", json={"command": "reboot"}, headers=may).status_code == 400
        both = wanted | {"group": "all"}
        assert client.post("/api/v1/commands", json=both, headers=may).status_code == 400
        made = client.post("/api/v1/commands", json=wanted, headers=may).json()
        assert (made["failed"], made["commands"][0]["state"]) == ([], "queued")
        listed = client.get("/api/v1/commands", params={"device": camera.id}, headers=may_not).json()
        assert listed[0]["command"] == "evidence"
        assert listed[0]["who"].startswith("token:") or listed[0]["who"]


def test_a_file_that_is_no_command_is_refused_in_one_line(server, tmp_path):
    for body in (b"", b"{}", b'{"commands":[]}', b'{"commands":[{"signed":{},"signatures":[]}]}', b'{"commands":7}'):
        (tmp_path / "x.json").write_bytes(body)
        for words in (("command", "import"), ("command-key", "sign")):
            run = server.run if words[0] == "command" else harness.command
            done = run(*words, tmp_path / "x.json", check=False)
            assert (done.returncode, done.stderr.count("\n")) == (1, 1), (body, done.stderr)
    assert json.loads(server.run("command", "list", "--json").stdout) is not None


def post(camera, body):
    token = camera.server.run("token", "create", "--name", f"t{time.monotonic_ns()}", "--write").stdout.strip()
    with httpx.Client(verify=camera.server.context(), base_url=camera.server.people_url) as client:
        return client.post("/api/v1/commands", json=body, headers={"Authorization": f"Bearer {token}"})


def test_settings_reach_enrolled_cameras_by_command_line_and_api_and_their_record_follows(camera):
    words = ("command", "send", "settings", camera.id, "--check-interval", "2h", "--line", "wired")
    (made,) = camera.server.json(*words)
    before = record(camera)
    answer(camera, "done", made)
    assert record(camera) == before.replace(check_interval_s=7200, line="wired")
    for said, status in (({"line": "mobile"}, 200), ({"telemetry_interval_s": 5}, 422), ({"line": "x"}, 422)):
        body = {"command": "settings", "devices": [camera.id], "settings": said}
        assert post(camera, body).status_code == status
    assert post(camera, {"command": "check", "devices": [camera.id], "settings": {"line": "wired"}}).status_code == 400
    assert camera.server.run("command", "send", "check", camera.id, "--line", "wired", check=False).returncode == 1


def test_a_proxy_goes_by_command_line_and_api_alone_and_leaves_the_record(camera):
    (made,) = camera.server.json("command", "send", "settings", camera.id, "--proxy", "proxy.example:3128")
    assert arguments(camera) == [{"proxy": {"host": "proxy.example", "port": 3128}}]
    before = record(camera)
    answer(camera, "done", made)
    assert record(camera) == before
    for said, status in (
        ({"proxy": "none"}, 200), ({"proxy": "[2001:db8::1]:3128"}, 200), ({"proxy": "x"}, 400),
        ({"proxy": "a b:1"}, 400), ({"proxy": "a:99999"}, 400), ({"proxy": "a:1", "line": "wired"}, 400),
    ):  # fmt: skip
        body = {"command": "settings", "devices": [camera.id], "settings": said}
        assert post(camera, body).status_code == status, said
    assert arguments(camera)[1:] == [{"proxy": None}, {"proxy": {"host": "2001:db8::1", "port": 3128}}]
    assert camera.server.run("command", "send", "check", camera.id, "--proxy", "a:1", check=False).returncode == 1


def test_a_quarantine_by_the_api_brings_the_reason_to_the_camera_and_into_the_audit_log(camera):
    made = post(camera, {"command": "quarantine", "devices": [camera.id], "reason": "ticket 7"}).json()["commands"][0]
    assert ("command", f"{camera.id} quarantine {made['seq']}: ticket 7") in audited(camera)
    assert post(camera, {"command": "quarantine", "devices": [camera.id], "reason": "x" * 201}).status_code == 422
    for name in ("quarantine", "check", "settings"):
        assert post(camera, {"command": name, "devices": [camera.id], "reason": "a\x1b[2J"}).status_code == 400


def test_a_required_change_is_ordered_and_hastened_in_one_go(camera):
    words = ("command", "require-change", camera.id, "--reason", "staff-left", "--restrict", "3d")
    (row,) = camera.server.json(*words)
    (sent,) = shown(camera)
    assert (row["device"], row["verdict"], row["check"]) == (camera.id, "not_taken", sent["seq"])
    assert sent["command"] == "check"
    assert [what for what, _ in audited(camera)] == ["device require-change"]
    assert "staff" in camera.server.run("fleet", "passwords").stdout
    again = camera.server.run("command", "require-change", camera.id, "--reason", "tea", check=False)
    assert again.returncode == 1
