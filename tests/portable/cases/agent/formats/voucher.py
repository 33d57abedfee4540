from agent.formats import json, token, voucher
from agent.formats.errors import FormatError

TOKEN = token.encode(token.Token("https://operator.test:8443", "secret", "t1", b"\x30\x00", "ab" * 32))
part = voucher.signed_part("KW1-000001", TOKEN, 1800000000)
print(sorted(part.items()))
found = voucher.parse(json.dump({"signed": part, "signatures": [{"keyid": "k", "sig": "00ff"}]}))
print(found.serial, found.token.url, found.expires_at, found.signatures, found.message)
for name, value in (
    ("_type", "receipt"),
    ("v", 2),
    ("serial", ""),
    ("serial", "x/y"),
    ("token", "camward1."),
    ("expires", "2026"),
    ("note", "kept"),
):
    changed = dict(part)
    changed[name] = value
    try:
        print(name, voucher.parse(json.dump({"signed": changed, "signatures": []})).message)
    except FormatError as error:
        print(name, error)
for body in (b"", b"{}", b'{"signed":{}}', b"x" * 9000):
    try:
        print(voucher.parse(body))
    except FormatError as error:
        print(error)
