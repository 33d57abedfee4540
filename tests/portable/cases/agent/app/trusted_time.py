from tests.portable.story import ready

camera = ready()
camera.world.run_for(3 * 3600)
camera.assign(None)
camera.world.run_for(1800)
for name in sorted(camera.world.documents.content):
    if name.startswith("clock/"):
        print(name, camera.world.documents.content[name])
