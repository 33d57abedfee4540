"""Times the policy check on either interpreter, on any machine: `credentials_device.py FOLDER`; prints one JSON object.

FOLDER holds the package `agent`. Passwords of every kind are checked: short and long, refused and taken, and the one
that gives the most to look up.
"""

import json
import sys
import time

REPEAT = 9
USER = "yamada"
CONTEXT = ("Camward", "kawa-1", "KW1-000001", "52:54:00:12:34:56", "river-north")
MOST = "128 characters, the most to look up"
PASSWORDS = {
    "a default": "7ujMko0admin",
    "a drawn one, 15 characters": "tGh7#kPq2$mWz9!",
    "a sentence, 28 characters": "correct horse battery staple",
    "a Japanese sentence": "川の水位を毎朝見る人は早起きです",
    "letters as digits": "5un5h1n3-butt3rfly",
    MOST: "Kq7!vTz2#mWx9pLr4Gd8sBn1cHf6jYe" + "abcdefghijklmnopqrstuvwxyz" * 3 + "abcdefghijabcdefghi",
}


def now_us():
    """Microseconds of a clock that only goes on."""
    if hasattr(time, "ticks_us"):
        return time.ticks_us()
    return int(time.perf_counter() * 1000000)


def main(folder):
    sys.path.insert(0, folder)
    from agent.core import blocklist, password
    from agent.core.password_policy import DEFAULT

    def read(name):
        with open(folder + "/agent/core/" + name, "rb") as file:
            return file.read()

    begun = now_us()
    listed = blocklist.ShippedList(read, "100k")
    listed.commonness("heron", 1)
    found = {"reading_us": now_us() - begun, "checks_us": {}}
    for what in PASSWORDS:
        took = []
        for _ in range(REPEAT):
            begun = now_us()
            password.check(PASSWORDS[what], USER, CONTEXT, DEFAULT, listed)
            took.append(now_us() - begun)
        found["checks_us"][what] = took
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
