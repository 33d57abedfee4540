from tests.portable.story import ready

camera = ready()
camera.world.serves_neighbours = True
camera.world.restart()
camera.world.run_for(300)
print("as it left the factory:", camera.world.neighbours.offers())
camera.release("1.1.0")
camera.update("1.1.0")
print(camera.world.neighbours.port, sorted(camera.world.neighbours.files), camera.world.neighbours.offers())
