from agent.core import trust_threshold
from agent.core.trust_errors import SignatureError
from agent.formats.tuf import Key, RoleKeys, Signature

KEYS = {
    "one": Key("one", "s", "", b"1"),
    "two": Key("two", "s", "", b"2"),
    "also one": Key("also one", "s", "", b"1"),
    "unsupported": Key("unsupported", "s", "", b""),
    "stranger": Key("stranger", "s", "", b"3"),
}
ROLE = ("one", "two", "also one", "unsupported", "keyless")


def verify(key, signature, message):
    print("verify", key.keyid)
    if signature != message:
        raise SignatureError("no")


for signers, threshold in (
    ((), 1),
    (("one",), 1),
    (("stranger", "unsupported", "keyless", "unknown"), 1),
    (("one", "also one"), 2),
    (("one", "bad", "two"), 2),
    (("one", "two", "also one"), 1),
):
    signatures = [Signature("two" if name == "bad" else name, b"x" if name == "bad" else b"m") for name in signers]
    print(signers, trust_threshold.count(b"m", tuple(signatures), RoleKeys(ROLE, threshold), KEYS, verify))
