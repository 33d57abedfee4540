from agent.app import digest

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
