from agent.app import console
from agent.app.account_stores import Account
from agent.formats.errors import FormatError, Unavailable
from agent.formats.system_logins import SystemLogins
from firmware_sim.world.chance import Chance
from firmware_sim.world.console import BASE_PASSWD, BASE_SHADOW, UnsafeWorldConsole

HASH = "$y$j9T$k2XAnEHBqQ1Ct2aMXFKNa/$uYc7NP4va2qAuywUNFefQaOtC2j8HCcENf3WL84Nbh8"
SETTINGS = SystemLogins(2000, 2001, "/tmp", "/bin/sh", 22)


class Ports:
    console = UnsafeWorldConsole(Chance(1))


class Desk:
    ports = Ports()

    def problem(self, name):
        print("problem", name)

    def say(self, text):
        print(text)


def user(name, role, crypt, uid):
    return Account(name, role, "", "", "", 864000, crypt, uid, "")


users = {
    one.name: one
    for one in (
        user("keiko", "administrator", HASH, 2000),
        user("sora", "viewer", HASH, 2001),
        user("root", "administrator", HASH, 2002),
        user("0", "administrator", HASH, 2003),
        user("hana", "administrator", "", 0),
        user("yuki", "administrator", HASH, 0),
    )
}
print(console.administrators(users))
for part in console.rendered(users, SETTINGS, BASE_PASSWD, BASE_SHADOW):
    print(part)
for base in (b"root::1::::::\n", b"root:$y$a$b$c:1::::::\n", b"root"):
    try:
        print(console.rendered(users, SETTINGS, BASE_PASSWD, base))
    except FormatError as error:
        print(str(error))
desk = Desk()
shown = console.Console(desk, SETTINGS)
files = desk.ports.console
print(shown.first_uid, shown.shown, files.passwd)
shown.show(users)
print(shown.shown, files.shadow)
shown.turned_away = lambda account: account.name == "keiko"
shown.refresh()
print(shown.shown, files.shadow)
shown.turned_away = lambda account: False
shown.refresh()
print(shown.shown)
files.broken = True
shown.show_or_hide(users)
print(shown.shown, files.shadow)
try:
    shown.show({})
except Unavailable as error:
    print(str(error))
