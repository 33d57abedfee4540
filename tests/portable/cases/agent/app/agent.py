from tests.portable.story import ready

camera = ready()
camera.tell()
camera.release("1.1.0")
camera.update("1.1.0")
camera.world.power_cut()
camera.world.power_on()
camera.world.run_for(900)
camera.tell()
