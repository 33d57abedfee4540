"""The kinds of keys that other repositories use: each verifies, refuses, and is counted by what it is."""

import copy
import json
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from securesystemslib.signer import CryptoSigner, Signature, Signer, SSlibKey

from agent.adapters.linux import all_keys
from agent.core.trust_errors import SignatureError
from agent.formats import tuf


class Curve(Signer):
    """ECDSA on any curve, which securesystemslib's own signer makes for P-256 alone."""

    def __init__(self, curve, keytype, scheme, digest):
        self._private = ec.generate_private_key(curve)
        self._digest = digest
        pem = self._private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        self._public = SSlibKey(sha256(pem.encode()).hexdigest(), keytype, scheme, {"public": pem})

    @property
    def public_key(self):
        return self._public

    @classmethod
    def from_priv_key_uri(cls, *_):
        raise NotImplementedError

    def sign(self, payload):
        return Signature(self.public_key.keyid, self._private.sign(payload, ec.ECDSA(self._digest)).hex())


P256, P384, P521 = (
    (ec.SECP256R1(), hashes.SHA256()),
    (ec.SECP384R1(), hashes.SHA384()),
    (ec.SECP521R1(), hashes.SHA512()),
)
KINDS = {
    "ed25519": CryptoSigner.generate_ed25519,
    "rsassa-pss-sha256": CryptoSigner.generate_rsa,
    "rsassa-pss-sha512": lambda: CryptoSigner.generate_rsa(scheme="rsassa-pss-sha512"),
    "rsa-pkcs1v15-sha256": lambda: CryptoSigner.generate_rsa(scheme="rsa-pkcs1v15-sha256"),
    "ecdsa P-256": CryptoSigner.generate_ecdsa,
    "ecdsa P-256, old key type": lambda: Curve(P256[0], "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256", P256[1]),
    "ecdsa P-384": lambda: Curve(P384[0], "ecdsa", "ecdsa-sha2-nistp384", P384[1]),
    "ecdsa P-384, old key type": lambda: Curve(P384[0], "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384", P384[1]),
    "ecdsa P-521": lambda: Curve(P521[0], "ecdsa", "ecdsa-sha2-nistp521", P521[1]),
}


@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)
def test_every_kind_of_key_counts_and_a_wrong_signature_by_it_does_not(client, site, make):
    for role in ("root", "timestamp"):
        site.add_key(role, make())
        site.roles["root"].roles[role].threshold = 2
    site.publish("root", "timestamp")
    assert client.refresh() == 0
    assert client.stored()["root"] == 2
    site.publish("root")
    body = json.loads(site.files["3.root.json"])
    wrong = bytearray.fromhex(body["signatures"][1]["sig"])
    wrong[-1] ^= 1
    body["signatures"][1]["sig"] = wrong.hex()
    site.files["3.root.json"] = json.dumps(body).encode()
    assert client.refresh() == 1
    assert client.code() == "arbitrary_software"
    assert client.stored()["root"] == 2


def test_keys_of_unknown_kinds_are_ignored_and_not_counted(client, site):
    site.roles["root"].add_key(SSlibKey("unknown", "lms", "lms-sha256-h5", {"public": "00", "more": "x"}), "timestamp")
    site.publish("root")
    assert client.refresh() == 0
    site.roles["root"].roles["timestamp"].threshold = 2
    site.publish("root", "timestamp")
    body = json.loads(site.files["timestamp.json"])
    body["signatures"].append({"keyid": "unknown", "sig": "00"})
    site.files["timestamp.json"] = json.dumps(body).encode()
    assert client.refresh() == 1
    assert client.code() == "arbitrary_software"


def test_one_rsa_key_under_two_schemes_counts_once(client, site):
    signer = CryptoSigner.generate_rsa()
    twin = copy.deepcopy(signer.public_key)
    twin.keyid, twin.scheme = "twin", "rsa-pkcs1v15-sha256"
    site.rotate("timestamp")
    site.signers["timestamp"].clear()
    site.roles["root"].roles["timestamp"].keyids.clear()
    site.add_key("timestamp", signer)
    site.add_key("timestamp", CryptoSigner(signer._private_key, twin))
    site.roles["root"].roles["timestamp"].threshold = 2
    site.publish("root", "timestamp")
    assert client.refresh() == 1
    assert client.code() == "arbitrary_software"
    site.roles["root"].roles["timestamp"].threshold = 1
    site.publish("root")
    assert client.refresh() == 0


def pem(key):
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def identity(keytype, scheme, public):
    return all_keys.read_key("id", keytype, scheme, public).identity


def test_a_key_that_is_not_what_it_says_is_not_supported():
    on_256, on_384 = pem(ec.generate_private_key(ec.SECP256R1())), pem(ec.generate_private_key(ec.SECP384R1()))
    weak, strong = (pem(rsa.generate_private_key(65537, bits)) for bits in (1024, 2048))
    assert identity("ecdsa", "ecdsa-sha2-nistp256", on_256)
    assert identity("rsa", "rsassa-pss-sha256", strong)
    for keytype, scheme, public in (
        ("ecdsa", "ecdsa-sha2-nistp384", on_256),
        ("ecdsa", "ecdsa-sha2-nistp256", on_384),
        ("ecdsa", "ecdsa-sha2-nistp256", strong),
        ("ecdsa-sha2-nistp384", "ecdsa-sha2-nistp256", on_256),
        ("rsa", "rsassa-pss-sha256", weak),
        ("rsa", "rsassa-pss-sha256", on_256),
        ("rsa", "rsassa-pss-md5", strong),
        ("rsa", "ecdsa-sha2-nistp256", on_256),
        ("ed25519", "ed25519", on_256),
        ("ed25519", "ed25519", "00" * 31),
        ("ed25519", "ed25519", "zz" * 32),
        ("ed25519", "ed25519", " 0" * 32),
        ("ecdsa", "ecdsa-sha2-nistp256", ""),
        ("ecdsa", "ecdsa-sha2-nistp256", "日本語"),
        ("ecdsa", "ecdsa-sha2-nistp256", on_256[:60]),
    ):
        assert identity(keytype, scheme, public) == b"", (keytype, scheme, public)


def test_an_unsupported_key_verifies_nothing():
    for key in (tuf.Key("id", "ed25519", "", b""), tuf.Key("id", "ed25519", "", b"no key")):
        with pytest.raises(SignatureError):
            all_keys.verify_signature(key, b"", b"")


def test_pss_signatures_verify_with_every_length_of_salt():
    private = rsa.generate_private_key(65537, 2048)
    key = all_keys.read_key("id", "rsa", "rsassa-pss-sha256", pem(private))
    for length in (padding.PSS.DIGEST_LENGTH, padding.PSS.MAX_LENGTH, 20):
        scheme = padding.PSS(padding.MGF1(hashes.SHA256()), length)
        all_keys.verify_signature(key, private.sign(b"message", scheme, hashes.SHA256()), b"message")
    with pytest.raises(SignatureError):
        all_keys.verify_signature(key, private.sign(b"message", padding.PKCS1v15(), hashes.SHA256()), b"message")
