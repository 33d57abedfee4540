"""Somebody sits between the laptop and the camera: he hears neither code nor password, and the rest is of no use."""

import hashlib
import json
import re
import ssl
from collections.abc import Callable, Iterator
from http.client import HTTPSConnection
from pathlib import Path

import pytest

from agent.formats import claim_proof
from tests.contract.camera.clients import Browser
from tests.contract.camera.fake_agent import SALT
from tests.contract.installer.middle import Middle

PASSWORD = "a password of his own choice"


@pytest.fixture
def middle(tmp_path: Path) -> Iterator[Callable[..., Middle]]:
    made: list[Middle] = []

    def make(unit, **more) -> Middle:
        made.append(Middle(tmp_path / f"middle-{len(made)}", unit.process.ports["https"], **more))
        return made[-1]

    yield make
    for one in made:
        one.close()


def claim(tool, unit, where: str) -> str:
    (tool.folder / "codes.csv").write_text(f"{unit.serial},{unit.code}\n")
    arguments = ("--codes", "codes.csv", "--to", "office.pub", "--address", where, "--json")
    done = tool.run("claim", "site.handover", *arguments, status=1)
    (found,) = [one["code"] for one in json.loads(done.stdout)["cameras"] if one["address"] == where]
    return found


def proof_in(said: bytes) -> dict[str, str]:
    (found,) = re.findall(rb'{"nonce": "[0-9a-f]+", "proof": "[0-9a-f]+"}', said)
    return json.loads(found)


def http(body: dict) -> bytes:
    text = json.dumps(body).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(text) + text


def test_the_relay_gets_no_claim_no_code_and_no_password(make_units, tool, middle):
    (unit,) = make_units(1)
    between = middle(unit)
    assert claim(tool, unit, between.where) == "not_proved"
    assert b"claim-proof" in between.said, "he did not read along"
    assert [request["op"] for _, request in unit.agent.asked if "claim" in request["op"]] == ["claim_proof"]
    assert (unit.agent.state, unit.agent.users, tool.accounts()) == ("unclaimed", {}, [])
    plain = between.said + between.heard
    assert unit.code.encode() not in plain
    assert b'"code":"denied"' in plain.replace(b" ", b"")

    # What he has heard is of no use to him, and the camera is claimed by its owner afterwards.
    replayed = Browser(unit.process).post("/api/claim-proof", proof_in(between.said))
    assert (replayed.status, replayed.json["code"]) == (401, "denied")
    for guess in proof_in(between.said).values():
        reply = Browser(unit.process).post("/api/claim", {"code": guess, "user": "thief", "password": PASSWORD})
        assert reply.status in (400, 401)
    assert tool.claim([unit])[unit.serial]["code"] == "claimed"


def test_the_control_what_is_typed_into_a_page_is_relayed(make_units, middle):
    """What the proof is for: without it, he passes the code on and claims the camera (docs/adr/0019)."""
    (unit,) = make_units(1)
    between = middle(unit)
    # A browser whose user has clicked the warning away: it trusts what it is shown.
    context = ssl.create_default_context(cadata=between.certificate)
    page = HTTPSConnection(between.where, context=context, timeout=30)
    body = json.dumps({"code": unit.code, "user": "admin", "password": PASSWORD})
    page.request("POST", "/api/claim", body, {"Content-Type": "application/json"})
    assert page.getresponse().status == 200
    page.close()
    assert unit.code.encode() in between.said
    assert unit.agent.users == {"admin": ("administrator", PASSWORD)}


@pytest.mark.parametrize("forged", ["00" * 32, "", "echo", None])
def test_he_says_yes_himself_and_is_not_believed(make_units, tool, middle, forged):
    (unit,) = make_units(1)
    between = middle(unit)
    between.answers[b"POST /api/claim-proof"] = http({"ok": True} if forged is None else {"ok": True, "proof": forged})
    between.answers[b"POST /api/claim "] = http({"ok": True, "role": "administrator"})
    assert claim(tool, unit, between.where) == "not_proved"
    assert b"POST /api/claim " not in between.said
    assert (unit.agent.state, tool.accounts()) == ("unclaimed", [])


