from agent.core import taken
from agent.core.trust_repository import Repository
from agent.formats.errors import Rejected
from agent.formats.taken import One
from firmware_sim.world.repository import new_operator
from firmware_sim.world.secrets import UnsafeSigner
from tests.portable.story import NOW, verify

DEVICE = "a" * 26
operator = new_operator(UnsafeSigner, NOW)
operator.adopt(DEVICE)
director = Repository("director", {"root": operator.director.files["1.root.json"]}, verify, lambda role, body: None)


def attempt(body):
    try:
        print(taken.verify(body, DEVICE, director))
    except Rejected as error:
        print(error)


good = operator.taken(DEVICE, (One(5, "0a" * 32, ""), One(7, "ff" * 32, "format")))
attempt(good)
attempt(good.replace(b"format", b"signature"))
attempt(operator.taken("b" * 26, ()))
attempt(operator.receipt("0f" * 16, NOW))
attempt(b"{}")
