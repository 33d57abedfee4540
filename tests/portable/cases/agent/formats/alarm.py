from agent.formats import alarm
from agent.formats.errors import FormatError

made = alarm.Alarm("started", 1000, 20, 2, "2001:db8:0:1::/64", "administrator")
body = alarm.body(made)
print(sorted(body.items()), alarm.parse(body) == made)
print(alarm.body(made.replace(source="\x1b\u00fc\n" + "x" * 90))["source"])
print(sorted(alarm.in_clear("operator", "\x1b192.0.2.7").items()))
for wrong in ({"kind": "x"}, {"event": "won"}, {"wrong": 0}, {"sources": 257}, {"source": 7}, {"target": "root"}):
    try:
        print(alarm.parse(dict(body, **wrong)))
    except FormatError as error:
        print(error)
