"""The password policy as data: the profiles, what a configuration may choose in each, and the floors below it.

No member switches off the blocklist, the context words or the refusal of control characters. docs/password-policy.md
says why each floor is where it is.
"""

from binascii import hexlify
from hashlib import sha256

from agent.core import guessing
from agent.formats import canonical_json, fields
from agent.formats.errors import FormatError
from agent.formats.login import ROLES
from agent.formats.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NIST, IPRO, CUSTOM = "nist", "ipro-compatible", "custom"

FLOOR_MIN_CHARS = 8  # NIST SP 800-63B-4, 3.1.1.2, and what JC-STAR's criterion asks of the first password
SOLE_FACTOR_CHARS = 15  # the same section, for a password that is the only factor, as it is on a camera
SHORT_CLASSES = 3  # below that, what camera vendors demand instead
FLOOR_MAX_CHARS = 32  # the shortest limit that known camera software keeps (i-PRO); less shuts out sentences
PHRASE_MAX_CHARS = 64  # NIST: at least 64 must be accepted
CEILING_MAX_CHARS = 128  # more only costs hashing time
CEILING_MIN_CHARS = 64  # whoever demands more gets notes on the housing
MIN_ROOM_CHARS = 8  # between shortest and longest: a length that everybody knows is a hint
MAX_CLASSES = 4
MIN_REMIND_DAYS = 30  # reminders at shorter intervals lead to Password1, Password2
MAX_REMIND_DAYS = 3650
MAX_WORDS = 32
FINGERPRINT_BYTES = 4  # tells the few policies of one fleet apart; it proves nothing
MIN_CONTEXT_CHARS = 4  # shorter names occur in ordinary words by accident

OPTIONAL_RULES = ("pattern", "repeats")
"""The rules that a custom profile may leave out."""
COMMON_WORDS = ("100k", "10k")
"""How many common passwords are refused: the shipped filters, see agent.core.word_filter."""


class Policy(Value):
    """What every new password on this camera has to be.

    `classes`: of lower case, capitals, digits and others, how many; 0 where there is no such rule. `rules`: those of
    OPTIONAL_RULES that hold. `role_min_chars`: pairs of a role and the length it has to have. `words`: the
    manufacturer's names, which no password may contain. `common`: one of COMMON_WORDS. `remind_days`: after how many
    days a password is called due for a change, which nothing enforces; 0 is never.
    """

    FIELDS = (
        "profile", "min_chars", "max_chars", "classes", "rules", "role_min_chars", "words", "common", "remind_days",
    )  # fmt: skip
    profile: str
    min_chars: int
    max_chars: int
    classes: int
    rules: "tuple[str, ...]"
    role_min_chars: "tuple[tuple[str, int], ...]"
    words: "tuple[str, ...]"
    common: str
    remind_days: int


DEFAULT = Policy(
    profile=NIST, min_chars=SOLE_FACTOR_CHARS, max_chars=CEILING_MAX_CHARS, classes=0, rules=OPTIONAL_RULES,
    role_min_chars=(), words=(), common=COMMON_WORDS[0], remind_days=0,
)  # fmt: skip

_PROFILES = {
    NIST: DEFAULT,
    IPRO: DEFAULT.replace(profile=IPRO, min_chars=8, max_chars=32, classes=3),
    CUSTOM: DEFAULT.replace(profile=CUSTOM),
}
_EVERYWHERE = ("profile", "min_chars", "role_min_chars", "words", "common", "remind_days")
_MEMBERS = {NIST: _EVERYWHERE + ("max_chars",), IPRO: _EVERYWHERE, CUSTOM: Policy.FIELDS}
_LOWEST = {
    NIST: (SOLE_FACTOR_CHARS, PHRASE_MAX_CHARS),
    IPRO: (FLOOR_MIN_CHARS, FLOOR_MAX_CHARS),
    CUSTOM: (FLOOR_MIN_CHARS, FLOOR_MAX_CHARS),
}
"""The least that `min_chars` and `max_chars` may be."""


