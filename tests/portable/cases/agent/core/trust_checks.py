from agent.core import trust_checks
from agent.core.trust_errors import TrustError
from agent.formats.tuf import Metadata, MetaFile


def made(version, message=b"m"):
    return Metadata("snapshot", version, 1, (), message, {})


def play(check, *arguments):
    try:
        check("image", *arguments)
        print("well")
    except TrustError as error:
        print(error)


for new, old in (
    (made(1), None),
    (made(2), made(1)),
    (made(1), made(2)),
    (made(1), made(1)),
    (made(1, b"n"), made(1)),
    (made(1 + trust_checks.MAX_VERSION_STEP), made(1)),
    (made(2 + trust_checks.MAX_VERSION_STEP), made(1)),
):
    play(trust_checks.not_older, new, "snapshot", old)
for new, old in ((1, 1), (2, 1), (1, 2)):
    play(trust_checks.meta_not_older, "x" * 70, MetaFile(new, None, None), MetaFile(old, None, None))
    play(trust_checks.same_version, made(new), "role", MetaFile(old, None, None))
for length, digest in ((None, None), (1, None), (2, None), (None, b""), (None, bytes(32))):
    play(trust_checks.matches, b"x", MetaFile(1, length, digest), "role")
