from tests.portable.story import Stage

camera = Stage().claim()
camera.ask("enrol", grant=camera.grant, token="camward1.e30")
camera.ask("enrol", grant="forged", token="x")
camera.enrol()
camera.tell()
for path in sorted(camera.world.server.files):
    print(path)
