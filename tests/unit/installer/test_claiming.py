"""One camera is claimed: whatever breaks, no password that it may have is missing from the file."""

import errno
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from update_server.errors import BadInput, Conflict
from update_server.files import SECRET, write_atomic
from update_server.installer import handover, ledger
from update_server.installer.camera import About, Answer, Impostor, Unreachable
from update_server.installer.claiming import Claimer, Result
from update_server.installer.codes import Label
from update_server.installer.handover import CLAIMED, PLANNED
from update_server.installer.looking import Place
from update_server.installer.sealing import WithKey
from update_server.installer.texts import Say

OFFICE = WithKey(X25519PrivateKey.generate())
LABEL = Label("KW1-000001", "ABCD-EFGH-2345-WXYZ")
UNCLAIMED = About("unclaimed", "KW1-000001", "kawa-1", bytes(16))
OK = Answer("", {"ok": True, "settled": True})
NOT_YET = Answer("", {"ok": True, "settled": False})
SAY = Say("en")


def no(code: str, **body: object) -> Answer:
    return Answer(code, body)


class Camera:
    """Answers as it is told; what it was asked is in `heard`, and what the file held then in `written`."""

    place = Place("192.0.2.7", 443)
    fingerprint = b"f" * 32

    def __init__(self, path: Path, **answers: list) -> None:
        self.path, self.answers = path, answers
        self.heard: list[tuple[str, ...]] = []
        self.written: list[tuple[str, str]] = []

    def _say(self, op: str, *what: str) -> object:
        self.heard.append((op, *what))
        self.written = in_file(self.path)
        queue = self.answers.get(op, [OK])
        answer = queue.pop(0) if len(queue) > 1 else queue[0]
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def prove(self, salt: bytes, code: str) -> Answer:
        return self._say("prove", code)

    def claim(self, code: str, user: str, password: str) -> Answer:
        return self._say("claim", password)

    def log_in(self, user: str, password: str) -> Answer:
        return self._say("log_in", password)

    def about(self) -> About:
        return self._say("about")

    def passwords(self) -> list[str]:
        return [heard[1] for heard in self.heard if heard[0] == "claim"]


class PowerCut(BaseException):
    """The laptop is off."""


class Clock:
    now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def in_file(path: Path) -> list[tuple[str, str]]:
    """States and passwords, as the office reads them."""
    entries = ledger.read(path, SAY).entries
    return [(entry.state, handover.unseal(OFFICE, entry).password) for entry in entries]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "site.handover"


def run(path: Path, camera: Camera, about: About = UNCLAIMED, label: Label | None = LABEL) -> Result:
    clock = Clock()
    with ledger.opened(path, OFFICE.sealer, SAY) as book:
        claimer = Claimer(book, "admin", "en", lambda: clock.now, clock.sleep, lambda: 1795000000.5)
        return claimer.claim(camera, about, label)


CLAIMED_NOW = About("claimed", "", "", b"")


def test_the_password_is_in_the_file_before_the_camera_hears_of_it(path):
    camera = Camera(path)
    assert run(path, camera) == Result("claimed")
    (password,) = camera.passwords()
    assert camera.written == [(PLANNED, password)]
    assert in_file(path) == [(CLAIMED, password)]
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("about", "label", "result"),
    [
        (About("locked", "", "", b""), LABEL, "locked"),
        (CLAIMED_NOW, LABEL, "foreign"),
        (UNCLAIMED, None, "no_code"),
        (UNCLAIMED, LABEL._replace(fingerprint="ab" * 32), "label_differs"),
    ],
)
def test_nothing_is_sent_where_nothing_can_come_of_it(path, about, label, result):
    camera = Camera(path)
    assert run(path, camera, about, label).code == result
    assert (camera.heard, in_file(path)) == ([], [])


def test_the_fingerprint_on_the_label_is_looked_at(path):
    assert run(path, Camera(path), label=LABEL._replace(fingerprint=(b"f" * 32).hex())) == Result("claimed")


