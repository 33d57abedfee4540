from agent.formats import releases
from agent.formats.errors import FormatError

for source in (
    {"url": "https://releases.example", "ca": "/etc/camward/releases.pem"},
    {"url": "https://releases.example/a/", "ca": "-----BEGIN CERTIFICATE-----", "automatic": "critical"},
    {"url": "https://releases.example", "ca": "/a", "check_interval_s": 5},
    {"url": "http://releases.example", "ca": "/a"},
    {"url": "https://releases.example/ a", "ca": "/a"},
    {"url": "https://releases.example", "ca": ""},
    {"url": "https://releases.example", "ca": "/a", "automatic": "always"},
    {"url": "https://releases.example", "ca": "/a", "check_interval_s": 1},
    {"ca": "/a"},
):
    try:
        print(releases.parse(source))
    except FormatError as error:
        print(error)
