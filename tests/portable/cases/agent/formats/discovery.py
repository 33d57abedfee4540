from agent.formats import discovery
from agent.formats.errors import FormatError

probe = discovery.parse_probe(discovery.encode_probe("urn:uuid:1"))
print(probe)
facts = {"state": "unclaimed", "serial": "KW1-000001", "hardware": "a"}
match = discovery.Match(
    "urn:uuid:2", discovery.OUR_TYPES, discovery.scopes("kawa 1/x", facts), ("https://192.0.2.7/onvif/device_service",)
)
answer = discovery.encode_matches("urn:uuid:3", probe.message_id, match, (7, 1))
print(len(answer), discovery.parse_matches(answer) == ("urn:uuid:1", (match,)), sorted(discovery.told(match).items()))
print(discovery.told(match.replace(scopes=("onvif://www.onvif.org/name/other",))))
for types, scopes, rule in (
    ((), (), ""),
    (("{u}Printer",), (), ""),
    ((), ("onvif://www.onvif.org/type",), ""),
    ((), ("ONVIF://WWW.onvif.ORG/type/",), ""),
    ((), ("onvif://www.onvif.org/typ",), ""),
    ((), ("onvif://www.onvif.org/type",), "http://schemas.xmlsoap.org/ws/2005/04/discovery/strcmp0"),
    ((), ("urn:camward:state:unclaimed",), ""),
    ((), ("urn:camward:state",), ""),
    ((), (), "u:other"),
):
    print(types, scopes, rule, discovery.fits(discovery.Probe("urn:uuid:1", types, scopes, rule), match))
for read, body in (
    (discovery.parse_probe, answer),
    (discovery.parse_probe, b"<a/>"),
    (discovery.parse_probe, discovery.encode_probe("")),
    (discovery.parse_probe, discovery.encode_probe("x" * 600)),
    (discovery.parse_matches, discovery.encode_probe("urn:uuid:1")),
    (discovery.parse_matches, answer.replace(b"urn:uuid:2", b"")),
    (discovery.parse_matches, answer.replace(b"tds:Device", b"q:Device")),
):
    try:
        print(read(body))
    except FormatError as error:
        print(error)
try:
    print(discovery.told(match.replace(scopes=("urn:camward:serial:%zz",))))
except FormatError as error:
    print(error)
