from agent.formats.certificate import MAX_CERTIFICATE_BYTES, first, validity
from agent.formats.errors import FormatError


def element(tag, body):
    size = len(body)
    if size < 128:
        return bytes([tag, size]) + body
    return bytes([tag, 0x82, size >> 8, size & 255]) + body


def made(dates, version=b"\xa0\x03\x02\x01\x02", issuer=b""):
    signed = version + b"\x02\x01\x05" + element(0x30, b"\x05\x00") + element(0x30, issuer) + element(0x30, dates)
    return element(0x30, element(0x30, signed) + b"\x30\x00")


UTC_TIME, GENERALIZED = element(0x17, b"260102030405Z"), element(0x18, b"20500607080910Z")
OLD = element(0x17, b"700102030405Z")
for der in (
    made(UTC_TIME + GENERALIZED),
    made(OLD + UTC_TIME, b""),
    made(UTC_TIME + GENERALIZED, issuer=bytes(300)),
    made(UTC_TIME + GENERALIZED + b"\x05\x00"),
    made(UTC_TIME),
    made(UTC_TIME + element(0x17, b"26010203040xZ")),
    made(UTC_TIME + element(0x17, b"261302030405Z")),
    made(UTC_TIME + element(0x18, b"260102030405Z")),
    made(UTC_TIME + GENERALIZED)[:20],
    b"\x30\x80",
    b"\x30\x83\x00\x00\x00",
    b"",
    bytes(MAX_CERTIFICATE_BYTES + 1),
):
    try:
        print(validity(der))
    except FormatError as error:
        print(error)

BEGIN, END = b"-----BEGIN CERTIFICATE-----\n", b"\n-----END CERTIFICATE-----\n"
for pem in (
    BEGIN + b"MAMCAQA=" + END + BEGIN + b"AAAA" + END,
    b"before\n" + BEGIN + b"MAMC\nAQA=" + END,
    BEGIN + b"MAMCAQA",
    BEGIN + b"MAM CAQA=" + END,
    BEGIN + b"\xe3\x81\x82==" + END,
    END + BEGIN,
    b"",
):
    try:
        print(first(pem))
    except FormatError as error:
        print(error)