@pytest.mark.parametrize("honest", [1, 2, 3])
def test_he_lets_some_connections_pass_and_steps_in_later(make_units, tool, middle, honest):
    """1: the certificate; 2: the state; 3: the proofs; the claim would be the fourth."""
    (unit,) = make_units(1)
    between = middle(unit, honest=honest)
    assert claim(tool, unit, between.where) == "not_proved"
    assert (claim_ops(unit), unit.agent.state, tool.accounts()) == ([], "unclaimed", [])
    assert unit.code.encode() not in between.said


def test_who_only_carries_the_bytes_is_no_hindrance(make_units, tool, middle):
    """The control of the one above."""
    (unit,) = make_units(1)
    between = middle(unit, honest=100)
    (tool.folder / "codes.csv").write_text(f"{unit.serial},{unit.code}\n")
    tool.run("claim", "site.handover", "--codes", "codes.csv", "--to", "office.pub", "--address", between.where)
    assert unit.agent.state == "claimed"


def test_a_false_camera_does_not_get_the_code_of_the_serial_number_it_claims_to_have(make_units, tool, middle):
    (unit,) = make_units(1)
    false = middle(unit)
    state = {"ok": True, "state": "unclaimed", "serial": unit.serial, "model": "kawa-1", "claim_salt": "00" * 16}
    false.answers[b"GET /api/state"] = http(state)
    false.answers[b"POST /api/claim-proof"] = http({"ok": True, "proof": "11" * 32})
    assert claim(tool, unit, false.where) == "not_proved"
    assert unit.code.encode() not in false.said


def test_the_fingerprint_on_the_label_ends_it_before_anything_is_sent(make_units, tool, middle):
    (unit,) = make_units(1)
    between = middle(unit)
    real = hashlib.sha256(ssl_der(unit)).hexdigest()
    (tool.folder / "codes.csv").write_text(f"{unit.serial},{unit.code},{real}\n")
    arguments = ("claim", "site.handover", "--codes", "codes.csv", "--to", "office.pub", "--json", "--address")
    done = tool.run(*arguments, between.where, status=1)
    assert json.loads(done.stdout)["cameras"][0]["code"] == "label_differs"
    assert b"claim" not in between.said.replace(b"claim_salt", b"")
    assert json.loads(tool.run(*arguments, unit.where).stdout)["cameras"][0]["code"] == "claimed"


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n" + b"x" * 200_000,
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n[1]",
        b"HTTP/1.1 302 Found\r\nLocation: https://192.0.2.1/\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500 + b"\r\n",
        b"rubbish\r\n\r\n",
        http({"ok": True, "state": "unclaimed", "serial": "\x1b[2J", "model": "x", "claim_salt": "00" * 16}),
    ],
    ids=["endless", "no object", "elsewhere", "many headers", "no HTTP", "steers the terminal"],
)
def test_rubbish_in_place_of_a_camera_is_an_address_without_one(make_units, tool, middle, answer):
    (unit,) = make_units(1)
    false = middle(unit)
    false.answers[b"GET /api/state"] = answer
    (tool.folder / "codes.csv").write_text(f"{unit.serial},{unit.code}\n")
    arguments = ("claim", "site.handover", "--codes", "codes.csv", "--to", "office.pub", "--address", false.where)
    done = tool.run(*arguments, status=1)
    assert "does not answer" in done.stdout
    assert ("\x1b" in done.stdout + done.stderr, "Traceback" in done.stderr) == (False, False)


def claim_ops(unit) -> list[str]:
    return [request["op"] for _, request in unit.agent.asked if request["op"] == "claim"]


def ssl_der(unit) -> bytes:
    return ssl.PEM_cert_to_DER_cert(unit.process.certificate.read_text())


def test_the_proofs_are_those_of_the_decision_record(make_units):
    """The agent that the tests stand in for computes the same (tests/contract/ports/test_installer_process.py)."""
    (unit,) = make_units(1)
    known = claim_proof.verifier(SALT, unit.code)
    nonce, seen = bytes(32), hashlib.sha256(ssl_der(unit)).digest()
    reply = Browser(unit.process).post(
        "/api/claim-proof", {"nonce": nonce.hex(), "proof": claim_proof.client_proof(known, nonce, seen).hex()}
    )
    assert reply.json["proof"] == claim_proof.camera_proof(known, nonce, seen).hex()
