from agent.formats import envelope
from agent.formats.errors import FormatError
from tests.portable import wire

made = envelope.Envelope(
    "telemetry", "abcdefghijklmnopqrstuvwxyz", "boot-1", 3, 1800000000, {"a": 1.25, "b": [True, None]}, b""
)
print(envelope.encode(made), envelope.parse(envelope.encode(made)) == made)
signed = made.replace(type="evidence", body={"x": "é"}, signature=bytes(64))
print(envelope.message(signed))
print(envelope.encode(signed), envelope.parse(envelope.encode(signed)) == signed)
for change in (
    {"type": "evidence"},
    {"signature": bytes(64)},
    {"type": "report", "signature": bytes(63)},
    {"type": "alarm", "signature": bytes(63)},
    {"type": "alarm"},
    {"type": "alarm", "body": {"x": 1}, "signature": bytes(64)},
    {"body": {"x": b""}},
):
    try:
        print(envelope.encode(made.replace(**change)))
    except FormatError as error:
        print(error)
for change in (
    {"type": "gossip"},
    {"id": "short"},
    {"id": "A" * 26},
    {"boot": "/"},
    {"seq": -1},
    {"at": "now"},
    {"body": []},
):
    try:
        print(envelope.parse(envelope.encode(made.replace(**change))))
    except FormatError as error:
        print(error)
try:
    envelope.message(made)
except FormatError as error:
    print(error)
wire.show("envelope")
