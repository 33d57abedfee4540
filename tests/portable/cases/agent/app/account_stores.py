from agent.app import account_stores as stores
from agent.formats.errors import FormatError, Rejected
from firmware_sim.world.chance import Chance
from firmware_sim.world.power import Power
from firmware_sim.world.secrets import UnsafeDeviceSecret
from firmware_sim.world.store import Documents

HASH = "$y$j9T$k2XAnEHBqQ1Ct2aMXFKNa/$uYc7NP4va2qAuywUNFefQaOtC2j8HCcENf3WL84Nbh8"
secret = UnsafeDeviceSecret(Documents(Power()), Chance(1))
keiko = stores.Account("keiko", "administrator", "$phc$", "0" * 32, "1" * 64, 5, HASH, 0, "")
sora = stores.Account("sora", "viewer", "$phc$2", "2" * 32, "3" * 64, 6, "", 0, "")
users, next_uid = stores.with_uids({"sora": sora, "keiko": keiko}, 2000)
print(users["keiko"].uid, users["sora"].uid, next_uid, stores.with_uids(users, next_uid)[1])
web, digest = stores.web_document(users), stores.digest_document(users, secret)
print(web, stores.digest_document(users, None))
plain, was_sealed = stores.opened(stores.DIGEST, digest, secret)
print(plain, was_sealed, stores.opened(stores.DIGEST, plain, secret)[1])
found = stores.parse_accounts(web, plain)
inner, _ = stores.opened(stores.SHADOW, stores.shadow_document(users, next_uid, secret), secret)
print(inner)
found, next_uid = stores.with_shadow(found, inner)
print([found[name] for name in sorted(found)], next_uid, found == users)
for body in (
    b"{}",
    inner.replace(b"sora", b"hana"),
    inner.replace(b"2000", b"0999"),
    inner.replace(b"2000", b"2001"),
    inner.replace(b"$y$", b"$1$"),
    inner.replace(b"j9T$", b"j9T:"),
):
    try:
        print(stores.with_shadow(found, body))
    except FormatError as error:
        print(str(error))
try:
    stores.opened(stores.SHADOW, digest, secret)
except Rejected as error:
    print(str(error))
for name in ("keiko", "", "Keiko", ".x", "a" * 33, "a b", "é"):
    print(name, stores.user_name_ok(name))

print(stores.has_tokens(users))
users = {"keiko": users["keiko"].replace(token="ABCDEFGHIJKLMNOPQRST"), "sora": users["sora"]}
inner, was_sealed = stores.opened(stores.TOKEN, stores.token_document(users, secret), secret)
print(stores.has_tokens(users), inner, was_sealed)
found = stores.with_tokens(found, inner)
print(found["keiko"].token, found["sora"].token)
for body in (b"{}", inner.replace(b"keiko", b"hana"), inner.replace(b"QRST", b"QRS"), inner.replace(b"QRST", b"qrst")):
    try:
        print(stores.with_tokens(found, body))
    except FormatError as error:
        print(str(error))
