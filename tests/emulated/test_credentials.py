"""Default and guessed passwords on every way into the emulated camera, and on the control, where they work.

The ways are taken from the guest's own sockets: one that no attack of ours knows fails the test.
"""

import json
from collections.abc import Callable, Iterator

import pytest

from firmware_sim.attacks.login_paths import LOGIN_PATHS, Outcome
from firmware_sim.attacks.spray import Pair, SprayResult, mirai_pairs, spray
from firmware_sim.demo.person import Answer
from firmware_sim.demo.steps_camera import patiently
from firmware_sim.image.provision import Device
from firmware_sim.netns import FRONT_ADDRESS, PERSON_ADDRESS
from firmware_sim.qemu.deadline import Deadline, wait_until
from firmware_sim.qemu.hardware import Hardware
from firmware_sim.qemu.machine import Machine
from firmware_sim.qemu.provisioned import hardware_of
from tests.emulated.conftest import BOOT_S, Running, until_ready
from tests.emulated.lab_camera import PASSWORD, USER, LabCamera, claimed

SPRAY_S = 400.0
FACTORY: Pair = ("admin", "admin")
SAMPLE = 6
"""Pairs of Mirai's list beside admin/admin; `make soak PART=credentials` tries all of them, and what makers shipped."""
OWNER: Pair = (USER, PASSWORD)
WAYS_BY_PORT = {443: ("web", "snapshot", "onvif"), 322: ("rtsps",)}
"""How each listener of the camera takes a password."""
TAKES_NO_PASSWORD = {("udp", 3702)}
"""WS-Discovery (tests/contract/camera/test_discovery.py)."""
WEAK = (
    ("admin", "too_short"),
    ("Gale-71-brook!", "too_short"),
    ("x" * 200, "too_long"),
    ("password12345678", "common"),
    ("kanri-on-the-river", "context"),
    ("kw1-000042-by-the-river", "context"),
    ("abcdefghijklmnop", "pattern"),
    ("aaaaaaaaaaaaaaaa", "repeats"),
    ("gale\ttanuki 71 brook", "characters"),
)


def sample() -> tuple[Pair, ...]:
    """The factory's password, and pairs with as many different user names as the list gives."""
    chosen: dict[str, Pair] = {}
    others = [pair for pair in mirai_pairs() if pair != FACTORY]
    for pair in others:
        chosen.setdefault(pair[0], pair)
    pairs = [*chosen.values(), *(pair for pair in others if pair not in chosen.values())]
    return (FACTORY, *pairs[:SAMPLE])


def sockets(machine: Machine) -> set[tuple[str, int]]:
    """What the guest's kernel says is reachable from outside: TCP listeners and unconnected UDP sockets."""
    found = set()
    for proto, state in (("tcp", "0A"), ("tcp6", "0A"), ("udp", "07"), ("udp6", "07")):
        status, text = machine.shell(f"cat /proc/net/{proto} 2>/dev/null || true", Deadline(BOOT_S))
        assert status == 0
        for line in text.splitlines():
            words = line.split()
            if len(words) > 3 and words[0].rstrip(":").isdigit() and words[3] == state:
                address, _, port = words[1].partition(":")
                if not address.endswith("7F"):
                    found.add((proto[:3], int(port, 16)))
    return found


def ways_into(machine: Machine) -> dict[str, int]:
    """Every way into the camera, by its own listeners: name of the way and the port on this side."""
    ways = {}
    for proto, port in sockets(machine):
        if (proto, port) in TAKES_NO_PASSWORD:
            continue
        assert proto == "tcp", f"UDP port {port} is open, and nothing here attacks it"
        assert port in WAYS_BY_PORT, f"port {port} listens, and nothing here attacks it"
        for way in WAYS_BY_PORT[port]:
            ways[way] = machine.port(port)
    assert set(ways) == {way for some in WAYS_BY_PORT.values() for way in some}
    return ways


def owner_alone(result: SprayResult) -> None:
    """The owner's tries got in, the others' password was judged and refused."""
    assert result.untried == 0
    for attempt in result.attempts:
        if (attempt.user, attempt.password) == OWNER:
            assert attempt.outcome is Outcome.ACCEPTED, attempt
        else:
            assert attempt.outcome is Outcome.REFUSED, attempt
            assert "status 401" in attempt.seen, "held up by the lockout, so the password itself was not judged"


def all_refused(result: SprayResult, ways: dict[str, int], pairs: tuple[Pair, ...]) -> None:
    assert (len(result.attempts), result.untried) == (len(ways) * len(pairs), 0)
    for attempt in result.attempts:
        assert attempt.outcome is Outcome.REFUSED, attempt


