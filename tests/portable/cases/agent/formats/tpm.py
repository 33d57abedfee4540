from binascii import hexlify, unhexlify

from agent.formats import tpm
from agent.formats.errors import FormatError


def sized(body):
    return len(body).to_bytes(2, "big") + body


def answer(tag, code, body):
    return tag.to_bytes(2, "big") + (10 + len(body)).to_bytes(4, "big") + code.to_bytes(4, "big") + body


def answered(parameters):
    return answer(0x8002, 0, len(parameters).to_bytes(4, "big") + parameters + unhexlify("0000010000"))


point = b"\x04" + bytes(range(64))
public = unhexlify("0023000b00040472000000100018000b00030010") + sized(point[1:33]) + sized(point[33:])
blob = tpm.parse_created(answered(sized(b"wrapped") + sized(public) + b"rest"))
print(blob.kind, hexlify(blob.point), blob.private, tpm.parse_blob(tpm.encode_blob(blob)) == blob)
for command in (
    tpm.create_primary(),
    tpm.create(0x80000000, tpm.SIGNING),
    tpm.create(0x80000000, tpm.UNSEALING),
    tpm.load(0x80000000, blob),
    tpm.flush(0x80000001),
    tpm.sign(0x80000001, bytes(32)),
    tpm.multiply(0x80000001, point),
    tpm.define_secret(),
    tpm.write_secret(bytes(32)),
    tpm.read_secret(),
    tpm.remove_secret(),
):
    print(hexlify(command).decode())
for code in (0, 0x101, 0x28B, 0x1DF, 0x98E, 0x921, 0x14A, 0x920, 0x999):
    found = tpm.response_code(answer(0x8001, code, b""))
    print(found, tpm.describe(found), found in tpm.PASSING)
print(hex(tpm.parse_handle(answer(0x8002, 0, unhexlify("80000001")))))
print(hexlify(tpm.parse_signature(answered(unhexlify("0018000b") + sized(b"r" * 32) + sized(b"s" * 31)))))
print(hexlify(tpm.parse_product(answered(sized(sized(b"x" * 32) + sized(b"y" * 32))))))
print(tpm.parse_secret(answered(sized(b"s" * 32))))
for parse, body in (
    (tpm.response_code, b""),
    (tpm.response_code, answer(0x8001, 0, b"")[:-1]),
    (tpm.response_code, answer(0x8003, 0, b"")),
    (tpm.response_code, bytes(5000)),
    (tpm.parse_handle, answer(0x8002, 0, b"123")),
    (tpm.parse_created, answered(sized(b"wrapped") + sized(b"\0" + public))),
    (tpm.parse_created, answered(sized(bytes(2000)) + sized(public))),
    (tpm.parse_signature, answered(unhexlify("0014000b") + sized(b"r" * 32) + sized(b"s" * 32))),
    (tpm.parse_signature, answered(unhexlify("0018000b") + sized(b"r" * 33) + sized(b"s" * 32))),
    (tpm.parse_signature, answered(unhexlify("0018000b") + sized(b"r" * 32) + sized(b"s" * 32) + b"more")),
    (tpm.parse_product, answer(0x8001, 0, bytes(8))),
    (tpm.parse_secret, answered(sized(b"short"))),
    (tpm.parse_blob, b"rubbish"),
    (tpm.parse_blob, tpm.encode_blob(blob) + b"more"),
):
    try:
        print(parse(body))
    except FormatError as error:
        print(error)
