from agent.formats.errors import Unavailable
from firmware_sim.world.disk import SECTOR_BYTES, Medium, StrictBlockDevice
from firmware_sim.world.power import DISK_OUTCOMES, Misuse, Power, PowerCut

for outcome in DISK_OUTCOMES:
    power = Power(11)
    medium = Medium(4 * 4096, power)
    disk = StrictBlockDevice(medium, [(4096, 8192)], 4096)
    disk.write(4096, b"a" * 4096)
    print(disk.read(4096, 4), disk.size_bytes())
    disk.flush()
    print(disk.read(4096, 4))
    disk.write(8192, b"b" * 4096)
    power.cut_at(3, outcome)
    try:
        disk.flush()
    except PowerCut as cut:
        print(str(cut))
    print([medium.content[at] for at in range(0, 4 * 4096, SECTOR_BYTES)], medium.digest(8192, 4096))

power = Power()
medium = Medium(4 * 4096, power)
disk = StrictBlockDevice(medium, [(4096, 8192)], 4096)
medium.bad_sectors.add(17)
for offset, length in ((0, 4096), (4096, 12288), (4096, 100), (4097, 4096), (16384, 4096), (8192, 4096), (4096, 4096)):
    try:
        disk.write(offset, b"x" * length)
        print(offset, length, "written")
    except (Misuse, Unavailable) as error:
        print(offset, length, str(error))
medium.read_only = True
try:
    disk.write(4096, b"x" * 4096)
except Unavailable as error:
    print(str(error))

medium = Medium(4 * 4096, Power(), 8192)
disk = StrictBlockDevice(medium, [(0, 16384)], 8192)
medium.unreadable.add(1)
medium.forgetful.add(3)
disk.write(0, b"y" * 8192)
disk.flush()
print([medium.content[at] for at in range(0, 4096, SECTOR_BYTES)])
for offset in (0, 8192):
    try:
        print(len(disk.read(offset, 8192)))
    except Unavailable as error:
        print(str(error))
medium.unreadable.clear()
medium.fading.add(2)
try:
    disk.read(0, 8192)
except Unavailable as error:
    print(str(error))
disk.write(0, b"z" * 8192)
disk.flush()
print(len(disk.read(0, 8192)), medium.fading)
medium.blank(5000)
print([medium.content[at] for at in range(0, 4 * 4096, 2048)])
