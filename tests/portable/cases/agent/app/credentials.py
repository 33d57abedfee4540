from firmware_sim.world.people import PASSWORD, USER
from tests.portable.story import Stage

camera = Stage()
for password in ("admin", "7ujMko0admin", "aaaaaaaaaaaaaaaaaaaa", "short", USER + " " + PASSWORD):
    camera.ask("claim", code="ABCD-EFGH-2345-WXYZ", user=USER, password=password)
camera.world.open_doors.add("onvif")
camera.ask("claim", code="ABCD-EFGH-2345-WXYZ", user=USER, password=PASSWORD)
camera.ask("state")
camera.world.open_doors.clear()
camera.claim()
camera.ask("state")
credentials = camera.world.agent._credentials
print(
    [sorted(user.items()) for user in credentials.listed()],
    sorted(credentials.age().items()),
    credentials.asks_more("administrator", "viewer"),
)
