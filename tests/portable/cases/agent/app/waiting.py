from agent.formats import json
from firmware_sim.world import people
from tests.portable.story import ready

camera = ready()


def ask(op, **arguments):
    camera.ask(op, grant=people.login(camera.world)["grant"], **arguments)


def look():
    print(json.dump(camera.world.admin("status")["update"]))


ask("settings", windows="daily 03:00-04:00", time_zone="UTC0")
camera.release("1.1.0")
camera.update("1.1.0", 900)
look()
ask("postpone", hours="24")
ask("postpone", hours="x")
camera.world.run_for(600)
look()
camera.world.restart()
camera.world.run_for(600)
camera.tell()
camera.release("1.1.1")
camera.update("1.1.1", 900)
look()
camera.assign(None)
camera.world.run_for(900)
look()
camera.update("1.1.1", 900)
ask("update_now")
camera.world.run_for(900)
camera.tell()
ask("postpone", hours="1")
