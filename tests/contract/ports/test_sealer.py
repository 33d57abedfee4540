"""The port Sealer, over the Linux adapter (opened by an HPKE that was written from the RFC) and the world's toy."""

from types import SimpleNamespace

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from agent.adapters.linux.sealer import HpkeSealer
from agent.formats import cose
from agent.formats.errors import Rejected, Unavailable
from firmware_sim.world.chance import Chance
from firmware_sim.world.packing import UnsafeWorldSealer, unsafe_open
from tests.unit.agent.adapters import hpke_reference

KEY, STRANGER = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
POINT = hpke_reference.point(KEY.public_key())
TOPIC, BOOT = "camward/1/abc/up/alarm", "boot-1"
KID = cose.key_id(POINT)


def reference_open(key, sealed, topic):
    session = sealed.session
    content_key = hpke_reference.unseal(key, session.enc, cose.info(session.kid), session.wrapped)
    return AESGCM(content_key).decrypt(sealed.iv, sealed.ciphertext, cose.associated(topic, sealed.boot, sealed.seq))


def world_open(key, sealed, topic):
    return unsafe_open(hpke_reference.point(key.public_key()), sealed, topic)


@pytest.fixture(params=["linux", "world"])
def port(request):
    if request.param == "linux":
        return SimpleNamespace(make=HpkeSealer, open=reference_open, refusal=InvalidTag)
    chance = Chance(7)
    return SimpleNamespace(make=lambda: UnsafeWorldSealer(chance), open=world_open, refusal=Rejected)


def seal(sealer, session, text, seq=1):
    return cose.Sealed(session, BOOT, seq, *sealer.seal(text, cose.associated(TOPIC, BOOT, seq)))


def started(sealer, point=POINT):
    return cose.Session(cose.key_id(point), *sealer.start(point, cose.info(cose.key_id(point))))


def test_what_is_sealed_opens_with_the_key_alone_in_any_order(port):
    sealer = port.make()
    session = started(sealer)
    texts = [b"", b"one", bytes(30_000)]
    made = [cose.encode(seal(sealer, session, text, seq)) for seq, text in enumerate(texts)]
    for wire, text in reversed(list(zip(made, texts, strict=True))):
        assert port.open(KEY, cose.parse(wire), TOPIC) == text
    with pytest.raises(port.refusal):
        port.open(STRANGER, cose.parse(made[1]), TOPIC)


@pytest.mark.parametrize("change", [{"seq": 2}, {"boot": "boot-2"}, {"iv": bytes(12)}, {"ciphertext": bytes(40)}])
def test_what_was_changed_does_not_open(port, change):
    sealer = port.make()
    made = seal(sealer, started(sealer), b"text")
    assert port.open(KEY, made, TOPIC) == b"text"
    with pytest.raises(port.refusal):
        port.open(KEY, made.replace(**change), TOPIC)
    with pytest.raises(port.refusal):
        port.open(KEY, made, TOPIC + "x")
    other = started(port.make())
    with pytest.raises(port.refusal):
        port.open(KEY, made.replace(session=other), TOPIC)


def test_each_start_has_another_key(port):
    sealer = port.make()
    sessions = [started(sealer) for _ in range(3)] + [started(port.make())]
    assert len({session.enc for session in sessions}) == len({session.wrapped for session in sessions}) == 4


def test_before_a_start_nothing_is_sealed(port):
    with pytest.raises(Unavailable):
        port.make().seal(b"text", b"")


@pytest.mark.parametrize("point", [b"", POINT[:-1], b"\x05" + POINT[1:]])
def test_what_is_no_point_is_refused(port, point):
    with pytest.raises(Rejected):
        port.make().start(point, b"")


def test_a_point_beside_the_curve_is_refused():
    with pytest.raises(Rejected):
        HpkeSealer().start(POINT[:-1] + bytes([POINT[-1] ^ 1]), b"")


def test_a_restored_snapshot_gives_no_iv_to_two_texts():
    """Randomness that repeats brings the same content key again, then the same numbers: a counter would now repeat."""
    lives = []
    for _ in range(2):
        sealer = HpkeSealer(lambda count: b"\x42" * count)
        lives.append((sealer, started(sealer)))
    (one, first), (two, second) = lives
    keys = [hpke_reference.unseal(KEY, s.enc, cose.info(s.kid), s.wrapped) for s in (first, second)]
    assert keys[0] == keys[1] == b"\x42" * 32, "the snapshot has brought the same key"
    sealed = [seal(one, first, b"before"), seal(two, second, b"after!"), seal(two, second, b"after!", 2)]
    assert len({made.iv for made in sealed}) == 3
    again = seal(one, first, b"before")
    assert again == sealed[0], "the same text at the same place is the same bytes, and tells nothing new"


def test_the_iv_depends_on_where_the_text_ends_and_the_rest_begins():
    sealer = HpkeSealer()
    sealer.start(POINT, b"")
    assert sealer.seal(b"bc", b"a")[0] != sealer.seal(b"c", b"ab")[0]
