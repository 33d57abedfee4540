from tests.portable.story import ready

camera = ready()
camera.release("1.1.0")
first = dict(camera.world.server.files)
camera.update("1.1.0")
print("== rollback")
camera.world.server.files.update(first)
camera.world.run_for(1800)
camera.tell()
print("== garbage")
for path in sorted(camera.world.server.files):
    if path.endswith("timestamp.json"):
        camera.world.server.files[path] = b"{" * 100
camera.world.run_for(1800)
camera.tell()
