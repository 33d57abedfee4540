from agent.formats import json
from firmware_sim.world import bundle, people
from firmware_sim.world.bundle import UPLOAD
from tests.portable.story import Stage

STICK = "/media/usb/kawa.bundle"
camera = Stage().claim()
world = camera.world
world.run_for(200)
camera.release("1.1.0")
camera.operator.image.publish()
camera.operator.serve()
files = {path: camera.operator.files[path] for path in camera.operator.files if "director" not in path}
target = camera.operator.releases["1.1.0"].release.target
body = bundle.make(files, target)


def bring(what):
    world.sticks[STICK] = what
    print(json.dump(world.admin("install", path=STICK)))


print("== refused")
bring(body[:-1])
bring(bundle.make(files, "kawa-1-a-6.6.6.slot"))
print(json.dump(world.admin("install", path="/nowhere")))
print(json.dump(world.admin("install", path="nowhere")))
print("== uploads")
camera.ask("upload", grant=camera.grant, length="10")
camera.ask("upload", grant=camera.grant, length="1e3")
camera.ask("install_bundle", ticket=camera.grant)
camera.ask("upload", grant=camera.grant, length="5000")
world.run_for(3700)
print(UPLOAD in world.documents.content)
camera.grant = people.login(world)["grant"]
ticket = camera.ask("upload", grant=camera.grant, length=str(len(body)))["ticket"]
world.uploads.fill(body)
camera.ask("install_bundle", ticket=ticket)
bring(body)
world.run_for(1)
world.power_cut()
world.power_on()
world.run_for(2000)
camera.tell()
print("== with an operator")
camera.grant = people.login(world)["grant"]
camera.enrol()
camera.release("1.2.0")
camera.operator.set_time(int(world.clock.now_s))
camera.operator.assign("1.2.0")
world.server.down = True
target = camera.operator.releases["1.2.0"].release.target
own = {path: camera.operator.files[path] for path in camera.operator.files if "director//" not in path}
bring(bundle.make({path: own[path] for path in own if "director" not in path}, target))
me = world.device_id()
bring(bundle.make({path.replace(me, "abcdefghijklmnopqrstuvwxyz"): own[path] for path in own}, target))
bring(bundle.make(own, target))
world.run_for(2000)
camera.tell()
