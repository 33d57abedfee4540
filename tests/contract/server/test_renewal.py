"""Renewal with certificates of every age, over real TLS; and the camera's link when it shows another certificate."""

import queue
import time
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from agent.adapters.linux.dates import Dates
from agent.adapters.linux.link import PahoLink
from agent.formats import command
from tests.contract.server.test_broker import broker_answer
from update_server.db.models import Command
from update_server.fleet.ingest import Incoming, take_batch
from update_server.pki.authority import utc

RENEWAL = "/.well-known/est/simplereenroll"
RECEIPT = "/device/v1/time/" + "0" * 32
PEM = serialization.Encoding.PEM


def certified(camera, begun_days_ago, days, name="cert.pem"):
    """What the fleet's CA gave this camera some time ago."""
    past = utc(int(time.time())) - timedelta(days=begun_days_ago)
    made = camera.server.services.authority.certify_device(camera.key.public_key(), camera.serial, days, past)
    (camera.folder / name).write_bytes(made.public_bytes(PEM))
    camera.certificate = made
    return camera


@pytest.mark.parametrize("ended_days_ago", [0.001, 1, 364])
def test_a_certificate_that_has_ended_renews_itself_and_asks_the_time_and_does_nothing_else(camera, ended_days_ago):
    certified(camera, 90 + ended_days_ago, 90)
    assert broker_answer(camera.server, camera.context()) == b""
    with camera.client() as client:
        director = f"/tuf/director/{camera.id}/timestamp.json"
        for path in ("/device/v1/ownership", director, "/tuf/image/timestamp.json", "/targets/x", RENEWAL + "/"):
            refused = client.get(path)
            assert (refused.status_code, refused.json()["what"]) == (401, "The client certificate has ended."), path
        assert client.put("/device/v1/identity", json=camera.identity()).status_code == 401
        assert client.get(RECEIPT).status_code == 200
        answer = client.post(RENEWAL, content=camera.csr())
    assert answer.status_code == 200
    camera.install(answer)
    assert broker_answer(camera.server, camera.context())[:1] == b"\x20"
    with camera.client() as client:
        assert client.get("/device/v1/ownership").status_code == 200


@pytest.mark.parametrize(("begun_days_ago", "days"), [(90 + 366, 90), (-2, 90)])
def test_one_that_ended_more_than_a_year_ago_or_has_not_begun_does_nothing_at_all(camera, begun_days_ago, days):
    certified(camera, begun_days_ago, days)
    with camera.client() as client:
        for path in ("/device/v1/ownership", RECEIPT):
            assert client.get(path).status_code == 401
        assert client.post(RENEWAL, content=camera.csr()).status_code == 401
    assert camera.simpleenroll(camera.token()).status_code == 200, "a person with a token helps"


def test_one_that_has_ended_renews_nothing_once_the_camera_is_denied_or_removed(camera, server):
    certified(camera, 100, 90)
    with camera.client() as client:
        for word in ("deny", "remove"):
            server.run("device", word, camera.id)
            assert client.post(RENEWAL, content=camera.csr()).status_code == 403
            assert client.get(RECEIPT).status_code == 403


def test_another_cameras_certificate_renews_nobodys_but_its_own(camera, new_camera):
    """Not by the other one's request, which anybody on the way may have kept, and not by one with its serial number."""
    thief = new_camera().enrol()
    with thief.client() as client:
        for body in (camera.csr(), thief.csr(serial=camera.serial)):
            assert client.post(RENEWAL, content=body).status_code == 400
        assert client.post(RENEWAL, content=thief.csr()).status_code == 200


# --- the link


def wait_up(link, events, name):
    while events.get(timeout=60) != ("up",) or link.shown() != name:
        pass


def test_the_link_tells_by_which_certificate_its_session_stands(camera, server):
    events = queue.Queue()
    certified(camera, 0, 90, "renewed.pem")
    key = camera.folder / "tls.key.pem"
    key.write_bytes((camera.folder / "key.pem").read_bytes())
    link = PahoLink(camera.folder / "cert.pem", key, events.put, lambda: Dates(*[int(time.time())] * 2))
    link.open("127.0.0.1", server.mqtt_port, server.ca.read_text(), camera.id, ())
    try:
        wait_up(link, events, "")
        link.show("identity/renewed.pem", "tls")
        wait_up(link, events, "identity/renewed.pem")
        assert link.stands()
        certified(camera, 100, 90, "ended.pem")
        link.show("identity/ended.pem", "tls")
        assert (link.shown(), link.stands()) == ("", False)
        while events.get(timeout=60)[0] != "down":
            pass
        assert events.get(timeout=60)[0] == "down"
        assert link.shown() == ""
        link.show("identity/cert.pem", "tls")
        wait_up(link, events, "identity/cert.pem")
        assert link.stands()
    finally:
        link.close()
    assert not link.stands()


# --- another key (docs/adr/0041)


def told_to_rotate(camera):
    """The command is on its way: as a camera that is online would have it."""
    (made,) = camera.server.json("command", "send", "rotate_identity", camera.id)
    services = camera.server.services
    with services.database.write() as session:
        session.get_one(Command, made["id"]).state = "accepted"
    return made


def rekey(camera, key):
    with camera.client() as client:
        return client.post(RENEWAL, content=camera.csr(key))


def test_another_key_is_certified_for_the_same_name_when_it_was_ordered_and_the_old_one_ends_with_the_answer(camera):
    old, new = camera.key, ec.generate_private_key(ec.SECP256R1())
    assert rekey(camera, new).status_code == 400, "control: nobody has ordered it"
    made = told_to_rotate(camera)
    answer = rekey(camera, new)
    assert answer.status_code == 200
    with camera.client() as before:
        assert before.get("/device/v1/ownership").status_code == 200, "the old one counts still"
        camera.key = new
        camera.install(answer)
        (name,) = camera.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        assert name.value == camera.id
        with camera.client() as after:
            assert after.get("/device/v1/ownership").status_code == 200
            report = command.report_body(command.CommandReport("done", made["seq"], "rotate_identity", "", 1))
            message = Incoming(f"camward/1/{camera.id}/up/report", camera.envelope("report", report))
            take_batch(camera.server.services.database, camera.server.services.ingest, [message], int(time.time()))
            for path in ("/device/v1/ownership", "/tuf/image/timestamp.json", RECEIPT):
                assert before.get(path).status_code == 403, path
            assert before.post(RENEWAL, content=camera.csr(old)).status_code == 403
            assert after.get("/device/v1/ownership").status_code == 200
            assert after.post(RENEWAL, content=camera.csr(new)).status_code == 200, "it renews itself under its name"
            assert after.post(RENEWAL, content=camera.csr(old)).status_code == 400
