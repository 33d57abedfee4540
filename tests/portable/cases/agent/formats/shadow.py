from agent.formats import shadow
from agent.formats.errors import FormatError

HASH = "$y$j9T$k2XAnEHBqQ1Ct2aMXFKNa/$uYc7NP4va2qAuywUNFefQaOtC2j8HCcENf3WL84Nbh8"
passwd = [
    shadow.Passwd("root", 0, 0, "root", "/run", "/bin/false"),
    shadow.Passwd("keiko", 2000, 2001, "", "/tmp", "/bin/sh"),
]
entries = [shadow.Shadow("root", "*", 20000), shadow.Shadow("keiko", HASH, 0)]
print(shadow.encode_passwd(passwd), shadow.encode_shadow(entries))
print(shadow.parse_passwd(shadow.encode_passwd(passwd)) == tuple(passwd))
print(shadow.parse_shadow(shadow.encode_shadow(entries)) == tuple(entries), [one.lets_nobody_in() for one in entries])
for body in (
    b"",
    b"root",
    b"root:*:1::::::",
    b"root:*:1:::::\n",
    b"root::1::::::\n",
    b"root:*:x::::::\n",
    b"r:*:::::::\nr:*:::::::\n",
    b"Root:*:::::::\n",
    b"root:*:999999::::::\n",
    "\u00e9:*:::::::\n".encode(),
    b"\n",
    b"r:*:::::::\n" * 2000,
):
    try:
        print(shadow.parse_shadow(body))
    except FormatError as error:
        print(str(error))
for body in (
    b"root:x:0:0:root:/:/bin/sh\n",
    b"root::0:0:root:/:/bin/sh\n",
    b"root:x:-1:0::/:\n",
    b"root:x:0:0:/:/bin/sh\n",
):
    try:
        print(shadow.parse_passwd(body))
    except FormatError as error:
        print(str(error))
for name, uid, comment in (
    ("a:b", 1, ""),
    ("a", -1, ""),
    ("a", 60000, ""),
    ("a", 1, "x:y"),
    ("a", 1, "x\ny"),
    ("0", 1, ""),
):
    try:
        print(shadow.encode_passwd([shadow.Passwd(name, uid, 1, comment, "/", "/")]))
    except FormatError as error:
        print(str(error))
for password in ("", "x:", "a\nb", "\u00e9"):
    try:
        print(shadow.encode_shadow([shadow.Shadow("a", password, 1)]))
    except FormatError as error:
        print(str(error))
for name in ("a", "_a", "0", "7up", "-a", ".a", "a.b-c_1", "a" * 33, "", "A"):
    print(name, shadow.name_ok(name))
for text in (
    HASH,
    "",
    "*",
    "$y$$$",
    "$y$a$b$",
    "$y$a$b$c",
    "$1$a$b$c",
    "$y$a$b$c$d",
    "$y$a$b$c:",
    "$y$a$b$" + "c" * 128,
):
    print(text, shadow.is_yescrypt(text))
