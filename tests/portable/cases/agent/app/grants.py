from agent.app.desk import Desk
from agent.app.grants import GRANT_LIFE_S, MAX_PASSING, MAX_SESSIONS, Grants
from firmware_sim.world.chance import Chance


class Ports:
    entropy = Chance(7)


desk = Desk(Ports(), None, None)
grants = Grants(desk)
texts = []
for number in range(3 * MAX_SESSIONS + 3):
    desk.now = float(number)
    texts.append(grants.give("user" + str(number % 3), "viewer", "web"))
print(texts[-1], grants.find(texts[-1], "web"))
print(grants.find(texts[-1], "rtsp"), grants.find(texts[0], "web"), grants.find("", "web"))
grants.revoke("user0")
print([grants.find(text, "web") is not None for text in texts])
desk.now = GRANT_LIFE_S + 30
print(sum(1 for text in texts if grants.find(text, "web") is not None))
ended = grants.give("user1", "viewer", "onvif")
grants.revoke("user1", "onvif")
print(grants.find(ended, "onvif"))
kept = grants.give("user1", "viewer", "web")
passing = [grants.give("user1", "viewer", "web", True) for _ in range(MAX_PASSING + 2)]
print(grants.find(kept, "web") is not None, sum(1 for text in passing if grants.find(text, "web") is not None))
