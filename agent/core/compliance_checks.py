"""The sixteen checks: facts in, verdict out. A check sees only the facts of the probes that its row names.

Shapes of the facts, by probe. A probe that could not run is absent from the facts; it never guesses. Names of
services are those of `services` in agent.json; listeners on the loopback interface are not listed.

R is `in`, `refused` or `silent`; A is `bit_flip`, `wrong_key`, `truncated` or `older`; T is Unix seconds.

listeners
    `{"found": [{"proto": "tcp", "port": 443}]}`: every socket that the network can reach
login_negative
    `{"tried": [{"service", "port", "anonymous": R, "default": R}]}`
claim_state
    `{"state": "unclaimed" or "claimed" or "locked"}`
default_password
    `{"min_chars": 15, "blocklist": true, "changed_at": 0 or T}`: the shortest password that may be set, and whether a
    well-known one is refused, both tried
system_accounts
    `{"checked": 2, "usable": ["root"], "claimed": [], "open": ["admin in /data/web/users"]}`: accounts of the operating
    system that a password opens; who of them is a claimed administrator; those of any file that everybody gets in by
foreign_accounts
    `{"checked": 5, "untried": 0, "found": [{"code", "path", "account", "locked"}]}`: what the audit of accounts
    (agent.core.foreign_accounts) found; shown, and judged by way of system_accounts alone
password_change
    `{"exercised": true, "at": T, "services": ["web"], "contradicted": []}`: a value was set and proven on the live
    services; `contradicted` says where they behaved otherwise, and then it was taken back
lockout_selftest
    `{"tried": [{"service", "blocked": true, "after": 5}]}`: wrong tries until the agent said wait
update_refusals
    `{"tried": [{"attack": A, "refused": true, "code"}]}`
update_history
    `{"from", "to", "committed": true, "boots_since": 1, "user_steps": 0}`: the last update that was committed
identity
    `{"model", "version", "serial"}` of the running system
identity_shown
    `{"model", "version", "local": true, "server": true}`: who is shown what the camera is
storage_permissions
    `{"checked": 9, "wrong": ["path: why"]}`: modes and owners of the declared assets
mounts
    `{"root_read_only": true, "data_options": ["nosuid", "nodev", "noexec"]}`
verity
    `{"active": true}`: the root is a dm-verity device
data_encryption
    `{"encrypted": true, "authenticated": true, "not_resisted": []}`: the state folder lies on a dm-crypt device, that
    one on dm-integrity; what they do not resist; shown, and judged by no criterion
tls_listeners
    `{"tried": [{"service", "port", "tls": true, "version": "TLSv1.3"}]}`
plain_rtsp
    `{"open": true, "port": 554, "since", "until"}`: the exception for RTSP in the clear that the owner has
    opened, times as text; `{"open": false}`, with the port where it may be opened, while there is none
tls_connections
    `{"open": [{"peer", "version", "verified": true}]}`: the agent's own connections
certificate_logins
    `{"tried": [{"service", "port", "anonymous": R}]}`: listeners that ask for a certificate, tried without one; they
    are rows of login_negative as well
power_loss
    `{"unclean": 1, "settings_kept": true, "version_kept": true}`: digests over an unclean shutdown
erase
    `{"done": true, "remaining": [], "version_kept": true}`
declaration
    the manufacturer's declarations: `listeners` (as above), `disclosure_policy`, `update_priority_policy`,
    `user_manual`, `user_information` (https addresses), `support_ends`
"""

from agent.formats import fields
from agent.formats.errors import FormatError
from agent.formats.evidence import FAIL, INCONCLUSIVE, PASS
from agent.formats.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Facts = dict[str, dict[str, Any]]
    Verdict = tuple[str, str]

ATTACKS = ("bit_flip", "wrong_key", "truncated", "older")
DATA_OPTIONS = ("nosuid", "nodev", "noexec")
TLS_VERSIONS = ("TLSv1.2", "TLSv1.3")
MAX_SIMPLE_STEPS = 3  # of the user's, in one update: log in, start, confirm
MIN_FIRST_CHARS = 8  # the criterion's own length for a password set at first use


class Row(Value):
    """One criterion's check.

    The probes it needs, the function, and the declaration that may stand in where it cannot.
    """

    FIELDS = ("criterion", "probes", "check", "declaration")
    criterion: str
    probes: "tuple[str, ...]"
    check: "Callable[[Facts], Verdict] | None"
    declaration: str


