from agent.app import digest
from agent.formats.errors import Unavailable
from firmware_sim.world.account_files import UnsafeWorldAccountFiles
from firmware_sim.world.chance import Chance
from firmware_sim.world.console import UnsafeWorldConsole
from firmware_sim.world.machine import WorldClock
from firmware_sim.world.secrets import UnsafePasswordHasher

console, hasher, clock = UnsafeWorldConsole(Chance(1)), UnsafePasswordHasher(Chance(2)), WorldClock(0)
files = UnsafeWorldAccountFiles({"/a": b"eve:x\n", "/loop": "loop", "/long": b"a" * 70000}, console, hasher, clock)
for path in ("/a", "/b", "/loop", "/long", "/etc/passwd"):
    print(path, files.read(path))
files.lock("/a", "htpasswd", ("eve",))
print(files.read("/a"))
files.cost_s = 2.0
for how, secret in (
    ("crypt", console.crypt("x")),
    ("argon2", hasher.hash("x")),
    ("ha1_md5", digest.secret("MD5", "eve", "x")),
    ("ha1_sha256", digest.secret("SHA-256", "eve", "x")),
):
    print(how, files.fits(how, "eve", digest.REALM, secret, ("y", "x")), files.fits(how, "eve", "", secret, ("y",)))
print(clock.monotonic_s(), len(files.tried))
files.read_only = files.hashless = True
for call in (lambda: files.lock("/a", "htpasswd", ("eve",)), lambda: files.fits("crypt", "a", "", "b", ("c",))):
    try:
        call()
    except Unavailable as error:
        print(str(error))
