"""Signers by URI and the list of online keys: what is refused, and in which words."""

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from securesystemslib.signer import CryptoSigner, Signature

from update_server import keyfiles
from update_server.errors import BadInput, Conflict, Misconfigured, SigningFailed
from update_server.repository import metadata, signers, tokens
from update_server.repository.online import SIGNERS_FILE, Online
from update_server.repository.quorum import Quorum

ROLES = ("root", "targets", "snapshot", "timestamp")


def write(path, key):
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path


def test_only_p256_keys_sign(tmp_path):
    for key in (ec.generate_private_key(ec.SECP384R1()), ed25519.Ed25519PrivateKey.generate()):
        with pytest.raises(Misconfigured, match="P-256"):
            signers.load(f"file:{write(tmp_path / 'k.pem', key)}")
    for inner in (CryptoSigner.generate_ed25519(), CryptoSigner.generate_ecdsa(scheme="ecdsa-sha2-nistp384")):
        with pytest.raises(Misconfigured, match="Only ECDSA P-256"):
            signers.CheckedSigner("a service", inner, ())


@pytest.mark.parametrize(
    ("uri", "extra"),
    [
        ("awskms:alias/camward", "kms-aws"),
        ("gcpkms:projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1", "kms-gcp"),
        ("azurekms://vault.vault.azure.net/keys/name/1", "kms-azure"),
    ],
)
def test_a_key_service_without_its_library_names_the_extra(tmp_path, uri, extra):
    public = signers.make(tmp_path / "k.pem").public_key
    for known in (None, public):
        with pytest.raises(Misconfigured, match=rf"pip install 'camward\[{extra}\]'"):
            signers.load(uri, public=known)


@pytest.mark.parametrize("uri", ["hsm:1", "sops:x", "", "plain.pem", "azurekms:nonsense"])
def test_other_uris_are_refused(uri):
    with pytest.raises(Misconfigured):
        signers.load(uri)


class Inner:
    """A library's signer that answers with `answer`."""

    def __init__(self, answer):
        self.answer = answer
        self.public_key = CryptoSigner.generate_ecdsa().public_key

    def sign(self, payload):
        if isinstance(self.answer, Exception):
            raise self.answer
        return Signature("any", self.answer.sign(payload).signature)


def test_a_signature_by_another_key_is_never_handed_out():
    signer = signers.CheckedSigner("awskms:x", Inner(CryptoSigner.generate_ecdsa()), ())
    with pytest.raises(SigningFailed, match="another key than expected"):
        signer.sign(b"payload")


def test_what_a_library_raises_becomes_one_line():
    signer = signers.CheckedSigner("awskms:x", Inner(ConnectionError("no\nroute")), (ConnectionError,))
    with pytest.raises(SigningFailed, match="awskms:x does not sign: ConnectionError no route"):
        signer.sign(b"payload")
    with pytest.raises(ConnectionError):  # a bug of ours stays a bug
        signers.CheckedSigner("awskms:x", Inner(ConnectionError("no")), ()).sign(b"payload")


def test_a_key_has_the_same_id_however_its_pem_is_written(tmp_path):
    made = signers.make(tmp_path / "k.pem").public_key
    text = made.keyval["public"].replace("\n", "\r\n")
    (tmp_path / "k.pub").write_text(text)
    assert signers.read_public_key(tmp_path / "k.pub").keyid == made.keyid


def test_a_private_key_is_not_taken_for_a_public_one(tmp_path):
    signers.make(tmp_path / "k.pem")
    with pytest.raises(BadInput, match="holds a private key"):
        keyfiles.read_public(tmp_path / "k.pem")
    (tmp_path / "x.pub").write_text("nonsense")
    with pytest.raises(BadInput, match="no public key"):
        keyfiles.read_public(tmp_path / "x.pub")


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("pkcs11:token=t;id=%01?module-path=/m.so&pin-value=1234", "a PIN has no place"),
        ("pkcs11:token=t;id=%01;pin-value=1234?module-path=/m.so", "a PIN has no place"),
        ("pkcs11:token=t?module-path=/m.so", "id must be"),
        ("pkcs11:token=t;id=%00%01?module-path=/m.so", "id must be"),
        ("pkcs11:token=t;id=123456789?module-path=/m.so", "id must be"),
        ("pkcs11:id=%01?module-path=/m.so", "token and module-path"),
        ("pkcs11:token=t;id=%01", "token and module-path"),
        ("pkcs11:token=t;token=u;id=%01?module-path=/m.so", "repeats"),
        ("pkcs11:token=t;id=%01;slot-id=1?module-path=/m.so", "unknown"),
        ("pkcs11:token=%ff;id=%01?module-path=/m.so", "UTF-8"),
    ],
)
def test_token_uris_are_strict(uri, says):
    with pytest.raises(Misconfigured, match=says):
        tokens.parse(uri)