def falls(machine: Machine, pairs: tuple[Pair, ...], within_s: float = SPRAY_S) -> SprayResult:
    """The control, just switched on, lets the factory's password in on every way, and nothing else."""
    machine.console.wait_for("camward-camera: ready", Deadline(BOOT_S), unless=("Kernel panic",))
    https = machine.port(443)
    ways = {"web": https, "snapshot": https, "onvif": https, "rtsps": machine.port(322), "rtsp": machine.port(554)}
    assert set(ways) == set(LOGIN_PATHS)
    result = spray(FRONT_ADDRESS, ways, pairs, within_s=within_s)
    assert (len(result.attempts), result.untried) == (len(ways) * len(pairs), 0)
    accepted = {(attempt.path, attempt.user, attempt.password) for attempt in result.accepted()}
    assert accepted == {(way, *FACTORY) for way in ways}
    return result


@pytest.fixture(scope="module")
def lab(camera_of: Callable[[str], Device], tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabCamera]:
    with claimed(camera_of, tmp_path_factory.mktemp("lab")) as camera:
        yield camera


@pytest.fixture(scope="module")
def ways(lab: LabCamera) -> dict[str, int]:
    lab.restore()
    return ways_into(lab.machine)


def test_unclaimed_every_way_refuses_the_factorys_and_mirais_passwords(unclaimed: Callable[[str], Running]):
    camera = unclaimed("lab-1.0.0")
    ways = ways_into(camera.machine)
    all_refused(spray(FRONT_ADDRESS, ways, sample(), within_s=SPRAY_S), ways, sample())


@pytest.mark.parametrize("pairs", [sample()[at : at + 2] for at in range(0, len(sample()), 2)], ids=str)
def test_claimed_every_way_refuses_them_and_takes_the_owners(
    lab: LabCamera, ways: dict[str, int], pairs: tuple[Pair, ...]
):
    lab.restore()
    for pair in pairs:
        owner_alone(spray(FRONT_ADDRESS, ways, [pair, OWNER], within_s=SPRAY_S))


def test_the_same_attack_gets_into_the_control_on_every_way(
    camera_of: Callable[[str], Device], switch_on: Callable[[Hardware], Machine]
):
    falls(switch_on(hardware_of(camera_of("ungated-1.0.0"))), sample())


def test_wrong_passwords_lead_to_a_wait_on_every_way_and_a_power_cut_does_not_help(
    lab: LabCamera, ways: dict[str, int]
):
    lab.restore()

    def guess() -> Answer:
        return lab.person.ask("/api/login", {"user": USER, "password": "not-the-Password-1"})

    lab.person.meet(Deadline(BOOT_S))
    answers = until_held(guess)
    assert {answer.status for answer in answers[:-1]} == {401}
    assert answers[-1].body["code"] == "wait"
    assert answers[-1].body["retry_after_s"] >= 1
    assert answers[-1].body["message"]["ja"]
    # The counters are shared: whoever has to wait here has to wait at every other way, with the right password too.
    # A wait that ends just as a way is tried is twice as long after that; on a slow machine the first are over soon.
    result = spray(FRONT_ADDRESS, ways, [(USER, "not-the-Password-2")] * 8, within_s=SPRAY_S)
    assert {attempt.path for attempt in result.attempts if "401" not in attempt.seen} == set(ways)

    def kept() -> bool:
        text = lab.shell("cat /data/camward/credentials/lockout.json")
        return any(row[0] == PERSON_ADDRESS and row[1] > 4 for row in json.loads(text)["sources"])

    wait_until(kept, Deadline(BOOT_S), "the lockout on the disk")
    lab.machine.power_cut()
    lab.machine.power_on()
    until_ready(lab.machine)
    lab.person.close()
    lab.person.meet(Deadline(BOOT_S))
    # A fresh counter would let four more through; the wait that was due has passed while the camera booted.
    answers = until_held(guess)
    assert len(answers) <= 2
    right = patiently(lambda: lab.person.ask("/api/login", {"user": USER, "password": PASSWORD}))
    assert right.ok, right.text


def until_held(guess: Callable[[], Answer]) -> list[Answer]:
    """Guess until the camera says wait, by the tenth guess; what it is too busy to judge is asked again."""
    answers: list[Answer] = []
    deadline = Deadline(BOOT_S)
    while not answers or (answers[-1].status != 429 and len(answers) < 10):
        answer = guess()
        if answer.status != 503:
            answers.append(answer)
        deadline.require("a judged guess")
    assert answers[-1].status == 429, [answer.status for answer in answers]
    return answers


def test_weak_passwords_are_refused_with_codes_and_texts_and_claim_nothing(unclaimed: Callable[[str], Running]):
    camera = unclaimed("lab-1.0.0")
    person = camera.person
    for password, code in WEAK:
        answer = person.ask("/api/policy", {"user": USER, "password": password})
        found = {violation["code"]: violation for violation in answer.body["violations"]}
        assert code in found, (password, answer.text)
        assert found[code]["en"]
        assert found[code]["ja"]
    claim = {"code": camera.device.code, "user": USER, "password": WEAK[3][0]}
    answer = person.ask("/api/claim", claim)
    assert answer.status == 422
    assert WEAK[3][1] in {violation["code"] for violation in answer.body["violations"]}
    assert person.ask("/api/state").body["state"] == "unclaimed"
    assert person.ask("/api/policy", {"user": USER, "password": PASSWORD}).body["violations"] == []
