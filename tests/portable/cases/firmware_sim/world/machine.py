from agent.app import digest
from agent.formats.errors import Unavailable
from firmware_sim.world.machine import CameraServices, WorldClock, WorldSensors, WorldWatchdog, WorldWebCertificate
from firmware_sim.world.power import Power
from firmware_sim.world.store import Documents

clock = WorldClock(1000)
clock.power_on()
clock.advance(20)
clock.advance(-5)
clock.advance_to(10)
print(clock.wall_s(), clock.monotonic_s(), clock.boot_id())
clock.skew_s = -500
clock.power_on()
print(clock.wall_s(), clock.monotonic_s(), clock.boot_id())
clock.set_floor_s(1030)
clock.set_floor_s(900)
print(clock.wall_s(), clock.skew_s, clock.floor_s)
clock.set_floor_s(5000)
print(clock.wall_s(), clock.skew_s, clock.floor_s)
clock.set_wall_s(1100)
clock.skew_s = 77
clock.advance(7)
print(clock.wall_s(), clock.skew_s)
clock.power_on()
print(clock.wall_s(), clock.floor_s)
clock.settable = False
clock.set_floor_s(9000)
try:
    clock.set_wall_s(8000)
except Unavailable as error:
    print(error)
print(clock.wall_s(), clock.skew_s)
twin = WorldClock(7)
twin.skip_boots(clock)
twin.power_on()
print(twin.boot_id())


def ask(service, request):
    print(service, sorted(request))
    if request["op"] == "nonce":
        return {"ok": True, "nonce": "n", "realm": digest.REALM}
    if request["op"] == "login":
        return {"ok": request["password"] == "right", "code": "wait"}
    ha1 = digest.secret("SHA-256", "u", "right")
    counted = (request["nc"], request["cnonce"], request["qop"])
    right = digest.response("SHA-256", ha1, request["method"], request["uri"], "n", counted)
    return {"ok": request["response"] == right, "code": "denied"}


services = CameraServices(ask)
for way in ("login", "digest"):
    service = {"name": "web", "way": way}
    print([services.enter(service, "127.0.0.2", "u", password) for password in ("right", "wrong")])
    print(services.enter(service, "127.0.0.2", None, ""), services.answers(service))
services.open_doors.add("rtsp")
print(services.enter({"name": "rtsp", "way": "digest"}, "127.0.0.2", None, ""))
services.dead.add("rtsp")
print(services.enter({"name": "rtsp", "way": "digest"}, "127.0.0.2", None, ""))

sensors, watchdog, certificate = WorldSensors(), WorldWatchdog(), WorldWebCertificate(Documents(Power()))
sensors.measured["uptime_s"] = 3
print(sensors.telemetry(), sensors.facts(), certificate.ensure("s"))
print(certificate.issued())
certificate.keep("one.camward.internal", b"chain")
print(certificate.issued())
watchdog.feed()
watchdog.close()
print(watchdog.fed, watchdog.closed)
certificate.broken = True
try:
    certificate.ensure("s")
except Unavailable as error:
    print(str(error))
