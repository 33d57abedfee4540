from agent.app.desk import Desk
from agent.app.events import Result
from agent.formats.boot_record import FRESH
from agent.formats.errors import Unavailable


class Boot:
    record = FRESH

    def read(self):
        if self.record.said:
            raise Unavailable("worn out")
        return self.record

    def write(self, record):
        print("announced", record.said)
        self.record = record


class Ports:
    boot = Boot()


desk = Desk(Ports(), None, None)
desk.call("fetcher", "get", ("/x",), lambda value, error: print("then", value, error))
desk.say("hello")
desk.send(3, b"{}\n")
desk.reboot("because")
desk.reboot("once more")
for name, when in (("late", 9.0), ("soon", 2.0), ("gone", 1.0)):
    desk.at(name, when, lambda name=name: print("due", name))
desk.cancel("gone")
desk.soon("now", lambda: print("due now"))
effects, wake_at = desk.take()
for effect in effects:
    print(effect)
print(wake_at)
desk.settle(Result(1, "value", None))
desk.settle(Result(1, "twice", None))
for now in (0.0, 5.0, 5.0, 9.0):
    desk.now = now
    desk.run_due()
    print(now, desk.take()[1])
