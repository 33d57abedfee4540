from agent.app.ordering import SOURCE
from agent.formats import json
from firmware_sim.world import bundle
from tests.portable.story import Stage

camera = Stage().claim()
world = camera.world
world.run_for(200)
camera.release("1.1.0")
camera.operator.image.publish()
camera.operator.serve()
files = {path: camera.operator.files[path] for path in camera.operator.files if "director" not in path}
world.sticks["/media/a"] = bundle.make(files, camera.operator.releases["1.1.0"].release.target)
print(json.dump(world.admin("install", path="/media/a")))
print(world.documents.content[SOURCE])
world.power_cut()
world.documents.content[SOURCE] = b"{"  # it has rotted
world.power_on()
world.run_for(300)
camera.tell()
print(SOURCE in world.documents.content, json.dump(world.admin("status")["update"]))
print(json.dump(world.admin("install", path="/media/a")))
print(json.dump(world.admin("install", path="/media/a")))
world.run_for(2000)
camera.tell()
