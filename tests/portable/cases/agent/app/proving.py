from tests.portable.story import Stage

camera = Stage().claim()
camera.world.run_for(2 * 86400)
camera.world.open_doors.add("rtsp")
camera.world.run_for(2 * 86400)
camera.tell()
