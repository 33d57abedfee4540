import sys

from agent.core import compliance
from agent.core.trust import Device
from agent.formats.errors import FormatError

with open(sys.path[0] + "/agent/core/star1.json", "rb") as file:
    catalogue = compliance.parse_catalogue(file.read())
device = Device("abcdefghijklmnopqrstuvwxyz", "kawa-1", "a", "1.0.0", 1)
facts = {
    "listeners": {"found": [{"proto": "tcp", "port": 443}]},
    "tls_listeners": {"tried": [{"service": "web", "port": 443, "tls": False, "version": ""}]},
    "tls_connections": {"open": []},
    "declaration": {"listeners": [{"proto": "tcp", "port": 443}], "disclosure_policy": "https://example.com/psirt"},
}
report = compliance.assess(catalogue, facts, device, 1800000000)
for language in ("en", "ja"):
    print(compliance.table(report, catalogue, language))
for empty in ({}, {"declaration": {}}):
    try:
        compliance.assess(catalogue, empty, device, 0)
    except FormatError as error:
        print(error)
try:
    compliance.table(report, catalogue, "fr")
except ValueError as error:
    print(error)
