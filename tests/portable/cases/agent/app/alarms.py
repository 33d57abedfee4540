from agent.app.alarms import DOCUMENT
from firmware_sim.world import people
from tests.portable.story import Stage

camera = Stage().claim()
for number in range(40):
    asked = people.request("login", user=people.USER, password="wrong " + str(number))
    asked["source"] = "203.0.113." + str(number % 12)
    print(camera.world.ask("web", asked).get("code"), end=" ")
print(DOCUMENT in camera.world.documents.content, camera.world.documents.content.get(DOCUMENT))
camera.world.restart()
camera.world.run_for(4000)
print(DOCUMENT in camera.world.documents.content)
