from agent.core import lockout
from agent.formats.errors import FormatError

state = lockout.Lockout()
for now in range(0, 40):
    wait = state.check("192.0.2.7", "admin", now)
    print(now, wait, state.check("192.0.2.8", "Admin", now), state.check("192.0.2.7", "other", now))
    if not wait:
        state.failed("192.0.2.7", "admin", now)
print(state.encode(), lockout.parse(state.encode()).encode() == state.encode(), state.held(40))
state.succeeded("192.0.2.9", "admin", 40)
print(
    state.check("192.0.2.9", "admin", 41),
    state.check("192.0.2.7", "admin", 41),
    state.check("192.0.2.7", "admin", 8000),
)
print(state.knows("192.0.2.9", "Admin"), state.knows("192.0.2.7", "admin"), state.knows("192.0.2.9", "root"))
for number in range(300):
    state.failed("10.0." + str(number // 256) + "." + str(number % 256), "user" + str(number), 50)
print(len(state.encode()), state.check("192.0.2.7", "admin", 50))
for source in (
    "192.0.2.1",
    "::ffff:192.0.2.1",
    "2001:db8::1",
    "2001:DB8:0:0:1::2",
    "fe80::1%eth0",
    "::",
    "::1",
    "1:2:3:4:5:6:7:8",
    "",
):
    print(source, lockout.source_key(source))
for body in (
    b"",
    b"{}",
    b'{"v":1,"sources":[[1,2,3]],"accounts":[],"known":[]}',
    b'{"v":1,"sources":[],"accounts":[],"known":[["a"]]}',
):
    try:
        print(lockout.parse(body))
    except FormatError as error:
        print(error)

many = lockout.Lockout()
for number in range(2 * lockout.MAX_ACCOUNTS):
    many.failed("10.0.0." + str(number), "u" + str(number), 7)
print("others", many.check("192.0.2.1", "owner", 7), many.check("192.0.2.1", "owner", 7 + lockout.FORGET_S))
print("latest", many.latest(), lockout.Lockout().latest())

owned = lockout.Lockout()
for number in range(2 * lockout.MAX_KNOWN):
    owned.succeeded("10.0.0." + str(number), "viewer" if number else "owner", number)
for number in range(9):
    owned.failed("10.0.0.0", "owner", 200)
    owned.failed("192.0.2." + str(number), "owner", 200)
print(owned.failures("10.0.0.0", "owner", 201), owned.failures("192.0.2.99", "owner", 201), owned.encode())
gone = lockout.lost()
print(gone.check("192.0.2.1", "owner", 0), gone.check("192.0.2.1", "owner", lockout.FORGET_S), len(gone.encode()))
