"""The real agent enrols and renews at an EST server that is none of ours; server and broker know the camera by it."""

import datetime
import time

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import NameOID

from agent.app.enrolling import RETRY_FIRST_S
from tests.contract.ports.board import Board, wait_for
from tests.contract.ports.test_agent_process import claim
from tests.contract.server import harness
from tests.est_server import LABEL, PASSWORD, RETRY_AFTER_S, USER, Est
from tests.factory_certificates import Maker, pem
from update_server.keyfiles import new_key
from update_server.pki.authority import device_id, is_by

SLOT = bytes(range(256)) * 64
ENROL, RENEW = (f"/.well-known/est/{LABEL}/{one}" for one in ("simpleenroll", "simplereenroll"))


@pytest.fixture(scope="module")
def maker():
    return Maker()


@pytest.fixture(scope="module")
def est(tmp_path_factory, maker):
    made = Est(tmp_path_factory.mktemp("est") / "e", maker)
    yield made
    made.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory, est):
    made = harness.make_server(tmp_path_factory.mktemp("server") / "s", est_url=f'"{est.url}"')
    (made.folder / "pki/external.pem").write_bytes(pem(est.pki.root))
    (made.folder / "password").write_text(PASSWORD + "\n")
    harness.start(made)
    yield made
    harness.stop(made)


@pytest.fixture
def board(tmp_path, server):
    made = Board(tmp_path / "board", (server.folder / "tuf/image/1.root.json").read_bytes())
    made.serial = f"KW1-{time.monotonic_ns() % 10**9:09d}"
    made.leave_factory(SLOT)
    made.power_on()
    made.start_camera()
    yield made
    assert made.stop().replace(f"camward-agent: no watchdog: {made.folder}/no-watchdog\n", "") == ""


def token(server, *words):
    words = words or ("--est-user", USER, "--est-password-file", server.folder / "password")
    return server.json("device", "token", *words)["token"]


def enrol(board, text):
    reply = board.ask("web", "enrol", grant=claim(board), token=text)
    assert reply["ok"], reply
    wait_for(lambda: board.status()["link"] == "up", "the session with the broker: " + str(board.status()))
    wait_for(lambda: list((board.state / "web/issued").glob("*.pem")), "the services' certificate")


def in_place(board):
    return x509.load_pem_x509_certificates((board.state / "identity/certificate.pem").read_bytes())


def asked_by(est, board):
    """What this camera asked the EST server for."""
    return [one for one in est.asked if board.serial in x509_subject(one.body)]


def x509_subject(body):
    return x509.load_der_x509_csr(harness.base64.b64decode(body)).subject.rfc4514_string()


def test_a_camera_enrols_by_password_and_our_server_and_broker_know_it(board, server, est):
    enrol(board, token(server))
    first, second = asked_by(est, board)
    assert (first.path, first.status, second.status) == (ENROL, 202, 200)
    assert first.body == second.body  # the same request, and not before it was time
    assert second.at - first.at >= RETRY_AFTER_S > RETRY_FIRST_S
    chain = in_place(board)
    assert [is_by(chain[0], est.pki.ca), chain[1:]] == [True, [est.pki.ca]]
    shown = wait_for(
        lambda: [one for one in server.json("device", "list") if one["serial"] == board.serial and one["online"]],
        "the server to see it",
    )[0]
    assert shown["id"] == board.status()["device"]
    (issued,) = (board.state / "web/issued").glob("*.pem")
    fleet = server.services.authority.certificate
    assert is_by(x509.load_pem_x509_certificate(issued.read_bytes()), fleet)  # what it serves is still ours to certify
    assert [one["what"] for one in server.json("audit") if board.serial in one["detail"]] == ["device enrol"]


def test_it_renews_there_and_the_session_stands_with_the_new_one(board, server, est):
    enrol(board, token(server))
    device = board.status()["device"]
    wait_for((board.state / "clock/floor.json").exists, "a proof of the time")
    board.kill()
    board.console.clear()
    key = load_pem_private_key((board.state / "identity/tls.key.pem").read_bytes(), None)
    request = (
        x509.CertificateSigningRequestBuilder().subject_name(in_place(board)[0].subject).sign(key, hashes.SHA256())
    )
    old = est.issue(request, datetime.timedelta(days=70))
    (board.state / "identity/certificate.pem").write_bytes(pem(old) + pem(est.pki.ca))
    board.power_on()
    wait_for(lambda: in_place(board)[0].not_valid_after_utc > old.not_valid_after_utc, str(board.status()))
    wait_for(lambda: board.status()["link"] == "up", "the session: " + str(board.status()))
    last = asked_by(est, board)[-1]
    assert (last.path, last.status) == (RENEW, 200)
    assert ("serialNumber", board.serial) in [part[0] for part in last.peer["subject"]]
    assert board.status()["device"] == device


