from agent.app.work import Work
from agent.formats.errors import Rejected, Unavailable
from tests.portable.story import ready

camera = ready()
desk = camera.world.agent._desk
told = []


def steps(work):
    told.append("begun")
    yield None
    ticket = work.ask("fetcher", "get", ("/nothing", 10))
    told.append(("body", (yield ticket)))
    yield 2.5
    try:
        yield work.ask("fetcher", "get", ("/tuf/image/1.root.json", 10, -1, -1))
    except (Rejected, Unavailable) as error:
        told.append(str(error))
    raise Rejected("enough")


work = Work(desk, "case")
work.start(steps(work), lambda error: told.append(("ended", str(error))))
camera.world.agent.step(None, camera.world.clock.monotonic_s())
camera.world.run_for(10)
print(told)
work.start(steps(work), lambda error: told.append("never"))
work.stop()
camera.world.run_for(10)
print(told[-1])