def _reachable(facts: "Facts") -> "list[tuple[str, int]]":
    return [_listener(item) for item in fields.array(facts["listeners"], "found")]


def _listener(item: "Any") -> "tuple[str, int]":
    source = fields.as_object(item, "a listener")
    return fields.choice(source, "proto", ("tcp", "udp")), fields.integer(source, "port", 1, 65535)


def _tried(facts: "Facts", probe: str) -> "list[dict[str, Any]]":
    return [fields.as_object(item, "a try") for item in fields.array(facts[probe], "tried")]


def _entries(facts: "Facts", how: str) -> "Verdict | None":
    """What anonymous or default logins got; None when every one was refused."""
    tried = _tried(facts, "login_negative")
    if not tried:
        return INCONCLUSIVE, "no service was tried"
    for item in tried:
        if fields.text(item, how) == "in":
            return FAIL, fields.text(item, "service") + " let an " + how + " login in"
    for item in tried:
        if fields.choice(item, how, ("refused", "silent")) == "silent":
            return INCONCLUSIVE, fields.text(item, "service") + " gave no answer that could be understood"
    return None


def access_control(facts: "Facts") -> "Verdict":
    """S1.1-01: every reachable TCP port was tried without credentials and refused."""
    found = _entries(facts, "anonymous")
    if found is not None:
        return found
    tried = {fields.integer(item, "port", 1, 65535) for item in _tried(facts, "login_negative")}
    for proto, port in _reachable(facts):
        if proto == "tcp" and port not in tried:
            return INCONCLUSIVE, "port " + str(port) + " is reachable and was not tried"
    return PASS, "all " + str(len(tried)) + " reachable TCP ports refused access without credentials"


def default_password(facts: "Facts") -> "Verdict":
    """S1.1-02: there is no factory password, the first one is forced and long enough, and defaults are refused."""
    known = facts["system_accounts"]
    claimed = fields.array(known, "claimed") if "claimed" in known else []
    usable = [one for one in fields.array(known, "usable") if one not in claimed]
    if usable:
        return FAIL, "a factory password opens the account " + fields.as_text(usable[0], "usable")
    opened = fields.array(known, "open") if "open" in known else []
    if opened:
        return FAIL, "no password, or one that everybody tries, opens the account " + fields.as_text(opened[0], "open")
    if not fields.integer(facts["system_accounts"], "checked"):
        return INCONCLUSIVE, "no account was looked at"
    fact = facts["default_password"]
    if fields.integer(fact, "min_chars") < MIN_FIRST_CHARS or not fields.boolean(fact, "blocklist"):
        return FAIL, "the first password may be short or well known"
    found = _entries(facts, "default")
    if found is not None:
        return found
    state = fields.choice(facts["claim_state"], "state", ("unclaimed", "claimed", "locked"))
    return PASS, "no factory password; the camera is " + state + " and refuses default credentials"


def changeable(facts: "Facts") -> "Verdict":
    """S1.1-03: a change was made and proven on the live services."""
    fact = facts["password_change"]
    contradicted = fields.array(fact, "contradicted")
    if contradicted:
        return FAIL, "the services did not follow the last change: " + fields.as_text(contradicted[0], "contradicted")
    if not fields.boolean(fact, "exercised"):
        return INCONCLUSIVE, "no change has been made yet"
    proven = fields.array(fact, "services")
    if not proven:
        return INCONCLUSIVE, "the change was not proven on any service"
    return PASS, "a password was set and proven on " + ", ".join(fields.as_text(name, "service") for name in proven)


def brute_force(facts: "Facts") -> "Verdict":
    """S1.1-04: on every service that takes a login, wrong tries lead to a wait."""
    blocked = {}
    for item in _tried(facts, "lockout_selftest"):
        blocked[fields.text(item, "service")] = fields.boolean(item, "blocked")
    services = [fields.text(item, "service") for item in _tried(facts, "login_negative")]
    for service in sorted(blocked):
        if not blocked[service]:
            return FAIL, service + " takes wrong passwords without end"
    for service in services:
        if service not in blocked:
            return INCONCLUSIVE, service + " was not tried"
    if not blocked:
        return INCONCLUSIVE, "no service was tried"
    return PASS, "wrong tries lead to a growing wait on " + ", ".join(sorted(blocked))


