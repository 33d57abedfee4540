from agent.formats import system_logins
from agent.formats.errors import FormatError

GOOD = {"first_uid": 2000, "gid": 2000, "home": "/", "shell": "/bin/sh"}
print(system_logins.parse(GOOD))
for name, value in (
    ("first_uid", 0),
    ("first_uid", 999),
    ("gid", 0),
    ("gid", 60000),
    ("home", "tmp"),
    ("home", "/a:b"),
    ("home", "/tmp"),
    ("home", "/home/../tmp"),
    ("home", "/home"),
    ("shell", ""),
    ("shell", "/bin/sh\nroot"),
    ("shell", "/" + "a" * 64),
    ("extra", 1),
    ("ssh_port", 22),
    ("ssh_port", 0),
    ("ssh_port", "22"),
):
    other = dict(GOOD)
    other[name] = value
    try:
        print(system_logins.parse(other))
    except FormatError as error:
        print(str(error))
