from agent.core import clock
from agent.formats.errors import FormatError

print(clock.effective_now(5, 10), clock.effective_now(15, 10), clock.raised(10, 5), clock.raised(10, 15))
print(clock.worth_saving(0, 3599), clock.worth_saving(0, 3600))
print(clock.encode(77), clock.parse(clock.encode(77), 5), clock.parse(clock.encode(77), 500))
for body in (b"", b"{}", b'{"v":2,"floor_at":1}', b'{"v":1,"floor_at":-1}', b'{"v":1,"floor_at":1.5}'):
    try:
        print(clock.parse(body, 0))
    except FormatError as error:
        print(error)