def updateable(facts: "Facts") -> "Verdict":
    """S1.1-06: an update was committed, and its version is what runs after another boot."""
    fact = facts["update_history"]
    if not fields.boolean(fact, "committed"):
        return INCONCLUSIVE, "no update has been committed yet"
    way = fields.text(fact, "from") + " to " + fields.text(fact, "to")
    running = fields.text(facts["identity"], "version")
    if running != fields.text(fact, "to"):
        return FAIL, "updated from " + way + ", but " + running + " runs"
    if fields.integer(fact, "boots_since") < 1:
        return INCONCLUSIVE, "updated from " + way + "; not restarted since"
    return PASS, "updated from " + way + ", and the new version runs after a restart"


def easy_update(facts: "Facts") -> "Verdict":
    """S1.1-07: the last update needed no step of the user's; a few are for a person to judge, many are not simple."""
    fact = facts["update_history"]
    if not fields.boolean(fact, "committed"):
        return INCONCLUSIVE, "no update has been committed yet"
    steps = fields.integer(fact, "user_steps")
    taken = "the last update took " + str(steps) + " steps of the user's"
    if steps > MAX_SIMPLE_STEPS:
        return FAIL, taken
    if steps:
        return INCONCLUSIVE, taken + "; whether that is simple is for a person"
    return PASS, "the last update needed no step of the user's"


def update_integrity(facts: "Facts") -> "Verdict":
    """S1.1-08: each tampered update of the self-test was refused."""
    refused = {}
    for item in _tried(facts, "update_refusals"):
        refused[fields.text(item, "attack")] = fields.boolean(item, "refused")
    for attack in sorted(refused):
        if not refused[attack]:
            return FAIL, "an update was taken in spite of: " + attack
    missing = [attack for attack in ATTACKS if attack not in refused]
    if missing:
        return INCONCLUSIVE, "not tried: " + ", ".join(missing)
    return PASS, "refused before installation: " + ", ".join(ATTACKS)


def designation(facts: "Facts") -> "Verdict":
    """S1.1-10: model and version are shown on the camera's own page."""
    fact = facts["identity_shown"]
    if not fields.boolean(fact, "local"):
        return FAIL, "the camera's page does not show model and version"
    return PASS, "shown locally: " + fields.text(fact, "model") + " " + fields.text(fact, "version")


def stored_assets(facts: "Facts") -> "Verdict":
    """S1.1-11: owners and modes are right, the data partition runs nothing, the root is verified and read-only."""
    wrong = fields.array(facts["storage_permissions"], "wrong")
    if wrong:
        return FAIL, fields.as_text(wrong[0], "wrong")
    if not fields.boolean(facts["mounts"], "root_read_only") or not fields.boolean(facts["verity"], "active"):
        return FAIL, "the root file system is writable or unverified"
    options = fields.array(facts["mounts"], "data_options")
    for option in DATA_OPTIONS:
        if option not in options:
            return FAIL, "the data partition is mounted without " + option
    checked = fields.integer(facts["storage_permissions"], "checked")
    if not checked:
        return INCONCLUSIVE, "no asset was checked"
    return PASS, str(checked) + " assets are closed to other users; data is nosuid, nodev, noexec; the root is verified"


def assets_in_transit(facts: "Facts") -> "Verdict":
    """S1.1-12: every reachable TCP port speaks TLS 1.2 or newer, and so do the agent's verified connections.

    The owner's exception is no excuse, and is named; what nobody has opened is named before it.
    """
    secure, opened = set(), _exception(facts["plain_rtsp"])
    for item in _tried(facts, "tls_listeners"):
        port = fields.integer(item, "port", 1, 65535)
        if not fields.boolean(item, "tls"):
            if port == opened[0]:
                continue
            return FAIL, "port " + str(port) + " speaks without TLS"
        if fields.text(item, "version") not in TLS_VERSIONS:
            return FAIL, "port " + str(port) + " speaks an outdated TLS"
        secure.add(port)
    if opened[0]:
        return FAIL, opened[1]
    for proto, port in _reachable(facts):
        if proto == "tcp" and port not in secure:
            return INCONCLUSIVE, "port " + str(port) + " was not tried"
    connections = [fields.as_object(item, "a connection") for item in fields.array(facts["tls_connections"], "open")]
    for connection in connections:
        if not fields.boolean(connection, "verified") or fields.text(connection, "version") not in TLS_VERSIONS:
            return FAIL, "a connection to " + fields.text(connection, "peer") + " is not verified TLS 1.2 or newer"
    if not secure:
        return INCONCLUSIVE, "no port was tried"
    return PASS, str(len(secure)) + " ports and " + str(len(connections)) + " own connections use TLS 1.2 or newer"


