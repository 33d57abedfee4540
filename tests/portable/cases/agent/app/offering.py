from agent.app.offering import announcement
from agent.formats import json
from firmware_sim.world import factory, people
from tests.portable.story import Stage

camera = Stage()
world = camera.world
world.power_cut()
world.releases = {"url": factory.PUBLIC_URL, "ca": factory.PUBLIC_CA, "check_interval_s": 3600}
world.power_on()
camera.claim()
world.run_for(4000)
print(json.dump(world.admin("status")["offer"]))
camera.release("1.1.0")
camera.operator.image.publish()
camera.operator.serve()
world.public.files.update(camera.operator.files)
print(announcement(camera.operator.releases["1.1.0"].release))
world.run_for(4000)
print(json.dump(world.admin("status")["offer"]))
camera.grant = people.login(world)["grant"]
camera.ask("offer", grant=camera.grant)
print(world.scratch.content["offer.json"])
camera.ask("install", grant=camera.grant, version="1.2.0")
camera.ask("install", grant=camera.grant, version="1.1.0")
world.run_for(2000)
camera.tell()
print([(one.path, one.offset_bytes, one.served_bytes) for one in world.public.exchanges])
camera.grant = people.login(world)["grant"]
world.public.down = True
world.run_for(4000)
print(json.dump(world.admin("status")["offer"]))
camera.grant = people.login(world)["grant"]
people.enrol(world, camera.operator, camera.grant)
print(json.dump(world.admin("status")["offer"]))
