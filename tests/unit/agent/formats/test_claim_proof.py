"""The proofs that bind a claim to a certificate: HMAC as everybody computes it, and none does for another."""

import hashlib
import hmac as standard

from hypothesis import given
from hypothesis import strategies as st

from agent.formats import claim_proof, hmac

SALT, CODE = bytes(range(16)), "ABCD-EFGH-2345-WXYZ"
KNOWN = claim_proof.verifier(SALT, CODE)
seen = st.binary(min_size=claim_proof.FINGERPRINT_BYTES, max_size=claim_proof.FINGERPRINT_BYTES)


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_hmac_is_that_of_the_standard_library(key, message):
    assert hmac.hmac_sha256(key, message) == standard.new(key, message, "sha256").digest()


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_same_is_equality(one, two):
    assert hmac.same(one, two) == (one == two)


def test_the_verifier_is_what_the_factory_leaves_on_the_camera_however_the_code_is_typed():
    assert hashlib.sha256(SALT + b"ABCDEFGH2345WXYZ").digest() == KNOWN
    assert claim_proof.verifier(SALT, "abcd efgh 2345 wxyz") == KNOWN


def test_the_proofs_are_what_the_decision_record_says():
    nonce, fingerprint = b"n" * 32, b"f" * 32
    for prove, who in ((claim_proof.client_proof, b"client"), (claim_proof.camera_proof, b"camera")):
        message = b"camward claim 1: " + who + b"\0" + nonce + fingerprint
        assert prove(KNOWN, nonce, fingerprint) == standard.new(KNOWN, message, "sha256").digest()


@given(seen, seen, seen)
def test_a_proof_holds_for_one_side_one_nonce_and_one_certificate(nonce, fingerprint, other):
    ours = claim_proof.client_proof(KNOWN, nonce, fingerprint)
    assert ours != claim_proof.camera_proof(KNOWN, nonce, fingerprint)
    assert ours != claim_proof.client_proof(claim_proof.verifier(SALT, "A" * 16), nonce, fingerprint)
    if other != fingerprint:
        assert ours != claim_proof.client_proof(KNOWN, nonce, other)
    if other != nonce:
        assert ours != claim_proof.client_proof(KNOWN, other, fingerprint)
