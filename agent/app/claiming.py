"""The claim: operations of the login socket for whoever has the label in their hand, beside those of agent.app.login.

A proof and a code count as tries alike, under one account: the label's code is what both are about.
"""

from binascii import hexlify, unhexlify
from hashlib import sha256

from agent.app.accounts import CLAIMED, UNCLAIMED
from agent.core.password import Violation
from agent.formats import claim_proof, fields
from agent.formats import label as labels
from agent.formats.errors import FormatError
from agent.formats.hmac import same

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.app.accounts import Accounts
    from agent.app.asked import Asked
    from agent.app.desk import Desk
    from agent.app.guard import Guard

CLAIM_ACCOUNT = "(claim)"  # what tries at the label's code count against; no user can have this name
_NO_PASSWORD = Violation(
    "context",
    "This is the code on the camera's label. Use something else.",
    "カメラのラベルに記載されたコードです。別のパスワードにしてください。",
)


class Claiming:
    """Answers `claim_proof` and `claim`."""

    def __init__(
        self,
        desk: "Desk",
        accounts: "Accounts",
        guard: "Guard",
        must_wait: "Callable[[Asked, str], bool]",
        become_owner: "Callable[[Asked], None]",
    ) -> None:
        """`must_wait`: counts a try and answers `wait` itself; `become_owner`: what the right code leads to."""
        self._desk = desk
        self._accounts = accounts
        self._guard = guard
        self._must_wait = must_wait
        self._become_owner = become_owner

    def operations(self) -> "dict[str, Callable[[Asked], None]]":
        """The operations by name."""
        return {"claim_proof": self._prove, "claim": self._claim}

    def salt(self) -> str:
        """What a client needs, beside the code, to compute its proof; hexadecimal."""
        return str(hexlify(self._desk.label.claim_salt), "utf-8")

    def violations(self, password: str) -> "tuple[Violation, ...]":
        """What the label has against a password that is about to be set.

        Not for who only asks for the policy: before the claim that is anybody, and no try at the code is counted there.
        """
        return (_NO_PASSWORD,) if self._is_code(password) else ()

    def _is_code(self, typed: str) -> bool:
        label = self._desk.label
        return same(sha256(label.claim_salt + labels.normal_code(typed)).digest(), label.claim_sha256)

    def _prove(self, asked: "Asked") -> None:
        """The client's proof first: only who knows the code gets ours, and with it something to try codes on."""
        if not self._open(asked):
            return
        try:
            nonce = _bytes(asked, "nonce", claim_proof.NONCE_BYTES)
            given = _bytes(asked, "proof", claim_proof.PROOF_BYTES)
        except FormatError as error:
            asked.no("bad_request", {"detail": str(error)[:200]})
            return
        if self._must_wait(asked, CLAIM_ACCOUNT):
            return
        known = self._desk.label.claim_sha256
        fingerprint = unhexlify(self._desk.certificate_sha256)
        # A label that is lost leaves an empty key, with which anybody could compute a proof.
        if not known or not same(claim_proof.client_proof(known, nonce, fingerprint), given):
            asked.no("denied")
            return
        self._guard.succeeded(asked.source, CLAIM_ACCOUNT)
        asked.yes({"proof": str(hexlify(claim_proof.camera_proof(known, nonce, fingerprint)), "utf-8")})

    def _claim(self, asked: "Asked") -> None:
        if not self._open(asked) or self._must_wait(asked, CLAIM_ACCOUNT):
            return
        if not self._is_code(asked.arguments["code"]):
            asked.no("denied")
            return
        self._guard.succeeded(asked.source, CLAIM_ACCOUNT)
        self._become_owner(asked)

    def _open(self, asked: "Asked") -> bool:
        """Whether there is anything to claim; answers itself if not."""
        state = self._accounts.state
        if state != UNCLAIMED:
            asked.no("denied" if state == CLAIMED else state)
        return bool(state == UNCLAIMED)


def _bytes(asked: "Asked", name: str, count: int) -> bytes:
    """Raises FormatError: the member is not that many bytes in hexadecimal."""
    return unhexlify(fields.as_hex(asked.arguments[name], name, count))
