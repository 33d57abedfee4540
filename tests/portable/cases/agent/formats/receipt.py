from agent.formats import json, receipt
from agent.formats.errors import FormatError

signed = receipt.signed_part("camera", "0f" * receipt.NONCE_BYTES, 1800000000)
print(sorted(signed.items()))
signatures = [{"keyid": "one", "sig": "00ff"}]
print(receipt.parse(json.dump({"signed": signed, "signatures": signatures})))
for name, value in (("_type", "timestamp"), ("v", 2), ("device", ""), ("nonce", "0F"), ("issued_at", 5), ("more", 1)):
    changed = dict(signed)
    changed[name] = value
    try:
        print(receipt.parse(json.dump({"signed": changed, "signatures": []})).message)
    except FormatError as error:
        print(error)
for body in (b"", b"[]", b"{}", b'{"signed":{}}', b" " * (receipt.MAX_RECEIPT_BYTES + 1)):
    try:
        print(receipt.parse(body))
    except FormatError as error:
        print(error)
