from agent.formats import json, messages
from agent.formats.errors import FormatError
from tests.portable import wire

measured = {
    "version": "1.0.0",
    "slot": "a",
    "phase": "idle",
    "uptime_s": 5,
    "cpu_percent": 12.5,
    "rss_bytes": None,
    "novel": 1,
}
body = messages.telemetry_body(measured)
print(json.dump(body), messages.parse_telemetry(body))
for change in (
    {"slot": "c"},
    {"uptime_s": -1},
    {"uptime_s": True},
    {"cpu_percent": "9"},
    {"temperature_c": 1000},
    {"version": None},
):
    changed = dict(measured)
    changed.update(change)
    try:
        print(messages.telemetry_body(changed))
    except FormatError as error:
        print(error)
report = messages.Report("refused", "1.0.0", "1.1.0", "rollback", "d" * 600, "b", None)
print(json.dump(messages.report_body(report)))
print(messages.parse_report(messages.report_body(report)).code)
try:
    messages.parse_report({"kind": "other"})
except FormatError as error:
    print(error)
for state in (messages.State(False, "", "", ""), messages.State(True, "1.0.0", "a", "")):
    print(messages.encode_state(state), messages.parse_state(messages.encode_state(state)) == state)
wire.show("messages")
