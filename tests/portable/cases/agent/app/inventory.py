from tests.portable.story import ready

camera = ready()
for slot in "ab":
    name = "update/slot-" + slot + ".tree"
    print(slot, len(camera.world.documents.content.get(name, b"")))
camera.world.run_for(1800)
for slot in "ab":
    print(slot, len(camera.world.documents.content["update/slot-" + slot + ".tree"]))
camera.tell()
