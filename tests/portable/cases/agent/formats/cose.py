from binascii import hexlify

from agent.formats import cbor, cose
from agent.formats.errors import FormatError

session = cose.Session(cose.key_id(b"\x04" + bytes(64)), b"\x04" + b"e" * 64, b"w" * 48)
made = cose.Sealed(session, "boot-7", 41, b"i" * 12, b"c" * 40)
wire = cose.encode(made)
print(hexlify(wire), cose.is_sealed(wire), cose.parse(wire) == made)
print(hexlify(cose.info(session.kid)))
print(hexlify(cose.associated("camward/1/abc/up/alarm", "boot-7", 41)))
for change in (
    {"boot": "/"},
    {"seq": -1},
    {"iv": b""},
    {"ciphertext": b"short"},
    {"session": session.replace(enc=b"")},
    {"session": session.replace(kid="text")},
):
    try:
        print(cose.encode(made.replace(**change)))
    except FormatError as error:
        print(error)
for body in (b"", b"{}", b"\xd8\x60", b"\xd8\x60\x84", cbor.encode([1]), wire[:-1], wire + b"\0"):
    try:
        print(cose.is_sealed(body), cose.parse(body))
    except FormatError as error:
        print(error)
