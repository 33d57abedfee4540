"""A message that was sealed once: every later server opens it, whatever becomes of the drafts that its form is from."""

from cryptography.hazmat.primitives.asymmetric import ec

from agent.formats import alarm, cose, envelope
from tests.unit.server.conftest import NOW
from update_server.fleet.sealed import SealingKeys, key_id
from update_server.keyfiles import write_key

TOPIC = "camward/1/abcdefghijklmnopqrstuvwxyz/up/alarm"
KEY = ec.derive_private_key(1001, ec.SECP256R1())  # nobody's
WIRE = bytes.fromhex(
    "d8608456a301033a0001117266626f6f742d373a000111731829a1054c9d5a3d47ce7a07ba1dbc0b8b59019ef5b30c7ad29704a1f5ba54ee"
    "e9def1bd7b7ebc351d40dbd3d7698cb18b4c1bc093cd3b217d67e48f3c4b710cc2e3607b9a959733e1ee2ad06c7db90c3b86fd766fd99262"
    "2e621c792dd1cb4fd9bdde80c623eabc1577085a2fa5d78c3479bb6ed6af9615240ee753b4f9ac62cfd947bcc405b63293b03e96ac87d0f2"
    "60a66d0fab6f42bcd87c45f83eebbf209aef4fd5cb6f2be6c92d6091f292cc173b9a529f9d679d6b48fe4ddf2e8fad0bb269d18a172db633"
    "1821ce28e36a9a7d389b43445da65f34e39ec2ace4128755c7ba96f04691427fa838f98601089a462f0766ef1dde0086c351dfad6e7dd0e4"
    "6e5fcc2fcc0167456c65479dd3975e8c171c5dfb16a1b394e151acc026746c50ab36db244044119925b7eb49e2c622d578c000e7f3b63a0c"
    "ab335e3eaecb5a9ba1d3c0d84a11112d3dce31afa8df124dbf7f8a2e49494b3f254728a8d0523864f2605e8b7afbaa0907de0ccb2c5af091"
    "38f2547033eefa8166bd81044105012771b230eaa888c7208a8d1e9a83b929d697ee8cb72d8cd1044d3281ef6783ed5a48f3978c907da5f3"
    "3c815f020cf934755c9d818351a2013a000111700448e2e36c5a8396103ca13a00011171584104538e526e8d60df1f0bf7ebccce769c0511"
    "3ec1f773ad0ed7b564770a296724dca77a173dc22cd003ca098a344bab161c9e3429fbb8c33b0664b2411006fa52d35830460e65678de422"
    "c6f91f6b7783868f4519824eb82392cd59933af39def6528c461c936e1dbbbc363783f7ba0e9492e90"
)


def test_it_opens(tmp_path):
    write_key(tmp_path / f"{key_id(KEY.public_key())}.key.pem", KEY)
    sealed = cose.parse(WIRE)
    assert cose.encode(sealed) == WIRE
    found = envelope.parse(SealingKeys(tmp_path).open(sealed, TOPIC))
    assert (found.type, found.boot, found.seq) == ("alarm", sealed.boot, sealed.seq) == ("alarm", "boot-7", 41)
    assert alarm.parse(found.body) == alarm.Alarm("started", NOW, 30, 1, "203.0.113.5", "administrator")
