from agent.formats import account_lines as files
from agent.formats.errors import FormatError

BODIES = {
    "passwd": b"root:x:0:0:root:/run:/bin/sh\n+::::::\neve:x:4294967296:0::/root:/bin/sh\nx:y\n# no\n\n\xff:x:0:0::/:/",
    "shadow": b"root:*:20000::::::\neve:$1$a$b:\r\n  ben:!$1$a$b:1\n:x:\n",
    "htpasswd": b"eve:$apr1$a$b\nben:{SHA}xx\nanna:\nx:y:z\n",
    "htdigest": b"eve:r:" + b"0f" * 16 + b"\nben:r:xx\nanna:r\n",
    "plain": b"eve:a:b:c \nben:\n" + b"n" * 40 + b":x\n",
    "authorized_keys": b"# none\nssh-rsa AAAA eve\n",
}
for kind in sorted(BODIES):
    lines, wrong = files.read_lines(kind, BODIES[kind])
    print(kind, wrong)
    for line in lines:
        print("  ", line, files.secret_kind(kind, line.secret))
    print("  ", files.without(kind, BODIES[kind], ("eve", "ben")))
for secret in (
    "$5$a$b",
    "$6$rounds=5000$a$b",
    "$6$rounds=999999$a$b",
    "$2b$12$a",
    "$2b$31$a",
    "$y$j9T$a$b",
    "$y$jFT$a$b",
    "iuqd0pyXe3CDI",
    "x",
    "$",
    "$$$",
    "$1$a$",
):
    print(secret, files.secret_kind("shadow", secret))
for read in (files.read_lines, lambda kind, body: files.without(kind, body, ())):
    try:
        print(read("plain", b"a" * 70000))
    except FormatError as error:
        print(str(error))
try:
    print(files.read_lines("plain", b"\n" * 600))
except FormatError as error:
    print(str(error))
