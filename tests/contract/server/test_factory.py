"""Enrolment by factory certificates over real TLS: who gets in, and that such a certificate opens nothing else."""

import httpx
import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from tests.contract.server import harness
from tests.factory_certificates import Maker, pem
from update_server.keyfiles import new_key

ENROL = "/.well-known/est/simpleenroll"


@pytest.fixture(scope="module")
def maker(server, tmp_path_factory):
    made = Maker()
    made.file = tmp_path_factory.mktemp("maker") / "ca.pem"
    made.file.write_bytes(pem(made.ca))
    server.run("factory-ca", "add", "kawa", made.file)
    return made


@pytest.fixture
def factory_camera(new_camera, maker, server):
    """A camera with a factory certificate, and a client that shows it; the server knows its maker's CA by now."""
    made = new_camera()
    made.factory_key = new_key()
    made.shown = maker.certify(made.factory_key, made.serial)
    return made


def client(camera, shown=None, key=None):
    folder = camera.folder
    (folder / "factory.pem").write_bytes(pem(shown or camera.shown))
    (folder / "factory.key").write_bytes(pem(key or camera.factory_key))
    context = camera.server.context(folder / "factory.pem", folder / "factory.key")
    return httpx.Client(verify=context, base_url=camera.server.device_url)


def asks(camera, path=ENROL, method="POST", shown=None, **how):
    """The answer's status and body; 0 when TLS refuses."""
    try:
        with client(camera, shown) as made:
            answer = made.request(method, path, content=camera.csr() if method == "POST" else None, **how)
            return answer.status_code, answer
    except httpx.TransportError:
        return 0, None


def accepted(camera):
    """Ask until TLS lets the maker's certificates in: the running server looks every ten seconds."""
    return harness.wait_for(lambda: asks(camera)[0] or None, "TLS to know the maker's CA")


def test_a_camera_that_is_allowed_enrols_by_its_factory_certificate_alone(factory_camera, server):
    camera = factory_camera
    assert accepted(camera) == 403  # known to TLS, and not allowed
    server.run("factory-ca", "allow", "kawa", camera.serial)
    status, answer = asks(camera)
    assert status == 200, answer.text
    camera.install(answer)
    with camera.client() as enrolled:
        assert enrolled.put("/device/v1/identity", json=camera.identity()).status_code == 204
        assert enrolled.get("/device/v1/ownership").status_code == 200
    lines = [one for one in server.json("audit") if one["what"] == "device enrol"]
    assert [(one["who"], one["detail"]) for one in lines][:1] == [("factory-ca:kawa", f"{camera.id} {camera.serial}")]
    assert [one["enrolled"] for one in server.json("factory-ca", "list")] == [1]


def test_another_key_of_the_same_camera_waits_until_it_is_allowed_again(factory_camera, server):
    camera = factory_camera
    accepted(camera)
    server.run("factory-ca", "allow", "kawa", camera.serial)
    assert asks(camera)[0] == 200
    assert asks(camera)[0] == 200  # a lost answer
    camera.key = new_key()
    assert asks(camera)[0] == 403
    server.run("factory-ca", "allow", "kawa", camera.serial)
    assert asks(camera)[0] == 200


def test_a_factory_certificate_with_an_enrolled_cameras_name_opens_nothing_else(factory_camera, camera, maker):
    """TLS lets it in, so the application is what stands between it and that camera's place."""
    accepted(factory_camera)
    posing = maker.certify(factory_camera.factory_key, camera.serial, name=camera.id)
    paths = (
        "/device/v1/ownership", f"/tuf/director/{camera.id}/timestamp.json", f"/device/v1/time/{'0' * 32}",
        "/tuf/image/timestamp.json", "/targets/x",
    )  # fmt: skip
    for path in paths:
        assert asks(factory_camera, path, "GET", shown=posing)[0] == 403
    for path in ("/.well-known/est/simplereenroll", "/.well-known/est/services/simpleenroll"):
        assert asks(factory_camera, path, shown=posing)[0] == 403
    with camera.client() as own:  # the control
        assert own.get("/device/v1/ownership").status_code == 200
        assert own.get(f"/tuf/director/{camera.id}/timestamp.json").status_code == 200


