from tests.portable.story import ready

camera = ready()
print(sorted(camera.world.admin("status")["schedule"].items()))
for windows, zone in (("daily 03:00-04:00", "JST-9"), ("daily 03:00-03:10", "JST-9"), ("", "Tokyo"), ("", "UTC0")):
    camera.ask("settings", grant=camera.grant, windows=windows, time_zone=zone)
camera.ask("settings", grant=camera.grant, windows="sat-mon 23:00-01:00")
camera.world.restart()
print(sorted(camera.world.admin("status")["schedule"].items()))
camera.ask("settings", grant="")
