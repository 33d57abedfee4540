"""Claims one camera, in this order: proof, hand-over file, claim, hand-over file. Safe to do again after any end.

1. Both sides prove that they know the label's code over the certificate that this side was shown. Whoever does not know
   the code gets nothing beyond this.
2. A fresh password goes into the hand-over file, durably.
3. The claim. If its answer is lost, the camera is asked until it says what has become of it: what a right password has
   opened may be put back for as long as the camera is still proving it.
4. The file says that the camera has taken it, or forgets what it certainly has not.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

from agent.formats.errors import FormatError
from update_server.installer import passwords
from update_server.installer.camera import About, Answer, Camera, Impostor, Unreachable
from update_server.installer.codes import Label
from update_server.installer.handover import CLAIMED, PLANNED, Account, Entry
from update_server.installer.ledger import Ledger
from update_server.installer.texts import Language

GOOD = ("claimed", "already")
NEUTRAL = ("foreign",)
"""Somebody else's camera is none of ours to fail at; if it should have been ours, its label is what is missing."""

CERTAIN = ("denied", "policy", "wait", "bad_request", "locked")
"""Refusals after which the password is certainly not the camera's. `busy` may be a claim that could not be proved, and
of which the camera could not say whether it has been taken back."""

PATIENCE_S = 45.0
"""How long wrong tries of others are waited out before a camera is left for another run."""

UNCLEAR_S = 180.0
"""After a lost answer: the camera may still be proving the new password on its services."""

ASK_EVERY_S = 3.0


class Result(NamedTuple):
    """What has become of one camera: `done_...` in the texts, with what its braces want."""

    code: str
    detail: str = ""


class Claimer:
    """Claims cameras with the same user name into the same file; threads may share it."""

    def __init__(
        self,
        ledger: Ledger,
        user: str,
        language: Language,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._ledger = ledger
        self._user = user
        self._language = language
        self._clock = clock
        self._sleep = sleep
        self._wall_clock = wall_clock

    def claim(self, camera: Camera, about: About, label: Label | None) -> Result:
        """Claim a camera that was met."""
        if about.state != "unclaimed":
            return self._taken(camera, about.state)
        if label is None:
            return Result("no_code")
        if label.fingerprint and label.fingerprint != camera.fingerprint.hex():
            return Result("label_differs")
        try:
            return self._claim(camera, about, label)
        except Impostor:
            return Result("not_proved")
        except Unreachable as error:
            return Result("unreachable", str(error))
        except FormatError as error:
            return Result("file", error.detail)
        except OSError as error:
            return Result("file", error.strerror or str(error))

    def _taken(self, camera: Camera, state: str) -> Result:
        if state == "locked":
            return Result("locked")
        known = self._ledger.state_of(camera.fingerprint.hex())
        return Result({CLAIMED: "already", PLANNED: "unconfirmed"}.get(known, "foreign"))

    def _claim(self, camera: Camera, about: About, label: Label) -> Result:
        refused = self._prove(camera, about, label)
        if refused is not None:
            return refused
        result = Result("refused", "policy")
        for groups in passwords.GROUPS:
            account = self._account(camera, about, passwords.new_password(groups))
            entry = self._ledger.plan(label.serial, camera.fingerprint.hex(), account)
            try:
                answer = camera.claim(label.code, account.user, account.password)
            except Impostor:
                self._drop(entry)  # nothing was sent
                raise
            except Unreachable:
                return self._find_out(camera, entry, account)
            if not answer.code:
                return self._confirm(entry, account)
            if answer.code == "unavailable":  # the camera's pages have given up waiting; its agent may not have
                return self._find_out(camera, entry, account)
            if answer.code in CERTAIN:
                self._drop(entry)
            result = self._taken(camera, "claimed") if answer.code == "denied" else self._refused(answer)
            if answer.code != "policy":
                break
        return result

    def _confirm(self, entry: Entry, account: Account) -> Result:
        try:
            self._ledger.confirm(entry, account)
        except OSError as error:
            return Result("unmarked", error.strerror or str(error))
        return Result("claimed")

    def _drop(self, entry: Entry) -> None:
        try:
            self._ledger.drop(entry)
        except OSError:
            pass  # one password too many in the file does no harm

    def _prove(self, camera: Camera, about: About, label: Label) -> Result | None:
        """None once it is proven; waits out the wrong tries of others for a while."""
        until = self._clock() + PATIENCE_S
        while True:
            answer = camera.prove(about.salt, label.code)
            if not answer.code:
                return None
            wait_s = _seconds(answer)
            if answer.code != "wait" or self._clock() + wait_s > until:
                return Result("not_proved") if answer.code == "denied" else self._refused(answer)
            self._sleep(wait_s)

    def _find_out(self, camera: Camera, entry: Entry, account: Account) -> Result:
        """The claim was sent, and no answer came."""
        until = self._clock() + UNCLEAR_S
        while self._clock() < until:
            self._sleep(ASK_EVERY_S)
            try:
                if camera.about().state != "claimed":
                    continue  # it may still be at it
                answer = camera.log_in(account.user, account.password)
            except (Unreachable, Impostor):
                continue
            if settled(answer):
                return self._confirm(entry, account)
            if answer.code == "denied":
                self._drop(entry)
                return self._taken(camera, "claimed")
        return Result("unclear")

    def _account(self, camera: Camera, about: About, password: str) -> Account:
        return Account(self._user, password, about.model, str(camera.place), int(self._wall_clock()))

    def _refused(self, answer: Answer) -> Result:
        if answer.code == "wait":
            return Result("wait", str(_seconds(answer)))
        message = answer.body.get("message")
        text = message.get(self._language) if isinstance(message, dict) else None
        reasons = answer.body.get("violations")
        first = reasons[0] if isinstance(reasons, list) and reasons and isinstance(reasons[0], dict) else {}
        return Result(
            "refused", str(first.get(self._language) or answer.body.get("detail") or text or answer.code)[:300]
        )


def settled(answer: Answer) -> bool:
    """Whether a login was let in, with a password that is proved there: nothing may be put back any more."""
    return not answer.code and answer.body.get("settled") is True


def _seconds(answer: Answer) -> int:
    given = answer.body.get("retry_after_s")
    return given if isinstance(given, int) and not isinstance(given, bool) and 0 < given < 10**6 else 1
