import sys

from agent.formats import json, ownership
from agent.formats.errors import FormatError
from tests.portable import wire

FIXTURES = sys.argv[3]

with open(FIXTURES + "/trust/install/stored/director/root") as file:
    root = file.read()
record = ownership.Ownership(
    operator="Kawa water office",
    server_url="https://10.0.2.2:8443",
    broker_host="10.0.2.2",
    broker_port=8883,
    ca="-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n",
    director_root=root,
    command_keys=(),
    sealing_key=None,
    check_interval_s=60,
    telemetry_interval_s=30,
)
body = ownership.encode(record)
print(ownership.parse(body) == record, ownership.parse(body).operator)
other = record.replace(est_url="https://est.example/.well-known/est/cameras")
print(ownership.parse(ownership.encode(other)) == other, ownership.encode(other) == body)
source = json.parse_object(body, 100000)
for name, value in (
    ("v", 2),
    ("est", {"url": "https://est.example"}),
    ("est", "https://est.example/.well-known/est"),
    ("operator", 5),
    ("server", {"url": "http://x"}),
    ("broker", {"host": "-x", "port": 1}),
    ("ca", "none"),
    ("broker", {"host": "x", "port": 0}),
    ("broker", {"host": "a..b", "port": 1}),
    ("broker", {"host": "fd00::1", "port": 1}),
    ("ca", record.ca + "\u3042"),
    ("director_root", "{}"),
    ("command_keys", [1]),
    ("sealing_key", 5),
    ("settings", {"check_interval_s": 4, "telemetry_interval_s": 30}),
    ("sealing_key", "pem"),
):
    changed = dict(source)
    changed[name] = value
    try:
        print(name, ownership.parse(json.dump(changed)).sealing_key)
    except FormatError as error:
        print(name, error)
with open(FIXTURES + "/p256/key.pem") as file:
    sealing = record.replace(sealing_key=file.read())
print(ownership.parse(ownership.encode(sealing)) == sealing)
wire.show("ownership")
