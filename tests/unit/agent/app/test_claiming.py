"""The claim on a camera whose label is lost: its verifier is empty, and an empty key is one that everybody knows."""

from agent.app.accounts import UNCLAIMED
from agent.app.claiming import Claiming
from agent.formats import claim_proof, label


class Desk:
    label = label.unknown("kawa-1", "a")
    certificate_sha256 = "ab" * 32


class Accounts:
    state = UNCLAIMED


class Asked:
    source = "192.0.2.7"

    def __init__(self, **arguments):
        self.arguments = arguments
        self.said = []

    def yes(self, members):
        self.said.append("yes")

    def no(self, code, members=None):
        self.said.append(code)


def test_nobody_proves_or_claims_anything_with_an_empty_verifier():
    claiming = Claiming(Desk(), Accounts(), None, lambda asked, account: False, lambda asked: asked.yes({}))
    nonce = b"n" * 32
    proof = claim_proof.client_proof(b"", nonce, bytes.fromhex(Desk.certificate_sha256))
    asked = Asked(nonce=nonce.hex(), proof=proof.hex(), code="", user="admin", password="x")
    for answer in claiming.operations().values():
        answer(asked)
    assert asked.said == ["denied", "denied"]
