from agent.core import receipt
from agent.core.trust_repository import Repository
from agent.formats.errors import Rejected
from firmware_sim.world.repository import new_operator
from firmware_sim.world.secrets import UnsafeSigner
from tests.portable import wire
from tests.portable.story import NOW, verify

DEVICE, NONCE = "a" * 26, "0f" * 16
operator = new_operator(UnsafeSigner, NOW)
operator.adopt(DEVICE)
stored = {"root": operator.director.files["1.root.json"]}
director = Repository("director", stored, verify, lambda role, body: None)


def attempt(body, nonce=NONCE, floor_at=0):
    try:
        print(receipt.verify(body, DEVICE, nonce, director, floor_at))
    except Rejected as error:
        print(error)


good = operator.receipt(NONCE, NOW)
attempt(good)
attempt(good, NONCE, NOW)
attempt(good, NONCE, NOW + 1)
attempt(good, "00" * 16)
attempt(good.replace(b"2026", b"2027"))
attempt(b"{}")
attempt(operator.receipt(NONCE, NOW + 3650 * 86400))
operator.adopt("b" * 26)
attempt(operator.receipt(NONCE, NOW))
wire.show("receipt")
