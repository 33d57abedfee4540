from firmware_sim.world import people
from tests.portable.story import Stage

camera = Stage().claim()
world = camera.world
world.run_for(200)
for op, more in (
    ("offer", {"grant": camera.grant}),
    ("offer", {"grant": "none"}),
    ("install", {"grant": camera.grant, "version": "1.1.0"}),
    ("install", {"grant": "none", "version": "1.1.0"}),
    ("upload", {"grant": "none", "length": "5000"}),
    ("upload", {"grant": camera.grant, "length": ""}),
    ("upload", {"grant": camera.grant, "length": "-1"}),
    ("install_bundle", {"ticket": camera.grant}),
):
    camera.ask(op, **more)
ticket = camera.ask("upload", grant=camera.grant, length="5000")["ticket"]
camera.ask("device", grant=ticket)
camera.ask("install", grant=ticket, version="1.1.0")
world.run_for(1000)
camera.ask("upload", grant=camera.grant, length="5000")
camera.ask("install_bundle", ticket=ticket)
people.login(world)
