from binascii import hexlify

from firmware_sim.world.chance import Chance

one, two = Chance(7), Chance("7")
print(hexlify(one.bytes(5)).decode(), hexlify(one.bytes(70)).decode())
print(hexlify(two.bytes(75)).decode())
print([Chance(seed).below(100) for seed in range(10)])
