from binascii import hexlify

from agent.formats import hmac

print(hmac.same(b"abc", b"abc"), hmac.same(b"abc", b"abd"), hmac.same(b"abc", b"ab"), hmac.same(b"", b""))
print(hexlify(hmac.hmac_sha256(b"Jefe", b"what do ya want for nothing?")))
print(hexlify(hmac.hmac_sha256(b"\xaa" * 131, b"Test Using Larger Than Block-Size Key - Hash Key First")))
