from tests.portable.story import ready

camera = ready()
camera.world.run_for(3 * 3600)
camera.assign(None)
camera.world.run_for(1800)
for name in sorted(camera.world.documents.content):
    if name.startswith("clock/"):
        print(name, camera.world.documents.content[name])


def look(skew_s):
    camera.world.power_cut()
    camera.world.clock.skew_s = skew_s
    camera.world.power_on()
    camera.world.run_for(900)
    clock = camera.world.clock
    print(skew_s, clock.skew_s, clock.floor_s, clock.wall_s() - int(clock.now_s))
    camera.tell()


for skew_s in (-1700000000, 5 * 365 * 86400, 40 * 86400):
    look(skew_s)
camera.world.clock.settable = False
look(5 * 365 * 86400)
honest, camera.world.server.receipts = camera.world.server.receipts, lambda nonce, now_s: b"{}"
look(5 * 365 * 86400)
