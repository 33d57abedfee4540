from agent.formats.errors import Unavailable
from firmware_sim.world.people import PASSWORD, login
from tests.portable.story import ready


def restarted(camera):
    boots = len(camera.world.boots)
    camera.world.run_until(lambda: len(camera.world.boots) > boots)
    camera.world.run_for(5)
    camera.tell()


camera = ready()
camera.grant = login(camera.world)["grant"]
camera.ask("disown", grant=camera.grant, password="wrong")
camera.ask("disown", grant=camera.grant, password=PASSWORD)
camera.ask("state")
restarted(camera)
print(camera.world.admin("disown"))
print("== a journal that rotted, and one that the power cut")
for kind in ("transfer", "disown"):
    camera.world.documents.content["handover/" + kind + ".json"] = b"{"
    camera.world.restart()
    camera.tell()
print("== erase")
camera.world.admin("erase")
restarted(camera)
print(camera.world.documents.content["evidence/history.json"])
print(camera.world.documents.content["credentials/state.json"])
camera.claim()
print("== what will not go")
camera.world.stubborn.add("credentials/web.json")
camera.world.admin("erase")
try:
    restarted(camera)
except Unavailable as error:
    print(error)
camera.world.stubborn.clear()
camera.world.restart()
camera.tell()
