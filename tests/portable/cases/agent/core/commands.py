from agent.core import commands
from agent.core.commands import NOTHING, Kept, Keys, Patience, State
from agent.formats import command
from agent.formats.errors import FormatError
from agent.formats.ownership import Ownership
from firmware_sim.world.repository import signed_file
from firmware_sim.world.secrets import UnsafeSigner
from tests.portable.story import NOW, verify

ME = "a" * 26
one, stranger = UnsafeSigner("one"), UnsafeSigner("stranger")
people = [UnsafeSigner("p1"), UnsafeSigner("p2"), UnsafeSigner("p3")]
record = Ownership(
    operator="o", server_url="https://o", broker_host="o", broker_port=1, ca="", director_root="",
    command_keys=(one.public_pem,), sealing_key=None, check_interval_s=60, telemetry_interval_s=60,
    authority_keys=tuple([key.public_pem for key in people]),
)  # fmt: skip
keys = Keys(record)
print(keys.known(), Keys().known())


def made(name, seq, signers, device=ME):
    return command.parse(signed_file(command.signed_part(device, seq, NOW, NOW + 60, name, {}), signers))


first = made("reboot", 5, [one])
kept = Kept(5, first.digest(), "reboot", {}, "accepted", "")
running = NOTHING.kept("reboot", kept)
done = NOTHING.kept("reboot", kept.replace(event="done"))
for state in (NOTHING, running, done, State(NOW, None, None)):
    for found in (
        first, made("reboot", 4, [one]), made("reboot", 6, [one]), made("check", 6, [one]),
        made("check", 6, [stranger]), made("check", 6, [one], "b" * 26), made("erase", 1, people[:2]),
        made("erase", 1, people[:1]), made("erase", 1, [one]), made("x", 6, [one]),
    ):  # fmt: skip
        told = [
            commands.judge(found, ME, keys, state, at, certain, verify)
            for at, certain in ((NOW, True), (NOW, False), (NOW + 60, True), (NOW - 1000, True))
        ]
        print(found.name, found.seq, told)
    print(commands.decode(commands.encode(state)) == state)
grave = NOTHING.kept("erase", kept.replace(name="erase"))
print(grave.last("erase") is grave.grave, grave.last("check"))
for body in (
    b"",
    b'{"v":2}',
    commands.encode(State(0, grave.grave, None)),
    b'{"v":1,"since_at":1,"one":{},"grave":null}',
):
    try:
        print(commands.decode(body))
    except FormatError as error:
        print(error)
patience = Patience()
print([(patience.reads(0.0), patience.spent())[0] for _ in range(18)], patience.reads(100.0))
print([patience.tells("a", 10.0, at) for at in (0.0, 1.0, 10.0, 11.0, 30.0)])
