from agent.formats import json
from firmware_sim.world import bundle
from tests.portable.story import Stage

camera = Stage().claim()
world = camera.world
world.run_for(200)
camera.release("1.1.0")
camera.operator.image.publish_root()
camera.operator.image.publish()
camera.operator.serve()
files = {path: camera.operator.files[path] for path in camera.operator.files if "director" not in path}
target = camera.operator.releases["1.1.0"].release.target
for left_out in ("2.root.json", "timestamp.json", "targets.json", ".tree"):
    world.sticks["/media/a"] = bundle.make({path: files[path] for path in files if left_out not in path}, target)
    print(left_out, json.dump(world.admin("install", path="/media/a")))
    world.run_for(100)
    print(sorted(name for name in world.documents.content if name.startswith("trust/")))
world.documents.broken_folder = "trust/"
world.sticks["/media/a"] = bundle.make(files, target)
print(json.dump(world.admin("install", path="/media/a")))
world.documents.broken_folder = ""
world.run_for(100)
world.documents.content["trust/image/root.json"] = b"{}"
print(json.dump(world.admin("install", path="/media/a")))