def _exception(fact: "dict[str, Any]") -> "tuple[int, str]":
    """The port in the clear that the owner has opened, and what is said of it; 0 without one."""
    if not fields.boolean(fact, "open"):
        return 0, ""
    port = fields.integer(fact, "port", 1, 65535)
    when = " since " + fields.text(fact, "since", 32) + ", until " + fields.text(fact, "until", 32)
    return port, "port " + str(port) + " is RTSP without TLS: an exception that an administrator has opened," + when


def interfaces(facts: "Facts") -> "Verdict":
    """S1.1-13: what is reachable is declared. Known vulnerabilities of packages are not looked at here."""
    declared = [_listener(item) for item in fields.array(facts["declaration"], "listeners")]
    for proto, port in _reachable(facts):
        if (proto, port) not in declared:
            return FAIL, proto + " port " + str(port) + " is reachable and not declared"
    return PASS, "only declared ports are reachable (packages against known vulnerabilities: not assessed)"


def recovery(facts: "Facts") -> "Verdict":
    """S1.1-14: settings and version were the same before and after an unclean shutdown."""
    fact = facts["power_loss"]
    if fields.integer(fact, "unclean") < 1:
        return INCONCLUSIVE, "no unclean shutdown has happened yet"
    if not fields.boolean(fact, "settings_kept") or not fields.boolean(fact, "version_kept"):
        return FAIL, "settings or version changed over an unclean shutdown"
    return PASS, "settings and version survived " + str(fields.integer(fact, "unclean")) + " unclean shutdowns"


def deletion(facts: "Facts") -> "Verdict":
    """S1.1-15: an erase left nothing of the user's, and kept the version."""
    fact = facts["erase"]
    if not fields.boolean(fact, "done"):
        return INCONCLUSIVE, "no erase has been made yet"
    remaining = fields.array(fact, "remaining")
    if remaining:
        return FAIL, "the erase left " + fields.as_text(remaining[0], "remaining")
    if not fields.boolean(fact, "version_kept"):
        return FAIL, "the erase changed the version"
    return PASS, "the user's data was erased, the version kept"


CHECKS = (
    Row("S1.1-01", ("listeners", "login_negative"), access_control, ""),
    Row("S1.1-02", ("default_password", "system_accounts", "claim_state", "login_negative"), default_password, ""),
    Row("S1.1-03", ("password_change",), changeable, ""),
    Row("S1.1-04", ("lockout_selftest", "login_negative"), brute_force, ""),
    Row("S1.1-05", (), None, "disclosure_policy"),
    Row("S1.1-06", ("update_history", "identity"), updateable, ""),
    Row("S1.1-07", ("update_history",), easy_update, "user_manual"),
    Row("S1.1-08", ("update_refusals",), update_integrity, ""),
    Row("S1.1-09", (), None, "update_priority_policy"),
    Row("S1.1-10", ("identity_shown",), designation, ""),
    Row("S1.1-11", ("storage_permissions", "mounts", "verity"), stored_assets, ""),
    Row("S1.1-12", ("listeners", "tls_listeners", "tls_connections", "plain_rtsp"), assets_in_transit, ""),
    Row("S1.1-13", ("listeners", "declaration"), interfaces, ""),
    Row("S1.1-14", ("power_loss",), recovery, ""),
    Row("S1.1-15", ("erase",), deletion, ""),
    Row("S1.1-16", (), None, "user_information"),
)


def judge(row: Row, facts: "Facts") -> "Verdict":
    """Run one check on the facts it names; a missing or malformed fact is never more than INCONCLUSIVE."""
    if row.check is None:
        raise ValueError(row.criterion + " has no check")
    missing = [probe for probe in row.probes if probe not in facts]
    if missing:
        return INCONCLUSIVE, "no fact from: " + ", ".join(missing)
    try:
        return row.check({probe: fields.as_object(facts[probe], probe) for probe in row.probes})
    except FormatError as error:
        return INCONCLUSIVE, "a fact is malformed: " + error.detail
