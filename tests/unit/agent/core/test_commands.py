"""Which commands a camera follows: what is right, each thing that can be wrong, and any order of them."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from securesystemslib.signer import CryptoSigner

from agent.core import commands
from agent.core.commands import AGAIN, BUSY, NOTHING, TAKE, UNSURE, Kept, Keys, Patience, State, judge
from agent.formats import canonical_json, command
from agent.formats.errors import FormatError
from agent.formats.ownership import Ownership
from tests.repositories import DEVICE_ID, NOW, verify_signature
from tests.scenario.makers import RealSigner

ONE, OTHER, STRANGER = (RealSigner(name) for name in ("one", "other", "stranger"))
PEOPLE = [RealSigner(f"person {number}") for number in range(3)]


def record(one=(ONE, OTHER), people=PEOPLE):
    return Ownership(
        operator="o", server_url="https://o", broker_host="o", broker_port=8883, ca="", director_root="",
        command_keys=tuple(key.public_pem for key in one), sealing_key=None, check_interval_s=60,
        telemetry_interval_s=60, authority_keys=tuple(key.public_pem for key in people),
    )  # fmt: skip


KEYS = Keys(record())


def made(name=command.REBOOT, seq=10, signers=(ONE,), device=DEVICE_ID, issued_at=NOW, valid_s=3600, **changes):
    part = command.signed_part(device, seq, issued_at, issued_at + valid_s, name, {}) | changes
    message = canonical_json.encode(part)
    signatures = [{"keyid": command.key_id(one.public_pem), "sig": one.sign(message).hex()} for one in signers]
    return json.dumps({"signed": part, "signatures": signatures}).encode()


def verdict(body, state=NOTHING, at=NOW, certain=True, keys=KEYS):
    return judge(command.parse(body), DEVICE_ID, keys, state, at, certain, verify_signature)


def after(body, event=command.DONE, state=NOTHING):
    found = command.parse(body)
    return state.kept(found.name, Kept(found.seq, found.digest(), found.name, {}, event, ""))


@pytest.mark.parametrize(
    ("wanted", "body", "more"),
    [
        (TAKE, made(), {}),
        (TAKE, made(signers=(OTHER,)), {}),
        (TAKE, made(signers=(STRANGER, ONE)), {}),
        (TAKE, made(command.ERASE, signers=PEOPLE[:2]), {}),
        (TAKE, made(command.ERASE, signers=PEOPLE[1:]), {}),
        (TAKE, made("unheard_of"), {}),
        (commands.WRONG_DEVICE, made(device="b" * 26), {}),
        (commands.FORGED, made(signers=()), {}),
        (commands.FORGED, made(signers=(STRANGER,)), {}),
        (commands.FORGED, made(signers=PEOPLE), {}),
        (commands.FORGED, made(command.ERASE, signers=(ONE, OTHER)), {}),
        (commands.TOO_FEW, made(command.ERASE, signers=PEOPLE[:1]), {}),
        (commands.TOO_FEW, made(command.CHANGE_KEYS, signers=(PEOPLE[0], ONE, OTHER, STRANGER)), {}),
        (commands.FORGED, made(), {"keys": Keys()}),
        (commands.FORGED, made(command.ERASE, signers=PEOPLE), {"keys": Keys(record(people=()))}),
        (commands.EXPIRED, made(), {"at": NOW + 3600}),
        (TAKE, made(), {"at": NOW + 3599}),
        (commands.EXPIRED, made(command.CHECK), {"at": NOW + 3600, "certain": False}),
        (UNSURE, made(), {"certain": False}),
        (TAKE, made(command.CHECK), {"certain": False}),
        (TAKE, made(issued_at=NOW + commands.LEEWAY_S), {}),
        (commands.FUTURE, made(issued_at=NOW + commands.LEEWAY_S + 1), {}),
        (commands.REPLAYED, made(), {"state": State(NOW, None, None)}),
        (TAKE, made(), {"state": State(NOW - 1, None, None)}),
        (AGAIN, made(), {"state": after(made())}),
        (AGAIN, made(signers=(OTHER, ONE)), {"state": after(made())}),
        (AGAIN, made(), {"state": after(made()), "keys": Keys(record(one=(STRANGER,)))}),  # the keys were changed
        (commands.REPLAYED, made(expires_at=NOW + 3601), {"state": after(made())}),
        (commands.REPLAYED, made(seq=9), {"state": after(made())}),
        (commands.FORGED, made(seq=9, signers=(STRANGER,)), {"state": after(made())}),
        (TAKE, made(seq=11), {"state": after(made())}),
        (BUSY, made(seq=11), {"state": after(made(), command.ACCEPTED)}),
        (TAKE, made(command.ERASE, 1, PEOPLE), {"state": after(made(), command.ACCEPTED)}),
    ],
)
def test_what_is_right_is_followed_and_each_wrong_thing_has_its_name(wanted, body, more):
    assert verdict(body, **more) == wanted


def test_one_key_under_many_names_signs_once():
    """The same key listed twice, with and without a carriage return: two ids, one key."""
    twice = Keys(record(people=(PEOPLE[0],)))
    part = command.signed_part(DEVICE_ID, 1, NOW, NOW + 60, command.ERASE, {})
    twin = PEOPLE[0].public_pem.replace("\n", "\r\n")
    keys = Keys(record(people=()).replace(authority_keys=(PEOPLE[0].public_pem, twin)))
    sig = PEOPLE[0].sign(canonical_json.encode(part)).hex()
    signatures = [{"keyid": command.key_id(public), "sig": sig} for public in (PEOPLE[0].public_pem, twin)]
    body = json.dumps({"signed": part, "signatures": signatures}).encode()
    assert verdict(body, keys=keys) == verdict(body, keys=twice) == commands.TOO_FEW


def test_any_change_of_what_was_signed_is_noticed():
    whole = json.loads(made())
    for member, value in (("seq", 11), ("issued_at", NOW - 1), ("expires_at", NOW + 9), ("command", "evidence")):
        assert verdict(json.dumps(whole | {"signed": whole["signed"] | {member: value}}).encode()) == commands.FORGED
    longer = whole["signed"] | {"arguments": {"a": 1}}
    assert verdict(json.dumps(whole | {"signed": longer}).encode()) == commands.FORGED


def test_ids_of_keys_are_those_that_the_signers_of_metadata_give_them():
    signer = CryptoSigner.generate_ecdsa()
    assert command.key_id(signer.public_key.keyval["public"]) == signer.public_key.keyid


BODIES = {(seq, variant): made(seq=seq, valid_s=3600 + variant) for seq in range(1, 7) for variant in range(2)}


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(1, 6), st.integers(0, 1), st.booleans()), max_size=30))
def test_in_whatever_order_they_come_none_is_carried_out_twice_and_none_after_a_later_one(deliveries):
    state, carried = NOTHING, []
    for seq, variant, ends in deliveries:
        found = verdict(BODIES[seq, variant], state)
        if found == TAKE:
            carried.append(seq)
            state = after(BODIES[seq, variant], command.DONE if ends else command.ACCEPTED, state)
        elif found == BUSY and ends:
            state = state.replace(one=state.one.replace(event=command.DONE))
        elif found == AGAIN:
            assert state.one.seq == seq
    assert carried == sorted(set(carried))


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 2**53 - 1),
    st.sampled_from([None, *command.COMMANDS]),
    st.sampled_from(command.EVENTS),
    st.dictionaries(st.text(max_size=5), st.integers(0, 9), max_size=2),
)
def test_what_is_kept_is_read_again(since_at, name, event, arguments):
    state = State(since_at, None, None)
    if name is not None:
        state = state.kept(name, Kept(7, "ab" * 32, name, arguments, event, "busy"))
    assert commands.decode(commands.encode(state)) == state


def test_a_command_in_the_place_of_the_other_kind_is_damage():
    kept = Kept(7, "ab" * 32, command.ERASE, {}, command.DONE, "")
    with pytest.raises(FormatError):
        commands.decode(commands.encode(State(0, kept, None)))


def test_a_flood_is_read_and_told_of_in_bounds():
    patience, read, told = Patience(), 0, 0
    for at in range(86_400):
        if patience.reads(float(at)):
            read += 1
            patience.spent()
            told += bool(patience.tells(commands.FORGED, commands.TELL_EVERY_S, float(at)))
    assert commands.BURST < read <= commands.BURST + 86_400 / commands.READ_EVERY_S
    assert told == 24


def test_a_report_speaks_for_those_that_were_not_told_of():
    patience = Patience()
    assert [patience.tells("a", 100.0, at) for at in (0.0, 1.0, 2.0, 100.0, 200.0)] == [1, 0, 0, 3, 1]
    assert patience.tells("b", 100.0, 200.0) == 1
