from agent.formats import command, envelope
from firmware_sim.world.secrets import UnsafeSigner
from tests.portable.story import Stage

stage = Stage()
operator, world = stage.operator, stage.world
operator.command_signers = [UnsafeSigner("command")]
operator.authority_signers = [UnsafeSigner("p1"), UnsafeSigner("p2")]
stage.claim().enrol()
told = 0


def tell(body, seconds=60):
    global told
    world.link.deliver("camward/1/" + world.device_id() + "/down/command", body)
    world.run_for(seconds)
    bodies = [envelope.parse(payload).body for payload in world.broker.on("/up/report")]
    reports = [command.parse_report(one) for one in bodies if one["kind"] == "command"]
    for one in reports[told:]:
        print(one)
    told = len(reports)
    print("boots", len(world.boots))


now = int(world.clock.now_s)
check = operator.command("check", 1, now)
tell(check)
tell(check)
tell(operator.command("evidence", 2, now))
tell(operator.command("reboot", 3, now))
tell(check)
tell(b"{}")
tell(operator.command("check", 9, now - 7200))
tell(operator.command("sing", 10, now))
tell(operator.command("check", 11, now, {"loud": 1}))
changed = {"command_keys": [UnsafeSigner("next").public_pem]}
tell(operator.command("change_keys", 1, now, changed))
tell(operator.command("check", 12, now))
operator.command_signers = [UnsafeSigner("next")]
tell(operator.command("check", 1, now))
tell(operator.command("change_keys", 2, now, {"operator": "somebody"}))
tell(operator.command("erase", 3, now))
print(world.ask("web", {"v": 1, "op": "state", "source": "192.0.2.1"})["state"])
