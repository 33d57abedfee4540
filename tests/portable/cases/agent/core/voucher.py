from agent.core import voucher
from agent.formats import token, tuf
from agent.formats import voucher as voucher_format
from agent.formats.errors import Rejected
from firmware_sim.world.repository import new_operator, signed_file
from firmware_sim.world.secrets import UnsafeSigner
from tests.portable import wire
from tests.portable.story import NOW, verify

TOKEN = token.encode(token.Token("https://operator.test:8443", "secret", "t1", b"\x30\x00", "ab" * 32))
operator = new_operator(UnsafeSigner, NOW)
root = tuf.parse_root(operator.image.files["1.root.json"], 65536)
targets = operator.image.signers["targets"]
part = voucher_format.signed_part("KW1-000001", TOKEN, NOW + 60)
for signers, serial, now in (
    (targets[:2], "KW1-000001", NOW),
    (targets[1:], "KW1-000001", NOW + 59),
    (targets, "KW1-000002", NOW),
    (targets[:1], "KW1-000001", NOW),
    (operator.image.signers["timestamp"] + operator.image.signers["snapshot"], "KW1-000001", NOW),
    (operator.director.signers["root"], "KW1-000001", NOW),
    ([], "KW1-000001", NOW),
    (targets, "KW1-000001", NOW + 60),
):
    try:
        print(voucher.verify(signed_file(part, signers), root, serial, now, verify).url)
    except Rejected as error:
        print(error)
wire.show("voucher")
