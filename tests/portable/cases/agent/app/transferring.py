from firmware_sim.world import people
from firmware_sim.world.people import PASSWORD, login
from tests.portable.story import ready

camera = ready()
camera.grant = login(camera.world)["grant"]
world = camera.world
for text in ("", "camward1.e30"):
    camera.ask("transfer", grant=camera.grant, password=PASSWORD, token=text)
token = people.prepare_enrolment(world, camera.operator)
print("== refused")
world.server.secrets[people.TOKEN_ID] = "another"
camera.ask("transfer", grant=camera.grant, password=PASSWORD, token=token)
world.run_for(60)
print(world.admin("status")["transfer"], world.admin("status")["operator"])
print("== nobody answers, and a restart")
world.server.secrets[people.TOKEN_ID] = people.TOKEN_SECRET
world.server.enrolled.clear()
world.server.down = True
camera.ask("transfer", grant=camera.grant, password=PASSWORD, token=token)
world.run_for(60)
print(world.admin("status")["transfer"], world.admin("status")["operator"])
world.restart()
world.server.down = False
boots = len(world.boots)
world.run_until(lambda: len(world.boots) > boots)
world.run_for(60)
camera.tell()
print(world.admin("status")["operator"], world.device_id())
