from binascii import hexlify

from agent.app import digest

print(digest.same(b"abc", b"abc"), digest.same(b"abc", b"abd"), digest.same(b"abc", b"ab"), digest.same(b"", b""))
print(hexlify(digest.hmac_sha256(b"Jefe", b"what do ya want for nothing?")))
print(hexlify(digest.hmac_sha256(b"\xaa" * 131, b"Test Using Larger Than Block-Size Key - Hash Key First")))
for algorithm in digest.ALGORITHMS:
    ha1 = digest.secret(algorithm, "keiko", "川")
    print(algorithm, ha1, digest.response(algorithm, ha1, "GET", "/", "n", None))
    print(digest.response(algorithm, ha1, "DESCRIBE", "/live", "n", ("00000001", "c", "auth")))
nonces = digest.Nonces(b"key")
first = nonces.make(1000.5)
print(
    first, [nonces.accept(first, count, now) for count, now in ((0, 1001), (1, 1001), (1, 1001), (2, 1001), (3, 2000))]
)
for forged in ("", "x" * 48, first[:-1] + "0", "f" + first[1:], first + "0"):
    print(nonces.accept(forged, 1, 1001))
for _ in range(300):
    nonces.accept(nonces.make(1001), 1, 1001)
print(nonces.accept(first, 9, 1002))
