"""Who claims can know first that nobody is in between: by proofs over the certificate that each side sees."""

import pytest

from agent.formats import claim_proof
from firmware_sim.world import factory
from firmware_sim.world.machine import FINGERPRINT
from firmware_sim.world.people import claim, request

NONCE = "5a" * claim_proof.NONCE_BYTES
REAL, FOREIGN = bytes.fromhex(FINGERPRINT), bytes(32)


@pytest.fixture
def fresh(stage):
    """A camera out of its box, on."""
    return stage.fresh(on=True)


def proof(seen, code=factory.CLAIM_CODE, prove=claim_proof.client_proof):
    known = claim_proof.verifier(factory.CLAIM_SALT, code)
    return prove(known, bytes.fromhex(NONCE), seen).hex()


def ask(world, **changes):
    return world.ask("web", request("claim_proof", **{"nonce": NONCE, "proof": proof(REAL), **changes}))


def test_both_sides_prove_that_they_know_the_code_over_the_same_certificate(fresh):
    told = fresh.ask("web", request("state"))
    assert told["claim_salt"] == factory.CLAIM_SALT.hex()
    assert ask(fresh)["proof"] == proof(REAL, prove=claim_proof.camera_proof)
    assert claim(fresh)["ok"]


def test_what_was_proved_to_a_man_in_the_middle_is_refused(fresh):
    assert ask(fresh, proof=proof(FOREIGN)) == {"v": 1, "ok": False, "code": "denied"}
    assert ask(fresh)["ok"]


def test_a_camera_does_not_take_its_own_proof_for_a_clients(fresh):
    assert ask(fresh, proof=proof(REAL, prove=claim_proof.camera_proof))["code"] == "denied"


def test_wrong_proofs_and_wrong_codes_slow_each_other_down(fresh):
    codes = []
    for number in range(12):
        guess = f"AAAA-AAAA-AAAA-{number:04d}"
        codes.append(ask(fresh, proof=proof(REAL, guess))["code"] if number % 2 else claim(fresh, code=guess)["code"])
    assert codes[0] == "denied"
    assert codes[-1] == "wait"
    last = ask(fresh)
    assert last["code"] == "wait"
    fresh.run_for(last["retry_after_s"])
    assert ask(fresh)["ok"]


@pytest.mark.parametrize("change", [{"nonce": ""}, {"nonce": "5a"}, {"proof": "z" * 64}, {"proof": "AB" * 32}])
def test_what_is_no_proof_is_not_counted_as_a_try(fresh, change):
    for _ in range(12):
        assert ask(fresh, **change)["code"] == "bad_request"
    assert ask(fresh)["ok"]


def test_a_claimed_camera_proves_nothing_any_more_and_keeps_its_salt(fresh):
    assert claim(fresh)["ok"]
    assert ask(fresh)["code"] == "denied"
    assert "claim_salt" not in fresh.ask("web", request("state"))
