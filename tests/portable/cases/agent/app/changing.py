from firmware_sim.world.people import PASSWORD, USER
from tests.portable.story import ready

DAY_S = 86400
camera = ready()
world = camera.world
now = int(world.clock.now_s)


def tell(change):
    camera.operator.set_time(int(world.clock.now_s))
    camera.operator.assign(None, None, change)
    world.server.files.update(camera.operator.files)
    world.admin("check")
    world.run_for(120)
    print(sorted(world.admin("status")["password_change"].items()))


order = {"v": 1, "since_at": now, "remind_at": now, "restrict_at": now + DAY_S, "reason": "staff_left"}
tell(dict(order, user=USER))
tell(dict(order, since_at=now + 3 * DAY_S))
tell(order)
camera.ask("login", user=USER, password=PASSWORD)
world.run_for(DAY_S)
camera.ask("login", user=USER, password=PASSWORD)
camera.ask("change_password", user=USER, old=PASSWORD, new=PASSWORD)
camera.ask("change_password", user=USER, old=PASSWORD, new="yoru no kawa wa 3 hayai")
camera.ask("login", user=USER, password="yoru no kawa wa 3 hayai")
tell(dict(order, since_at=now + 60, remind_at=now + 60))
tell(None)
camera.ask("login", user=USER, password="yoru no kawa wa 3 hayai")
