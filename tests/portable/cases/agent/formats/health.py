from agent.formats import health
from agent.formats.errors import FormatError

KINDS = {"web": "web", "rtsp": "rtsps"}
for source in (
    {"deadline_s": 60},
    {"deadline_s": 60, "checks": [{"check": "answers", "service": "web"}, {"check": "plays", "service": "rtsp"}]},
    {"deadline_s": 60, "checks": [{"check": "server", "deadline_s": 180}, {"check": "watchdog"}]},
    {},
    {"deadline_s": 1},
    {"deadline_s": 60, "checks": []},
    {"deadline_s": 60, "checks": [1]},
    {"deadline_s": 60, "more": 1},
    {"deadline_s": 60, "checks": [{"check": "sings"}]},
    {"deadline_s": 60, "checks": [{"check": "answers"}]},
    {"deadline_s": 60, "checks": [{"check": "answers", "service": "ssh"}]},
    {"deadline_s": 60, "checks": [{"check": "plays", "service": "web"}]},
    {"deadline_s": 60, "checks": [{"check": "server", "service": "web"}]},
    {"deadline_s": 60, "checks": [{"check": "server", "deadline_s": 4}]},
    {"deadline_s": 60, "checks": [{"check": "server"}, {"check": "server", "deadline_s": 90}]},
):
    try:
        print(health.parse_health(source, KINDS))
    except FormatError as error:
        print(error)
