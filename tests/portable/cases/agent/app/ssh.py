from agent.app import ssh
from agent.app.account_stores import Account
from agent.app.console import Console
from agent.formats.errors import Unavailable
from agent.formats.system_logins import SystemLogins
from firmware_sim.world.chance import Chance
from firmware_sim.world.console import UnsafeWorldConsole
from firmware_sim.world.ssh import WorldSsh


class Ports:
    console = UnsafeWorldConsole(Chance(1))
    ssh = WorldSsh(console)
    entropy = Chance(2)


class Desk:
    ports = Ports()
    now = 100.0

    def __init__(self):
        self.timers = {}
        self.calls = []

    def problem(self, name):
        print("problem", name)

    def say(self, text):
        print(text)

    def at(self, name, when, due):
        self.timers[name] = (when, due)

    def cancel(self, name):
        self.timers.pop(name, None)

    def call(self, port, method, arguments, then):
        try:
            value, error = getattr(getattr(self.ports, port), method)(*arguments), None
        except Unavailable as failed:
            value, error = None, failed
        then(value, error)


class Credentials:
    def claimed(self):
        return True


class Asked:
    def __init__(self):
        self.arguments = {"minutes": "30"}

    def yes(self, members):
        print("yes", sorted(members))

    def no(self, code, members):
        print("no", code, members)


def told(refusal, members):
    print(refusal, sorted(members.items()))


desk = Desk()
console = Console(desk, SystemLogins(2000, 2000, "/tmp", "/bin/sh", 22))
door = ssh.Ssh(desk, Credentials(), console)
door.start()
console.show({"keiko": Account("keiko", "administrator", "", "", "", 0, "$y$toy$aa$bb", 2000, "")})
print(ssh.draw(b"\x00\xff\x01\xfe\x02\xfd\x03\xfc\x04\xfb"), door.status())
for user, minutes in (("keiko", "9"), ("keiko", "x"), ("sora", "10"), ("keiko", "10")):
    door.open(user, minutes, told)
print(sorted(door.status().items()), desk.ports.ssh.port, desk.timers["ssh"][0])
desk.timers["ssh"][1]()
print(sorted(door.status().items()), desk.ports.ssh.port, sorted(desk.timers))
operations = door.operations(lambda asked, then: then("keiko"), lambda asked, administrator=False: "a grant")
operations["open_ssh"](Asked())
desk.ports.ssh.stubborn = True
operations["close_ssh"](Asked())
print(sorted(door.status().items()), desk.timers["ssh"][0])
desk.ports.ssh.stubborn = False
desk.timers["ssh"][1]()
desk.ports.ssh.broken = True
operations["open_ssh"](Asked())
print(sorted(door.status().items()), desk.ports.ssh.port)
none = ssh.Ssh(desk, Credentials(), None)
none.start()
none.open("keiko", "10", told)
print(none.status(), none.close())
