from binascii import hexlify, unhexlify

from agent.formats import cbor
from agent.formats.errors import FormatError

GOOD = (
    "00", "17", "1818", "18ff", "190100", "1a00010000", "1b0000000100000000", "1bffffffffffffffff",
    "20", "3818", "3bffffffffffffffff", "f4", "f5", "f6", "40", "4401020304", "60", "6449455446", "62c3bc",
    "64f0908591", "80", "8301820203820405", "a0", "a201020304", "a2200161616162", "826161a161626163",
    "d8608101",
)  # fmt: skip
BAD = (
    "", "18", "1817", "1900ff", "1a0000ffff", "1b00000000ffffffff", "1c", "5f42010243030405ff", "9fff", "bfff",
    "f7", "f90000", "fb3ff199999999999a", "ff", "0000", "82", "9bffffffffffffffff", "5bffffffffffffffff",
    "a2010a010b", "a2020a010b", "a14101f5", "a1f501", "61ff", "62c080", "63eda080", "c001", "c249010000000000000000",
    "81" * 20 + "00",
)  # fmt: skip


def plain(value):
    """The same text on both interpreters, which keep members in different orders."""
    if isinstance(value, dict):
        return "{" + ", ".join(sorted([plain(key) + ": " + plain(value[key]) for key in value])) + "}"
    if isinstance(value, list):
        return "[" + ", ".join([plain(item) for item in value]) + "]"
    if isinstance(value, str):
        return "text " + str(hexlify(value.encode()))
    if isinstance(value, bytes):
        return str(hexlify(value))
    return repr(value)


for wire in GOOD + BAD:
    try:
        found = cbor.parse(unhexlify(wire), 100, (96,))
        print(wire, plain(found), cbor.encode(found) == unhexlify(wire))
    except FormatError as error:
        print(wire, error)
for value in (1.5, {None: 1}, {True: 1}, {b"a": 1}, 2**64, -(2**64) - 1, cbor, ["x" * 70000]):
    try:
        print(len(cbor.encode(value)))
    except FormatError as error:
        print(error)
print(
    hexlify(cbor.encode({"b": (1, -500), 3: bytearray(b"x"), -1: cbor.Tag(1000, None), "aa": "\u6c34", 70000: 2**63}))
)
try:
    cbor.parse(b"\x41a", 1)
except FormatError as error:
    print(error)
