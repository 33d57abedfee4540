import sys
from hashlib import sha256

from agent.core import word_filter
from agent.formats.errors import FormatError

for name in ("common-10k.fuse", "common-100k.fuse"):
    with open(sys.path[0] + "/agent/core/" + name, "rb") as file:
        body = file.read()
    made = word_filter.parse(body)
    print(name, made.count, made.min_chars, made.source_sha256())
    for word in ("sunshine", "dragon", "manchesterunited", "zqheronkx", "password"):
        print(word, made.holds(sha256(word.encode()).digest()))
    print(sum(made.holds(sha256(b"stranger %d" % number).digest()) for number in range(2000)))
    for spoilt in (b"", body[:100], body[:-1], b"X" + body[1:], body[:200] + b"\x01" + body[201:], body + body * 4):
        try:
            print(word_filter.parse(spoilt).count)
        except FormatError as error:
            print(error)
