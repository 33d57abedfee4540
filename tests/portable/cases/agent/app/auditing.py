from agent.formats import json
from tests.portable.story import ready

camera = ready()
world = camera.world
world.accounts = {"policy": "lock", "files": [{"path": "/data/users", "kind": "htpasswd", "declared": ["viewer"]}]}
world.power_cut()
world.power_on()
world.run_for(60)
print(json.dump(world.admin("accounts")))
world.files["/data/users"] = b"viewer:" + world.console_files.crypt("vizxv").encode() + b"\neve:\n"
world.files["/root/.ssh/authorized_keys"] = b"ssh-ed25519 AAAA thief\n"
print(json.dump(world.admin("accounts")))
world.run_for(7200)
print(json.dump(world.admin("accounts")))
print(
    json.dump(
        camera.ask("device", grant=camera.ask("login", source="192.0.2.9", user="keiko", password="x").get("grant", ""))
    )[:40]
)
for line in world.console[-12:]:
    print(line)
print(len(world.broker.on("/up/alarm")), len(world.account_files.tried), len(world.files["/data/users"]))
