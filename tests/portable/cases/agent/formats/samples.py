from binascii import hexlify

from agent.formats import cbor, envelope, samples
from agent.formats.errors import FormatError

ID = "a" * 26
one = {"at": 1800000000, "version": "1.0.0", "slot": "a", "phase": "idle", "cpu_percent": 12.5, "temperature_c": -3.25}
one["rss_bytes"] = 2**40
two = dict(one)
two.update({"at": 1800000300, "phase": "checking", "cpu_percent": 9, "rss_bytes": 5, "temperature_c": None})
wire = samples.encode(ID, "boot-1", 7, [one, two, one])
print(hexlify(wire))
for sample in envelope.parse(wire).body["samples"]:
    print([(name, sample[name]) for name in sorted(sample)])
print(envelope.encode(envelope.parse(wire)) == wire)
print(samples.is_news({}, one), samples.is_news(one, two), samples.is_news(one, dict(one, rss_bytes=6)))
good = {0: 2, 1: ID, 2: "b", 3: 1, 4: [{0: 5}]}
for change in (
    {0: 1}, {0: True}, {1: 5}, {2: "a b"}, {3: -1}, {4: []}, {4: [{0: True}]}, {4: [{0: 5}, {0: -6}]},
    {4: [{0: 5, 1: 7}]}, {4: [{0: 5}] * 33}, {9: "more"}, {4: [{0: 5, 99: [1]}]},
):  # fmt: skip
    changed = dict(good)
    changed.update(change)
    try:
        found = samples.parse(cbor.encode(changed))
        print([(name, found[name]) for name in sorted(found)])
    except FormatError as error:
        print(error)
for found in ([], [one] * 33, [dict(one, rss_bytes=True)], [dict(one, phase="x" * 9000)]):
    try:
        print(samples.encode(ID, "b", 1, found))
    except FormatError as error:
        print(error)
