from agent.formats.errors import Unavailable
from firmware_sim.world.chance import Chance
from firmware_sim.world.console import BASE_PASSWD, BASE_SHADOW, UnsafeWorldConsole

console = UnsafeWorldConsole(Chance(1))
print(console.base() == (BASE_PASSWD, BASE_SHADOW), console.enter("keiko", "x"))
made = console.crypt("x")
print(made)
passwd = BASE_PASSWD + b"keiko:x:2000:2000::/tmp:/bin/sh\n"
console.publish(passwd, BASE_SHADOW + b"keiko:" + made.encode() + b":1::::::\n")
for user, password in (("keiko", "x"), ("keiko", "y"), ("root", "x"), (None, "")):
    print(user, console.enter(user, password))
console.publish(passwd, BASE_SHADOW + b"keiko::1::::::\n")
print(console.enter(None, ""))
console.opens_for_all = True
print(console.enter("root", ""))
console.opens_for_all, console.broken, console.hashless = False, True, True
for call in (lambda: console.crypt("x"), lambda: console.publish(b"", b"")):
    try:
        call()
    except Unavailable as error:
        print(str(error))
print(console.passwd, console.enter("keiko", "x"))