def test_a_token_uri_names_everything():
    found = tokens.parse("pkcs11:token=my%20token;object=aiko;id=%01%02?module-path=/a/m.so&pin-source=file:/run/pin")
    assert found == tokens.TokenKey("my token", 0x0102, "aiko", "/a/m.so", "/run/pin")


def test_there_is_no_default_pin(tmp_path):
    key = tokens.TokenKey("t", 1, "", "/m.so", "")
    with pytest.raises(BadInput, match="needs its PIN"):
        key.pin(None)
    assert key.pin(lambda _: "123456") == "123456"
    (tmp_path / "pin").write_text("\n")
    for source, says in ((tmp_path / "pin", "needs its PIN"), (tmp_path / "no", "cannot be read")):
        with pytest.raises(BadInput, match=says):
            tokens.TokenKey("t", 1, "", "/m.so", str(source)).pin(lambda _: "asked")


def test_a_token_without_its_module_is_named():
    with pytest.raises(Misconfigured, match=r"no PKCS#11 module /no/such\.so"):
        signers.load("pkcs11:token=t;id=%01?module-path=/no/such.so")


def root_of(key):
    return metadata.root({role: ([key], 1) for role in ROLES}, 1, 2)


def test_online_keys_are_listed_with_their_uri_for_their_owner_only(tmp_path):
    online = Online(tmp_path)
    made = [online.new("image-timestamp").keyid for _ in range(2)]
    assert [entry.uri for entry in online.entries().values()] == [
        "file:image-timestamp.pem",
        "file:image-timestamp-2.pem",
    ]
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    assert list(Online(tmp_path).entries()) == made
    assert Online(tmp_path).where(made[1]) == "file:image-timestamp-2.pem"
    assert Online(tmp_path).where("0" * 64) == ""


def test_a_folder_of_an_older_version_counts_as_a_list_of_its_key_files(tmp_path):
    public = signers.make(tmp_path / "image-timestamp.pem").public_key
    online = Online(tmp_path)
    (signer,) = online.for_role(root_of(public), "timestamp")
    assert signer.public_key.keyid == public.keyid
    online.new("another")
    assert public.keyid in Online(tmp_path).entries()


def test_a_key_that_another_process_lists_is_found_without_a_restart(tmp_path):
    online = Online(tmp_path)
    online.new("first")
    public = Online(tmp_path).new("second")
    assert online.for_role(root_of(public), "timestamp")


def test_keys_that_the_server_does_not_have_are_counted(tmp_path):
    online = Online(tmp_path)
    root = root_of(online.new("mine"))
    root.roles["timestamp"].threshold = 2
    with pytest.raises(Misconfigured, match="1 of the 2 timestamp keys that root 1 names"):
        online.for_role(root, "timestamp")


def test_a_list_that_does_not_fit_the_keys_is_named(tmp_path):
    online = Online(tmp_path)
    public = online.new("a")
    with pytest.raises(Conflict, match="listed already"):
        online.add("file:b.pem", public)
    signers.make(tmp_path / "b.pem")
    text = (tmp_path / SIGNERS_FILE).read_text()
    (tmp_path / SIGNERS_FILE).write_text(text.replace("a.pem", "b.pem"))
    with pytest.raises(Misconfigured, match="another key than expected"):
        Online(tmp_path).for_role(root_of(public), "timestamp")
    for wrong in ("[[signer]]\nuri = 3\n", "signer = 3", "[[signer", text.replace("BEGIN", "BEGUN")):
        (tmp_path / SIGNERS_FILE).write_text(wrong)
        with pytest.raises(Misconfigured, match=SIGNERS_FILE):
            Online(tmp_path).entries()


def test_an_online_key_cannot_need_a_passphrase(tmp_path):
    signers.make(tmp_path / "k.pem", b"passphrase")
    with pytest.raises(Misconfigured, match="cannot need a passphrase"):
        Online(tmp_path).check("encrypted-file:k.pem")
    with pytest.raises(BadInput, match="passphrase does not open"):
        Online(tmp_path).check("file:k.pem")


@pytest.mark.parametrize("text", ["1/5", "5/5", "2/17", "0/0", "3", "3/", "/5", "a/b", "-2/5", "²/3"])
def test_quorums_have_bounds(text):
    with pytest.raises(BadInput):
        Quorum.parse(text)


def test_quorums_are_read():
    assert (Quorum.parse("2/3"), Quorum.parse("8/16")) == (Quorum(2, 3), Quorum(8, 16))
    assert str(Quorum(3, 5)) == "3/5"