@pytest.mark.parametrize("answer", [no("denied"), Impostor("a wrong proof")])
def test_without_a_proof_neither_code_nor_password_is_sent(path, answer):
    camera = Camera(path, prove=[answer])
    assert run(path, camera) == Result("not_proved")
    assert (camera.passwords(), in_file(path)) == ([], [])


def test_a_short_wait_is_waited_and_a_long_one_is_told(path):
    assert run(path, Camera(path, prove=[no("wait", retry_after_s=20), OK])) == Result("claimed")
    assert run(path, Camera(path, prove=[no("wait", retry_after_s=900)])) == Result("wait", "900")
    assert run(path, Camera(path, prove=[no("wait", retry_after_s=20)])) == Result("wait", "20")


@pytest.mark.parametrize(
    ("answers", "result", "left"),
    [
        ([no("policy", violations=[{"en": "Too short."}]), OK], Result("claimed"), [CLAIMED]),
        ([no("policy", violations=[{"en": "Too short."}])], Result("refused", "Too short."), []),
        ([no("denied")], Result("foreign"), []),
        ([no("busy", detail="not proved")], Result("refused", "not proved"), [PLANNED]),
        ([no("bad_request", message={"en": "What?"})], Result("refused", "What?"), []),
        ([no("locked")], Result("refused", "locked"), []),
    ],
)
def test_what_the_camera_certainly_has_not_taken_leaves_the_file(path, answers, result, left):
    camera = Camera(path, claim=answers)
    assert run(path, camera) == result
    assert [state for state, _ in in_file(path)] == left
    assert len(set(camera.passwords())) == len(camera.passwords())


@pytest.mark.parametrize("lost", [Unreachable("timed out"), no("unavailable")])
@pytest.mark.parametrize(
    ("after", "log_in", "result", "left"),
    [
        ([CLAIMED_NOW], [OK], "claimed", [CLAIMED]),
        ([Unreachable("reset"), UNCLAIMED, CLAIMED_NOW], [no("wait"), OK], "claimed", [CLAIMED]),
        ([CLAIMED_NOW], [NOT_YET, NOT_YET, OK], "claimed", [CLAIMED]),
        ([CLAIMED_NOW, CLAIMED_NOW, UNCLAIMED], [NOT_YET], "unclear", [PLANNED]),  # it was put back
        ([CLAIMED_NOW], [Answer("", {"ok": True})], "unclear", [PLANNED]),
        ([CLAIMED_NOW], [no("denied")], "foreign", []),
        ([UNCLAIMED], [OK], "unclear", [PLANNED]),
        ([Unreachable("reset")], [OK], "unclear", [PLANNED]),
        ([Impostor("another certificate")], [OK], "unclear", [PLANNED]),
    ],
)
def test_a_lost_answer_is_found_out_or_the_password_stays(path, lost, after, log_in, result, left):
    camera = Camera(path, claim=[lost], about=list(after), log_in=list(log_in))
    assert run(path, camera).code == result
    assert [state for state, _ in in_file(path)] == left


def test_somebody_who_steps_in_between_after_the_proof_hears_nothing(path):
    camera = Camera(path, claim=[Impostor("another certificate")])
    assert run(path, camera) == Result("not_proved")
    assert in_file(path) == []


def test_run_again_after_a_run_that_died_while_the_camera_was_asked(path):
    with pytest.raises(PowerCut):
        run(path, Camera(path, claim=[PowerCut()]))
    assert [state for state, _ in in_file(path)] == [PLANNED]
    assert run(path, Camera(path), CLAIMED_NOW) == Result("unconfirmed")

    # If the camera has not taken it: a new password, and the old one is gone from the file.
    again = Camera(path)
    assert run(path, again) == Result("claimed")
    assert in_file(path) == [(CLAIMED, again.passwords()[0])]
    assert run(path, Camera(path), CLAIMED_NOW) == Result("already")


