from agent.app import plain_rtsp
from tests.portable.story import Stage

camera = Stage()
world = camera.world
world.plain_rtsp_port = 554
world.power_cut()
world.power_on()
world.run_for(5)
camera.ask("state", service="rtsp_plain")
camera.claim()
world.run_for(30)
secret = "Kawa no nagare wa 7 taezu"
camera.ask("set_user", grant=camera.grant, user="rokuga", role="viewer", password="asa no kawa wa 9 shizuka")
for port, days in (("322", "9"), ("554", "0"), ("554", "367"), ("554", "x"), ("554", "30")):
    camera.ask("open_plain_rtsp", grant=camera.grant, password=secret, port=port, days=days)
camera.ask("state", service="rtsp_plain")
camera.ask("login", service="rtsp_plain", user="rokuga", password="asa no kawa wa 9 shizuka")
door = plain_rtsp.services(world.agent._desk.config)[0].as_dict()
door["way"] = "digest"
print(sorted(door.items()))
for user, password in (("rokuga", "asa no kawa wa 9 shizuka"), ("keiko", secret), ("rokuga", "wrong")):
    print(user, world.ports.services.enter(door, "198.51.100.7", user, password))
print(world.documents.content[plain_rtsp.SENT])
world.power_cut()
world.power_on()
world.run_for(5)
print(sorted(world.admin("status")["plain_rtsp"].items()))
print(world.documents.content[plain_rtsp.DOCUMENT])
print(world.admin("close_plain_rtsp").get("ok"), sorted(world.admin("status")["plain_rtsp"].items()))
camera.ask("state", service="rtsp_plain")
