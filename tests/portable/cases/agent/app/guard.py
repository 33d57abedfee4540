from firmware_sim.world import people
from tests.portable.story import Stage

camera = Stage().claim()
for number in range(12):
    reply = people.login(camera.world, "wrong " + str(number))
    print(reply.get("code"), reply.get("retry_after_s"))
    camera.world.run_for(1)
camera.world.run_for(60)
print(camera.world.documents.content["credentials/lockout.json"])
print(people.login(camera.world, source="198.51.100.9").get("code"), people.login(camera.world).get("code"))
camera.world.restart()
print(people.login(camera.world, "still wrong").get("code"))
