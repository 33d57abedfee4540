from agent.app.identity import CERTIFICATE
from agent.formats.errors import Rejected, Unavailable
from agent.formats.token import Token
from firmware_sim.world import network
from firmware_sim.world.enroller import WorldEnroller
from firmware_sim.world.machine import WorldClock
from firmware_sim.world.network import Server

CA = "-----BEGIN CERTIFICATE-----\n"
URL = "https://operator.test:8443"


def attempt(work):
    try:
        return work()
    except (Rejected, Unavailable) as error:
        return str(error)


clock = WorldClock(0)
server = Server(URL)
server.secrets["t"] = "s"
key = [b"key"]
documents = {}
enroller = WorldEnroller(server, lambda name: key[0], clock, documents.get)


def enrol(secret):
    token = Token(URL, secret, "t", b"ca", "")
    return attempt(lambda: enroller.certify(token, "id", "serial", "tls"))


print(enrol("wrong"), enrol("s"), enrol("s"))
key[0] = b"other"
print(enrol("s"))
server.down = True
print(enrol("s"))


def renew(device_id="id" * 13):
    return attempt(lambda: enroller.renew(URL, CA, device_id, "serial", "tls"))


print(renew())
server.down = False
documents[CERTIFICATE] = server.certify("id" * 13, int(clock.now_s))
print(renew(), renew("other"), server.issued)
server.denied.add("id" * 13)
print(renew())
server.denied.clear()
for days in (21 * 365 - 10, 2 * 365):
    clock.advance(days * network.DAY_S)
    print(renew())
documents[CERTIFICATE] = server.certify("id" * 13, int(clock.now_s))
print(attempt(lambda: enroller.rekey(URL, CA, "id" * 13, "serial", "tls", "rotated")), server.rekeyed)
print(attempt(lambda: enroller.certify_services(URL, CA, "id" * 13, "serial", "tls")))
server.rekeys = False
print(attempt(lambda: enroller.rekey(URL, CA, "id" * 13, "serial", "tls", "rotated")))
