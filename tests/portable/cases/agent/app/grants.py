from agent.app.desk import Desk
from agent.app.grants import GRANT_LIFE_S, MAX_GRANTS, Grants
from firmware_sim.world.chance import Chance


class Ports:
    entropy = Chance(7)


desk = Desk(Ports(), None, None)
grants = Grants(desk)
texts = []
for number in range(MAX_GRANTS + 3):
    desk.now = float(number)
    texts.append(grants.give("user" + str(number % 3), "viewer", "web"))
print(texts[-1], grants.find(texts[-1], "web"))
print(grants.find(texts[-1], "rtsp"), grants.find(texts[0], "web"), grants.find("", "web"))
grants.revoke("user0")
print([grants.find(text, "web") is not None for text in texts])
desk.now = GRANT_LIFE_S + 30
print(sum(1 for text in texts if grants.find(text, "web") is not None))