@pytest.mark.parametrize("claim", [[OK], [no("policy"), OK], [no("denied")], [Unreachable("timed out")]])
@pytest.mark.parametrize("is_written", [False, True])
def test_the_power_fails_at_every_write_and_no_password_is_lost(tmp_path, claim, is_written):
    """The control: what the camera hears of before it is in the file would be found missing here."""

    def claimed_with_cut(path: Path, cut: int) -> tuple[Camera, int]:
        camera, writes = Camera(path, claim=list(claim), about=[CLAIMED_NOW]), 0

        def write(where: Path, body: bytes) -> None:
            nonlocal writes
            writes += 1
            if writes == cut and not is_written:
                raise PowerCut
            write_atomic(where, body, SECRET)
            if writes == cut:
                raise PowerCut

        clock = Clock()
        try:
            with ledger.opened(path, OFFICE.sealer, SAY, write) as book:
                Claimer(book, "admin", "en", lambda: clock.now, clock.sleep).claim(camera, UNCLAIMED, LABEL)
        except PowerCut:
            pass
        return camera, writes

    _, total = claimed_with_cut(tmp_path / "dry", 0)
    assert total >= 3
    for cut in range(1, total + 1):
        path = tmp_path / f"{cut}"
        camera, _ = claimed_with_cut(path, cut)
        known = {password for _, password in in_file(path)} if path.exists() else set()
        refused = len(claim) - 1 if claim[-1] is OK else len(claim) if isinstance(claim[0], Answer) else 0
        assert set(camera.passwords()[refused:]) <= known
        assert camera.written == [] or camera.passwords()[-1] in {password for _, password in camera.written}


def test_a_full_disk_stops_the_claim_before_the_camera(path):
    camera = Camera(path)

    def full(where: Path, body: bytes) -> None:
        if where.exists():
            raise OSError(errno.ENOSPC, "No space left on device")
        write_atomic(where, body, SECRET)

    with ledger.opened(path, OFFICE.sealer, SAY, full) as book:
        assert Claimer(book, "admin", "en").claim(camera, UNCLAIMED, LABEL) == Result("file", "No space left on device")
    assert camera.passwords() == []


def test_a_file_that_is_full_stops_the_claim_before_the_camera(path):
    entry = handover.seal(OFFICE.sealer, "KW1-000002", "cd" * 32, CLAIMED, handover.Account("a", "b", "c", "d", 5))
    whole = handover.Handover(OFFICE.sealer.header, (entry,) * handover.MAX_ENTRIES)
    write_atomic(path, handover.encode(whole), SECRET)
    camera = Camera(path)
    assert run(path, camera).code == "file"
    assert camera.passwords() == []


def test_a_disk_that_is_full_after_the_claim_leaves_the_password_unconfirmed(path):
    writes = []

    def full_at_last(where: Path, body: bytes) -> None:
        writes.append(body)
        if len(writes) > 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        write_atomic(where, body, SECRET)

    camera = Camera(path)
    with ledger.opened(path, OFFICE.sealer, SAY, full_at_last) as book:
        assert Claimer(book, "admin", "en").claim(camera, UNCLAIMED, LABEL).code == "unmarked"
    assert in_file(path) == [(PLANNED, camera.passwords()[0])]


def test_a_file_of_somebody_else_and_a_file_that_is_none_stay_as_they_are(path):
    run(path, Camera(path))
    before = path.read_bytes()
    other = WithKey(X25519PrivateKey.generate())
    with pytest.raises(Conflict), ledger.opened(path, other.sealer, SAY):
        pass
    assert path.read_bytes() == before
    path.write_bytes(b"my thesis")
    with pytest.raises(BadInput), ledger.opened(path, OFFICE.sealer, SAY):
        pass
    assert path.read_bytes() == b"my thesis"
