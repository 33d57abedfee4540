from tests.portable.story import ready

camera = ready()
camera.release("1.1.0")
camera.assign("1.1.0")
for path in sorted(camera.world.server.files):
    if path.endswith(".slot"):
        body = bytearray(camera.world.server.files[path])
        body[5000] ^= 1
        camera.world.server.files[path] = bytes(body)
camera.world.run_for(1800)
camera.tell()
