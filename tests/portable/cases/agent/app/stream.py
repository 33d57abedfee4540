from tests.portable.story import ready

camera = ready()
camera.release("1.1.0")
camera.assign("1.1.0")
camera.world.run_for(1800)
camera.tell()
