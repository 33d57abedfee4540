from binascii import hexlify
from hashlib import sha256

from agent.app.packed import packed
from agent.formats import segments
from agent.formats.delivery import Artifact
from agent.formats.errors import FormatError

index = segments.encode([(3, 2)], [(2, 100, 0, 0, bytes(32))])
digest = sha256(index).digest()
named = Artifact("", "a", len(index) + 100, "ab" * 32, len(index), str(hexlify(digest), "utf-8"), b"", b"")
print(packed(named, index).path)
for wrong, body in ((named, index[:-1]), (named.replace(length_bytes=9), index), (named.replace(enc=b"e"), index)):
    try:
        packed(wrong, body)
    except FormatError as error:
        print(error)
