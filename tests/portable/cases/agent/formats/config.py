from agent.formats import config, json
from agent.formats.errors import FormatError

GOOD = {
    "v": 1,
    "model": "kawa-1",
    "hardware": "a",
    "version": "1.0.0",
    "security_epoch": 1,
    "build_time": 1790000000,
    "image_root": "/etc/camward/root.json",
    "layout": {"name": "ab-1"},
    "login_gid": 900,
    "services": [{"name": "web", "kind": "web", "port": 443}],
    "health": {"deadline_s": 60},
    "update": {"check_interval_s": 60, "telemetry_interval_s": 60},
    "password": {},
    "declarations": {},
}
parsed = config.parse(json.dump(GOOD))
print(parsed.model, parsed.services, parsed.health, parsed.layout, parsed.build_time)
for name, value in (
    ("v", 2),
    ("model", ""),
    ("image_root", "x"),
    ("services", [1]),
    ("services", GOOD["services"] * 2),
    ("health", {}),
    ("services", [{"name": "ssh", "kind": "ssh", "port": 22}]),
    ("login_gid", -1),
    ("security_epoch", 65536),
    ("update", {"check_interval_s": 1, "telemetry_interval_s": 60}),
    ("layout", []),
    ("password", None),
    ("user_folders", ["/data/camera", "/data/x/y"]),
    ("user_folders", "/data/x"),
    ("user_folders", ["/data"]),
    ("user_folders", ["/etc"]),
    ("user_folders", ["/data/../etc"]),
    ("user_folders", ["/data/camward/trust"]),
):
    changed = dict(GOOD)
    changed[name] = value
    try:
        config.parse(json.dump(changed))
        print(name, "taken")
    except FormatError as error:
        print(name, error)
STREAM = {"name": "rtsp", "kind": "rtsps", "port": 322}
PLAIN = {"listeners": [{"proto": "tcp", "port": 554}, {"proto": "tcp", "port": 322}]}
for port, services, declared in (
    (554, [STREAM], PLAIN),
    (0, [], {}),
    (554, [STREAM], {}),
    (554, GOOD["services"], PLAIN),
    (322, [STREAM], PLAIN),
    (0, [{"name": "rtsp_plain", "kind": "rtsps", "port": 322}], {}),
    (65536, [STREAM], PLAIN),
    ("554", [STREAM], PLAIN),
):
    changed = dict(GOOD)
    changed.update({"plain_rtsp_port": port, "services": services, "declarations": declared})
    try:
        print("plain_rtsp_port", config.parse(json.dump(changed)).plain_rtsp_port)
    except FormatError as error:
        print("plain_rtsp_port", error)
