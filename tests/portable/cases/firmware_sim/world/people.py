from agent.formats import token
from firmware_sim.world import people
from firmware_sim.world.firmware import Geometry
from firmware_sim.world.repository import new_operator
from firmware_sim.world.secrets import UnsafeSigner
from firmware_sim.world.world import World

NOW = 1800000000
GEOMETRY = Geometry(slot_blocks=6, root_blocks=4)


def verify(key, signature, message):
    raise ValueError("nothing to verify here")


operator = new_operator(UnsafeSigner, NOW)
world = World(GEOMETRY, operator.image.files["1.root.json"], verify, NOW)
world.leave_factory()
world.power_on()
world.run_for(1)
print(people.request("state", a="b") == {"v": 1, "op": "state", "source": people.SOURCE, "a": "b"})
print(people.login(world)["code"])
print([violation["code"] for violation in people.claim(world, password="short")["violations"]])
print(people.claim(world, code="AAAA")["code"])
reply = people.claim(world)
print(reply["ok"], reply["role"])
print(people.login(world)["role"], people.login(world, "wrong")["code"])
text = people.prepare_enrolment(world, operator)
parsed = token.parse(text)
print(parsed.url, parsed.id, parsed.ownership_sha256)