def broker_takes(server, context):
    """Whether the broker lets a client with this certificate in."""
    answers = []
    made = mqtt.Client(CallbackAPIVersion.VERSION2, "x", protocol=mqtt.MQTTv5, reconnect_on_failure=False)
    made.on_connect = lambda _client, _data, _flags, reason, _properties: answers.append(not reason.is_failure)
    made.on_disconnect = lambda *_rest: answers.append(False)
    made.tls_set_context(context)
    try:
        made.connect("127.0.0.1", server.mqtt_port)
        made.loop_start()
        harness.wait_for(lambda: answers, "the broker's answer")
    except OSError:
        answers.append(False)
    made.disconnect()
    made.loop_stop()
    return answers[0]


def test_the_broker_does_not_know_factory_certificates(factory_camera, camera, server, maker):
    posing = maker.certify(factory_camera.factory_key, camera.serial, name=camera.id)
    client(factory_camera, posing).close()  # writes its files
    folder = factory_camera.folder
    assert not broker_takes(server, server.context(folder / "factory.pem", folder / "factory.key"))
    assert broker_takes(server, camera.context())


def test_an_invitation_names_the_record_and_is_no_secret(factory_camera, server, new_camera):
    camera = factory_camera
    accepted(camera)
    server.run("factory-ca", "allow", "kawa", camera.serial)
    printed = server.json("device", "token", "--by-factory", "--valid", "30d")
    basic = (printed["id"], "")
    assert asks(camera, auth=("0" * 16, ""))[0] == 401
    assert asks(camera, auth=basic)[0] == 200
    stranger = new_camera()
    with httpx.Client(verify=server.context(), base_url=server.device_url) as anybody:
        for auth in (basic, (printed["id"], "factory"), None):
            assert anybody.post(ENROL, content=stranger.csr(), auth=auth).status_code == 401
    other = server.json("device", "token", "--by-factory", "--serial", "OTHER-1")
    assert asks(camera, auth=(other["id"], ""))[0] == 401
    token = stranger.token()  # a token of its own goes before the certificate
    stranger.shown, stranger.factory_key = camera.shown, camera.factory_key
    assert asks(stranger, auth=(token["id"], token["secret"]))[0] == 200


def test_a_ca_that_was_removed_certifies_nobody(new_camera, server, tmp_path):
    made = Maker("Brief Works")
    (tmp_path / "ca.pem").write_bytes(pem(made.ca))
    server.run("factory-ca", "add", "brief", tmp_path / "ca.pem", "--any")
    camera = new_camera()
    camera.factory_key = new_key()
    camera.shown = made.certify(camera.factory_key, camera.serial)
    assert accepted(camera) == 200
    server.run("factory-ca", "remove", "brief")
    assert asks(camera)[0] == 401


def test_commands_say_what_is_wrong_in_one_line(server, tmp_path, maker):
    (tmp_path / "x.pem").write_text("x")
    (tmp_path / "serials").write_text("KW9-1\nKW9-2\n")
    for words, why in (
        (("add", "x", tmp_path / "x.pem"), "no CA's certificate"),
        (("add", "x", tmp_path / "gone"), "cannot be read"),
        (("add", "x", maker.file, "--model", "kawa-1"), "--model limits --any"),
        (("add", "kawa", maker.file), "already"),
        (("allow", "kawa"), "No serial number"),
        (("allow", "other", "KW1-1"), "no factory CA"),
        (("remove", "other"), "no factory CA"),
    ):
        done = server.run("factory-ca", *words, check=False)
        assert (done.returncode, why in done.stderr, done.stderr.count("\n")) == (1, True, 1), done.stderr
    assert "2 may enrol" in server.run("factory-ca", "allow", "kawa", "--file", tmp_path / "serials").stdout
    assert "allowed ones" in server.run("factory-ca", "list").stdout
