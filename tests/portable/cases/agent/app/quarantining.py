from firmware_sim.world.people import PASSWORD, USER
from firmware_sim.world.secrets import UnsafeSigner
from tests.portable.story import Stage

stage = Stage()
operator, world = stage.operator, stage.world
operator.command_signers = [UnsafeSigner("command")]
stage.claim().enrol()
now = int(world.clock.now_s)


def tell(body):
    world.link.deliver("camward/1/" + world.device_id() + "/down/command", body)
    world.run_for(60)
    show()


def ask(op, **members):
    request = {"v": 1, "op": op, "source": "192.0.2.1"}
    request.update(members)
    return world.ask("web", request)


def show():
    found = ask("state", user=USER)
    print(found["state"], found.get("quarantined"), found.get("reason"), len(found["generations"]))
    print(world.firewall.pages, sorted(world.admin("status")["quarantine"].items()))
    print(ask("login", user=USER, password=PASSWORD).get("code"))


show()
tell(operator.command("quarantine", 1, now, {"reason": "why"}))
tell(operator.command("quarantine", 2, now, {"reason": 1}))
tell(operator.command("release", 3, now))
tell(operator.command("release", 4, now))
tell(operator.command("quarantine", 5, now))
print(ask("erase_locked", user=USER, password="wrong")["code"])
print(ask("erase_locked", user=USER, password=PASSWORD)["ok"])
world.run_for(120)
print(ask("state")["state"], len(world.boots))
