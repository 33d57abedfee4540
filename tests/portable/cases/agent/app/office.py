from tests.portable.story import ready

camera = ready()
camera.ask("device", grant=camera.grant)
reply = camera.world.ask(
    "web", {"v": 1, "op": "login", "source": "192.0.2.10", "user": "keiko", "password": "Kawa no nagare wa 7 taezu"}
)
camera.ask("device", grant=reply.get("grant", ""))
camera.ask("evidence", grant=reply.get("grant", ""))
