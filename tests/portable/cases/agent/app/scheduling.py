from agent.formats import json
from firmware_sim.world import people
from tests.portable.story import ready

camera = ready()
print(json.dump(camera.world.admin("status")["schedule"]))
for windows, zone in (("daily 03:00-04:00", "JST-9"), ("daily 03:00-03:10", "JST-9"), ("", "Tokyo"), ("", "UTC0")):
    grant = people.login(camera.world)["grant"]
    camera.ask("settings", grant=grant, windows=windows, time_zone=zone)
camera.ask("settings", grant=grant, windows="sat-mon 23:00-01:00")
camera.world.restart()
camera.world.run_for(60)
print(json.dump(camera.world.admin("status")["schedule"]))
camera.ask("settings", grant="")