def test_a_factory_certificate_is_shown_to_that_server_instead_of_a_password(board, server, est, maker):
    key = new_key()
    for name, one in (("certificate.pem", maker.certify(key, board.serial)), ("key.pem", key)):
        (board.state / "factory" / name).write_bytes(pem(one))
    enrol(board, token(server, "--by-factory"))
    last = asked_by(est, board)[-1]
    assert last.status == 200
    assert last.peer["issuer"] == ((("commonName", "Kawa Works devices"),),)


def test_a_wrong_password_ends_the_enrolment(board, server, tmp_path):
    (tmp_path / "wrong").write_text("no")
    text = token(server, "--est-user", USER, "--est-password-file", tmp_path / "wrong")
    assert board.ask("web", "enrol", grant=claim(board), token=text)["ok"]
    wait_for(lambda: "401" in board.status()["enrolment"]["problem"], "the refusal")


def test_a_certificate_by_a_ca_that_is_not_the_tokens_is_not_kept(board, server, est, monkeypatch):
    other = Maker("Ministry PKI")
    other_est = Est.__new__(Est)
    other_est.pki, other_est.days = other, 90
    monkeypatch.setattr(est, "certify", other_est.issue)
    assert board.ask("web", "enrol", grant=claim(board), token=token(server))["ok"]
    wait_for(lambda: "not by the operator's CA" in board.status()["enrolment"]["problem"], "the refusal")
    assert not (board.state / "identity/certificate.pem").exists()


# What its certificates are worth at our server


def shows(server, est, folder, key, name, serial="KW9-1", path="/device/v1/ownership", method="GET"):
    """What the device listener answers to a certificate of the other CA with this name."""
    subject = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, name), x509.NameAttribute(NameOID.SERIAL_NUMBER, serial)]
    )
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    (folder / "c.pem").write_bytes(pem(est.issue(request)) + pem(est.pki.ca))
    (folder / "k.pem").write_bytes(pem(key))
    with httpx.Client(verify=server.context(folder / "c.pem", folder / "k.pem")) as client:
        return client.request(method, server.device_url + path).status_code


def test_a_name_that_is_not_the_keys_own_opens_nothing(server, est, tmp_path):
    victim, thief = new_key(), new_key()
    name = device_id(victim.public_key())
    assert shows(server, est, tmp_path, thief, name) == 403
    assert shows(server, est, tmp_path, victim, name) == 200
    assert shows(server, est, tmp_path, thief, name) == 403
    assert shows(server, est, tmp_path, thief, device_id(thief.public_key()), serial="../x") == 403


def test_a_camera_is_registered_by_asking_for_its_record_and_not_by_anything_else(server, est, tmp_path):
    key = new_key()
    name = device_id(key.public_key())
    assert shows(server, est, tmp_path, key, name, path="/tuf/image/timestamp.json") == 403
    assert shows(server, est, tmp_path, key, name) == 200
    assert shows(server, est, tmp_path, key, name, path="/tuf/image/timestamp.json") == 200
    renewal = "/.well-known/est/simplereenroll"  # who stops certifying a camera there is not to be passed by here
    assert shows(server, est, tmp_path, key, name, path=renewal, method="POST") == 403


def test_a_camera_that_was_removed_or_denied_does_not_come_back_by_another_certificate(server, est, tmp_path):
    gone, denied = new_key(), new_key()
    for key, verb in ((gone, "remove"), (denied, "deny")):
        name = device_id(key.public_key())
        assert shows(server, est, tmp_path, key, name) == 200
        server.run("device", verb, name)
        assert shows(server, est, tmp_path, key, name) == 403


def test_a_token_needs_a_login_of_that_server(server):
    done = server.run("device", "token", check=False)
    assert (done.returncode, "--est-user" in done.stderr) == (1, True)
