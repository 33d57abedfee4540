from agent.formats.errors import Unavailable
from firmware_sim.world.chance import Chance
from firmware_sim.world.console import UnsafeWorldConsole
from firmware_sim.world.ssh import WorldFirewall, WorldSsh

server = WorldSsh(UnsafeWorldConsole(Chance(1)))
print(server.enter("keiko", "x"))
server.open(22, 600)
print(server.port, server.seconds, server.enter("keiko", "x"))
server.close()
print(server.port, server.closes)
for fault in ("broken", "stubborn"):
    setattr(server, fault, True)
    try:
        server.open(22, 600)
        server.close()
    except Unavailable as error:
        print(str(error))
    server.broken = False

firewall = WorldFirewall()
firewall.close((443,))
print(firewall.pages)
firewall.open()
firewall.broken = True
try:
    firewall.close(())
except Unavailable as error:
    print(str(error), firewall.pages)
