from agent.core import clock
from agent.formats.errors import FormatError

print(clock.raised(10, 5), clock.raised(10, 15), clock.differs(0, 60), clock.differs(61, 0))
print(clock.worth_saving(0, 3599), clock.worth_saving(0, 3600))
for time in (clock.Time(1, 2, 3), clock.Time(1, 5000, 3), clock.Time(90000, 2, 3), clock.Time(80000, 100, 99)):
    print(time, time.now(), time.floor(), time.behind(), time.doubtful(time.floor()))
print(str(clock.ClockDoubt("why")))
print(clock.encode(77), clock.parse(clock.encode(77), 5), clock.parse(clock.encode(77), 500))
for body in (
    b"",
    b"{}",
    b'{"v":2,"floor_at":1}',
    b'{"v":1,"floor_at":-1}',
    b'{"v":1,"floor_at":1.5}',
    b'{"check":"","floor_at":1,"v":1}',
):
    try:
        print(clock.parse(body, 0))
    except FormatError as error:
        print(error)
