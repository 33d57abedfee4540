from binascii import hexlify

from agent.formats.errors import Rejected, Unavailable
from agent.formats.tuf import point_from_pem
from firmware_sim.world.chance import Chance
from firmware_sim.world.power import KEPT, LOST, Power, PowerCut
from firmware_sim.world.secrets import (
    UnsafeDeviceSecret,
    UnsafeKeyStore,
    UnsafePasswordHasher,
    UnsafeSigner,
    unsafe_signature_fits,
)
from firmware_sim.world.store import Documents

signer = UnsafeSigner("one")
print(signer.public_pem)
print(len(point_from_pem(signer.public_pem)), hexlify(signer.sign(b"message")).decode())
print(unsafe_signature_fits(signer.public_pem, signer.sign(b"message"), b"message"))
print(unsafe_signature_fits(signer.public_pem, signer.sign(b"message"), b"messagf"))
print(unsafe_signature_fits(UnsafeSigner("two").public_pem, signer.sign(b"message"), b"message"))

for outcome in (LOST, KEPT):
    documents = Documents(Power())
    keys = UnsafeKeyStore(documents, Chance(1))
    try:
        keys.sign("tls", b"")
    except Unavailable as error:
        print(str(error))
    documents.power.cut_at(0, outcome)
    try:
        keys.ensure("tls")
    except PowerCut as cut:
        print(str(cut))
    documents.power.restore()
    first = keys.ensure("tls")
    print(hexlify(first).decode(), keys.ensure("tls") == first, len(keys.sign("tls", b"x")), keys.protection())

keys = UnsafeKeyStore(Documents(Power()), Chance(3))
old, following = keys.ensure("tls"), keys.ensure("next")
keys.replace("tls", "next")
keys.replace("tls", "next")
print(keys.ensure("tls") == following, keys.ensure("next") == following)
keys.forget("tls")
keys.forget("tls")
print(keys.ensure("tls") in (old, following))

hasher = UnsafePasswordHasher(Chance(2))
phc = hasher.hash("secret")
print(phc, hasher.verify("secret", phc), hasher.verify("Secret", phc), hasher.verify("secret", "?"), hasher.count)
decoy = hasher.decoy()
print(decoy, hasher.verify("secret", decoy))

secret = UnsafeDeviceSecret(Documents(Power()), Chance(4))
sealed = secret.seal("a", b"body")
print(hexlify(sealed).decode(), secret.open("a", sealed), secret.protection())
for name, given in (("b", sealed), ("a", sealed[:-1]), ("a", b"")):
    try:
        print(secret.open(name, given))
    except Rejected as error:
        print(str(error))
secret.forget()
try:
    secret.open("a", sealed)
except Rejected as error:
    print(str(error))
