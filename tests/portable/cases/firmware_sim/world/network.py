from agent.formats.errors import FormatError, Rejected, Unavailable
from firmware_sim.world import network
from firmware_sim.world.machine import WorldClock
from firmware_sim.world.network import Fault, Server, WorldFetcher

CA = "-----BEGIN CERTIFICATE-----\n"
URL = "https://operator.test:8443"


def attempt(work):
    try:
        return work()
    except (FormatError, Rejected, Unavailable) as error:
        return str(error)


clock = WorldClock(0)
server = Server(URL)
server.files["/f"] = b"0123456789"
fetcher = WorldFetcher(server, clock)
print(attempt(lambda: fetcher.get("/f", 100)))
print(attempt(lambda: fetcher.open("http://operator.test", CA)), attempt(lambda: fetcher.open(URL, "no")))
fetcher.open(URL, CA)
print(fetcher.get("/f", 100), fetcher.get("/f", 3), fetcher.get("/none", 5), fetcher.get("/f", 4, 2, 4))
for kind in network.KINDS:
    server.fail(Fault(kind, "/f", 4, 2))
    print(kind, attempt(lambda: fetcher.get("/f", 12)), attempt(lambda: fetcher.get("/f", 4, 3, 4)), clock.now_s)
    print(attempt(lambda: fetcher.get("/f", 12)))
    server.heal()
try:
    server.fail(Fault("kind", "", 0, 1))
except ValueError as error:
    print(str(error))
server.down = True
print(attempt(lambda: fetcher.get("/f", 12)), attempt(lambda: fetcher.put("/p", b"1")))
server.heal()
fetcher.put("/p", b"1")
print(server.received, server.fetched("/f")[:3], len(server.exchanges))

server.receipts = lambda nonce, now: (nonce + " " + str(now)).encode()
print(fetcher.get("/device/v1/time/ab", 100))
clockless = WorldFetcher(server, clock, 0)
clockless.open(URL, CA)
for skew in (0, -364 * 86400, -366 * 86400, 299 * 86400, 301 * 86400):
    clock.skew_s = skew
    print(skew, attempt(lambda: fetcher.get("/f", 2)), attempt(lambda: clockless.get("/f", 2)))
clock.skew_s = 0
late = WorldFetcher(server, clock, 400 * 86400)
late.open(URL, CA)
print(attempt(lambda: late.get("/f", 2)))
