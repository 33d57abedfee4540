from agent.formats import audit
from agent.formats.errors import FormatError

print(audit.DEFAULT)
file = {"path": "/data/web/users", "kind": "htpasswd", "declared": ["viewer"]}
for source in (
    {"policy": "report"},
    {"policy": "lock", "declared": ["root"], "files": [file]},
    {"policy": "lock", "files": [file, file]},
    {"policy": "lock", "files": [{"path": "/data/camward/x", "kind": "plain"}]},
    {"policy": "lock", "files": [{"path": "/data/../x", "kind": "plain"}]},
    {"policy": "lock", "files": [{"path": "/data/x", "kind": "shadow"}]},
    {"policy": "off"},
    {"policy": "lock", "more": 1},
):
    try:
        print(audit.parse(source))
    except FormatError as error:
        print(str(error))