def parse_policy(source: "dict[str, Any]") -> Policy:
    """Read the `password` object of the configuration; what is absent is as the profile has it.

    Raises:
        FormatError: a member that the profile does not have, or a value below a floor; the message says which.
    """
    profile = fields.choice(source, "profile", (NIST, IPRO, CUSTOM)) if "profile" in source else NIST
    for member in source:
        if member not in _MEMBERS[profile]:
            raise FormatError("password: the profile " + profile + " has no member " + member[:64])
    policy = _PROFILES[profile].replace(
        words=_words(source),
        common=fields.choice(source, "common", COMMON_WORDS) if "common" in source else DEFAULT.common,
        remind_days=_remind_days(source),
        rules=_rules(source),
    )
    policy = _lengths(policy, source)
    return policy.replace(role_min_chars=_role_min_chars(policy, source))


def fingerprint(policy: Policy) -> str:
    """A short hash of everything a policy says, in hexadecimal: equal for equal policies, on every camera."""
    told = policy.as_dict()
    for name in ("rules", "words"):
        told[name] = list(told[name])
    told["role_min_chars"] = [list(pair) for pair in policy.role_min_chars]
    return str(hexlify(sha256(canonical_json.encode(told)).digest()[:FINGERPRINT_BYTES]), "utf-8")


def for_role(policy: Policy, role: str) -> Policy:
    """The policy for one account: its role may have to have longer passwords."""
    least = policy.min_chars
    for name, chars in policy.role_min_chars:
        if name == role:
            least = max(least, chars)
    return policy.replace(min_chars=least)


def _lengths(policy: Policy, source: "dict[str, Any]") -> Policy:
    low_min, low_max = _LOWEST[policy.profile]
    least, most, classes = policy.min_chars, policy.max_chars, policy.classes
    if "min_chars" in source:
        least = fields.integer(source, "min_chars", low_min, CEILING_MIN_CHARS)
    if "max_chars" in source:
        most = fields.integer(source, "max_chars", low_max, CEILING_MAX_CHARS)
    if "classes" in source:
        classes = fields.integer(source, "classes", 0, MAX_CLASSES)
    if least + MIN_ROOM_CHARS > most:
        raise FormatError("password: min_chars is not " + str(MIN_ROOM_CHARS) + " below max_chars " + str(most))
    if least < SOLE_FACTOR_CHARS and classes < SHORT_CLASSES:
        raise FormatError(
            "password: min_chars below " + str(SOLE_FACTOR_CHARS) + " needs classes of at least " + str(SHORT_CLASSES)
        )
    return policy.replace(min_chars=least, max_chars=most, classes=classes)


def _role_min_chars(policy: Policy, source: "dict[str, Any]") -> "tuple[tuple[str, int], ...]":
    if "role_min_chars" not in source:
        return ()
    given = fields.obj(source, "role_min_chars")
    fields.only(given, ROLES)
    most = min(CEILING_MIN_CHARS, policy.max_chars - MIN_ROOM_CHARS)
    return tuple([(role, fields.integer(given, role, policy.min_chars, most)) for role in ROLES if role in given])


def _rules(source: "dict[str, Any]") -> "tuple[str, ...]":
    """A rule that always holds may be named as well; leaving it out changes nothing, so it cannot be named at all."""
    if "rules" not in source:
        return OPTIONAL_RULES
    given = [fields.as_text(item, "rules") for item in fields.array(source, "rules", len(OPTIONAL_RULES))]
    for rule in given:
        if rule not in OPTIONAL_RULES:
            raise FormatError(
                "password: rules may name " + ", ".join(OPTIONAL_RULES) + "; all others hold in any case, not "
                + rule[:64]
            )  # fmt: skip
    return tuple([rule for rule in OPTIONAL_RULES if rule in given])


def _words(source: "dict[str, Any]") -> "tuple[str, ...]":
    if "words" not in source:
        return ()
    found = tuple([fields.as_text(item, "words", 64) for item in fields.array(source, "words", MAX_WORDS)])
    for word in found:
        if len(guessing.plain(guessing.fold(word))) < MIN_CONTEXT_CHARS:
            raise FormatError("password: words: " + word + " has fewer than 4 letters and digits")
    return found


def _remind_days(source: "dict[str, Any]") -> int:
    days = fields.integer(source, "remind_days", 0, MAX_REMIND_DAYS) if "remind_days" in source else 0
    if 0 < days < MIN_REMIND_DAYS:
        raise FormatError("password: remind_days is neither 0 nor at least " + str(MIN_REMIND_DAYS))
    return days
