"""Collects facts, has agent.core.compliance judge them, and hands the report to people and to the server.

Facts come from three places: Sensors (what the system shows), proofs on the live services, and what the agent itself
has seen happen (kept in `evidence/history.json`). A probe that could not run leaves its fact out.
"""

from agent.app.proving import FACTORY_PASSWORDS, IN, REFUSED, SILENT, WAITED, WAYS, Attempt
from agent.core import compliance
from agent.core.trust import Device
from agent.formats import evidence
from agent.formats.errors import FormatError, Unavailable
from agent.formats.json import dump, parse_object

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from agent.app.accounts import Accounts
    from agent.app.credentials import Credentials
    from agent.app.desk import Desk
    from agent.app.plain_rtsp import PlainRtsp
    from agent.app.proving import Finding, Proving
    from agent.app.reporting import Reporting
    from agent.app.trusted_time import TrustedTime
    from agent.core.compliance import Catalogue
    from agent.formats.config import Service
    from agent.formats.errors import CamwardError

REPORT = "evidence.json"
HISTORY = "evidence/history.json"
MAX_HISTORY_BYTES = 64 * 1024
DAILY_S = 86400.0
SETTLE_S = 5.0  # several changes at once lead to one collection
LOCKOUT_TRIES = 8  # the wait begins with the sixth try; two more for a service that counts otherwise
NOT_RESISTED = {
    "none": ("the whole storage is read",),
    "tpm2": (
        "the TLS key and the device's secret are read from the running agent's memory",
        "storage and TPM are taken together",
        "the wires of the TPM are listened to",
    ),
}
"""By what guards keys: how they are got at all the same (docs/adr/0039-tpm.md)."""
NOT_RESISTED_BY_ENCRYPTION = (
    "the partition's key is read from the running kernel's memory, or asked of the TPM by who is root",
    "an older copy of the partition, or of a sector, is put back in its place",
    "who writes the flash has the partition made anew: an unclaimed camera",
) + NOT_RESISTED["tpm2"][1:]  # its key is in the TPM as well
"""How an encrypted and authenticated data partition is got at all the same (docs/adr/0044-data-partition.md)."""
NO_EVIDENCE = "no evidence: "
_TIMER = "evidence"


class Evidence:
    """One collection at a time; the ones asked for while it runs are gathered in the next."""

    def __init__(
        self,
        desk: "Desk",
        accounts: "Accounts",
        credentials: "Credentials",
        proving: "Proving",
        time: "TrustedTime",
        catalogue: "Catalogue",
        path: str,
        ssh: "Callable[[], dict[str, Any]]",
        plain_rtsp: "PlainRtsp",
    ) -> None:
        """`path`: where the scratch store puts `evidence.json`, for its readers; `ssh`: whether it is open."""
        self._ssh = ssh
        self._plain_rtsp = plain_rtsp
        self.path = path
        self._desk = desk
        self._accounts = accounts
        self._credentials = credentials
        self._proving = proving
        self._time = time
        self._catalogue = catalogue
        self._reporting: "Reporting | None" = None
        self._settled = False
        self._running = False
        self._waiting: "list[Callable[[str], None]]" = []
        self._history = self._load()
        self.audited_hook: "Callable[[], tuple[dict[str, Any], list[str]]]" = lambda: ({}, [])
        """What the audit of accounts has found, and which accounts anybody gets in by."""
        self.quarantine_hook: "Callable[[], dict[str, Any]]" = dict
        """Whether the camera is in quarantine, and why."""
        self.table = ""

    def start(self) -> None:
        """Count this boot for the last committed update; `settled` begins with collecting."""
        boot = {"id": self._desk.ports.clock.boot_id()}
        if self._history.get("boot") != boot:
            update = self._history.get("update_history")
            if isinstance(update, dict) and isinstance(update.get("boots_since"), int):
                update["boots_since"] += 1
            self.happened("boot", boot)

    def settled(self) -> None:
        """The services have had their time to start: collect now, and once a day."""
        self._settled = True
        self.soon()

    def enrolled(self, reporting: "Reporting") -> None:
        """Send the reports from now on."""
        self._reporting = reporting
        self.soon()

    def soon(self) -> None:
        """Collect again shortly: something has changed."""
        if self._settled:
            self._desk.at(_TIMER, self._desk.now + SETTLE_S, self._collect_daily)

    def happened(self, probe: str, fact: "dict[str, Any]") -> None:
        """Keep a fact that only the moment itself could show; a full disk loses it, and nothing else."""
        self._history[probe] = fact
        self._save()

    def password_changed(self, services: "tuple[str, ...]", contradicted: "tuple[str, ...]") -> None:
        """A change of a password was proven on the live services, or they contradicted it and it was taken back."""
        at = self._desk.ports.clock.wall_s()
        fact = {"exercised": True, "at": at, "services": list(services), "contradicted": list(contradicted)}
        self.happened("password_change", fact)
        self.soon()

    def asked_for_update(self) -> None:
        """Somebody told the camera to look for an update: a step of the user's in the next one."""
        self.happened("update_asked", {"times": self._asked() + 1})

    def updated(self, origin: str, version: str) -> None:
        """An update was committed."""
        fact = {"from": origin, "to": version, "committed": True, "boots_since": 0, "user_steps": self._asked()}
        self._history["update_asked"] = {"times": 0}
        self.happened("update_history", fact)

    def _asked(self) -> int:
        asked = self._history.get("update_asked")
        times = asked.get("times") if isinstance(asked, dict) else 0
        return times if isinstance(times, int) else 0

    def collect(self, done: "Callable[[str], None]") -> None:
        """Collect now; `done` gets the table for a terminal, or one line that begins with NO_EVIDENCE and says why.

        Who asks while a collection runs gets the next one: the running one does not know what has just happened.
        """
        self._waiting.append(done)
        if not self._running:
            self._collect()

    def _collect(self) -> None:
        self._running = True
        asked, self._waiting = self._waiting, []
        facts: "dict[str, Any]" = dict(self._history)
        also = self._plain_rtsp.services()

        def sensed(value: "object", error: "CamwardError | None") -> None:
            if error is None and isinstance(value, dict):
                facts.update(value)
            self._proving.start(self._proving.intruders(also), tried)

        def tried(found: "tuple[Finding, ...]") -> None:
            facts["login_negative"] = {"tried": self._login_negative(found, also) + _by_certificate(facts)}
            self._test_lockout(also, finish)

        def finish(blocked: "list[dict[str, Any]]") -> None:
            if blocked:
                facts["lockout_selftest"] = {"tried": blocked}
            self._finish(facts, asked)

        self._desk.call("sensors", "facts", (), sensed)

    def _collect_daily(self) -> None:
        self._desk.at(_TIMER, self._desk.now + DAILY_S, self._collect_daily)
        self.collect(lambda _: None)

    # Facts

    def _own_facts(self, facts: "dict[str, Any]") -> None:
        """What the agent knows of itself."""
        users = self._accounts.users
        config, label = self._desk.config, self._desk.label
        facts["claim_state"] = {"state": self._accounts.state}
        facts["default_password"] = {
            "min_chars": self._shortest(),
            "blocklist": all("common" in self._codes(password) for _, password in FACTORY_PASSWORDS),
            "changed_at": max((user.set_at for user in users.values()), default=0),
        }
        facts["password_age"] = self._credentials.age()
        facts["key_protection"] = self._key_protection()
        _tell_encryption(facts)
        self._tell_system_logins(facts)
        self._tell_foreign_accounts(facts)
        self._tell_ssh(facts)
        facts["ws_token"] = {"allowed": config.ws_token, "users": [name for name in sorted(users) if users[name].token]}
        facts["rollback_protection"] = {"index": self._desk.ports.rollback.protection()}
        facts["identity"] = {"model": config.model, "version": config.version, "serial": label.serial}
        facts["declaration"] = config.declarations
        facts["problems"] = {"found": list(self._desk.problems)}
        facts["quarantine"] = self.quarantine_hook()
        facts["plain_rtsp"] = self._plain_rtsp.fact()

    def _key_protection(self) -> "dict[str, Any]":
        """What guards the keys, and what that does not resist."""
        ports = self._desk.ports
        guards = {"keys": ports.keys.protection(), "device_secret": ports.secret.protection()}
        found: "dict[str, Any]" = dict(guards)
        not_resisted: "list[str]" = []
        for guard in guards.values():
            not_resisted += [one for one in NOT_RESISTED[guard] if one not in not_resisted]
        found["not_resisted"] = not_resisted
        return found

    def _tell_system_logins(self, facts: "dict[str, Any]") -> None:
        """Which of the system's accounts are claimed administrators: a password may open those, and no others."""
        found = facts.get("system_accounts")
        if isinstance(found, dict):
            facts["system_accounts"] = dict(found)
            facts["system_accounts"]["claimed"] = [
                one for one in sorted(self._accounts.users) if self._accounts.has_shell(one)
            ]

    def _tell_foreign_accounts(self, facts: "dict[str, Any]") -> None:
        """What the audit has found, once it has looked; an account that anybody gets in by counts as a factory one."""
        fact, opened = self.audited_hook()
        if fact:
            facts["foreign_accounts"] = fact
        if opened and isinstance(facts.get("system_accounts"), dict):
            facts["system_accounts"] = dict(facts["system_accounts"])
            facts["system_accounts"]["open"] = opened

    def _tell_ssh(self, facts: "dict[str, Any]") -> None:
        """Whether it is open. Its port speaks no TLS, and is no proof against the camera while it may be open."""
        found = facts["ssh"] = self._ssh()
        if found.get("open") and "tls_listeners" in facts:
            tried = [one for one in facts["tls_listeners"]["tried"] if one["port"] != found["port"]]
            facts["tls_listeners"] = {"tried": tried}

    def _shortest(self) -> int:
        """The fewest characters that the policy lets pass, found by trying."""
        length = 1
        while length <= self._credentials.min_chars() and "too_short" in self._codes("x" * length):
            length += 1
        return length

    def _codes(self, password: str) -> "list[str]":
        return [violation.code for violation in self._credentials.violations("somebody", password)]

    def _login_negative(self, found: "tuple[Finding, ...]", also: "tuple[Service, ...]") -> "list[dict[str, Any]]":
        rows = []
        for service in self._desk.config.services + also:
            mine = [one for one in found if one.service == service.name]
            rows.append(
                {
                    "service": service.name,
                    "port": service.port,
                    "anonymous": _worst([one.found for one in mine if one.who == "anonymous"]),
                    "default": _worst([one.found for one in mine if one.who != "anonymous"]),
                }
            )
        return rows

    def _test_lockout(self, also: "tuple[Service, ...]", done: "Callable[[list[dict[str, Any]]], None]") -> None:
        """Wrong tries in each way of each service, from addresses and for users that nobody else has, until a wait.

        A camera that is unclaimed, locked or in quarantine takes no tries at all, so there is nothing to test.
        """
        services = self._desk.config.services + also if self._accounts.lets_in() else ()
        ways = [(service, way) for service in services for way in WAYS[service.kind]]
        found: "dict[str, list[tuple[str, int]]]" = {service.name: [] for service in services}

        def next_way() -> None:
            if not ways:
                done(_blocked(found))
                return
            service, way = ways.pop(0)
            attempt = Attempt(service.name, way, "nobody", self._proving.stranger(), "wrong", WAITED)
            source = self._proving.address()
            self._proving.until(attempt, source, LOCKOUT_TRIES, lambda count, last: tried(service.name, count, last))

        def tried(name: str, count: int, last: str) -> None:
            found[name].append((last, count))
            next_way()

        next_way()

    # The report

    def _finish(self, facts: "dict[str, Any]", asked: "list[Callable[[str], None]]") -> None:
        self._running = False
        config = self._desk.config
        try:
            index = self._desk.ports.rollback.read()
            device = Device(self._desk.device_id, config.model, self._desk.label.hardware, config.version, index)
            self._own_facts(facts)
            report = compliance.assess(self._catalogue, facts, device, self._time.now_s())
            body = evidence.body(report)
            shown = dict(body)
            shown["titles"] = {one.id: {"en": one.title_en, "ja": one.title_ja} for one in self._catalogue.criteria}
            self._desk.ports.scratch.write(REPORT, dump(shown))
            self.table = compliance.table(report, self._catalogue)
            if self._reporting is not None:
                self._reporting.queue("evidence", body)
            told = self.table
        except (FormatError, Unavailable) as error:
            told = NO_EVIDENCE + str(error) + "\n"
        for done in asked:
            done(told)
        if self._waiting and not self._running:
            self._collect()

    def _load(self) -> "dict[str, Any]":
        try:
            body = self._desk.ports.store.read(HISTORY)
            return {} if body is None else parse_object(body, MAX_HISTORY_BYTES)
        except FormatError:
            return {}

    def _save(self) -> None:
        try:
            self._desk.ports.store.write(HISTORY, dump(self._history))
        except (FormatError, Unavailable):
            pass  # evidence is poorer for it; the camera goes on


def _by_certificate(facts: "dict[str, Any]") -> "list[dict[str, Any]]":
    """Listeners that know no passwords: who has no certificate of the fleet is anonymous, whatever else it says."""
    tried = facts.get("certificate_logins", {}).get("tried", ())
    return [dict(one, default=one["anonymous"]) for one in tried]


def _worst(found: "list[str]") -> str:
    """`in` if anything got in, else `silent` if anything was silent, else `refused`."""
    if IN in found:
        return IN
    return SILENT if SILENT in found or not found else REFUSED


def _blocked(found: "dict[str, list[tuple[str, int]]]") -> "list[dict[str, Any]]":
    """A row for each service: blocked if every way in was; none where a way was silent and the others did not fail."""
    rows = []
    for name in sorted(found):
        ended = [last for last, _ in found[name]]
        open_ways = [last for last in ended if last not in (WAITED, SILENT)]
        if ended and (open_ways or SILENT not in ended):
            rows.append({"service": name, "blocked": not open_ways, "after": max(count for _, count in found[name])})
    return rows


def _tell_encryption(facts: "dict[str, Any]") -> None:
    """What the data partition's encryption does not resist, where there is one; else, that the storage is read."""
    found = facts.get("data_encryption")
    if isinstance(found, dict):
        whole = found.get("encrypted") and found.get("authenticated")
        facts["data_encryption"] = dict(found)
        facts["data_encryption"]["not_resisted"] = list(NOT_RESISTED_BY_ENCRYPTION if whole else NOT_RESISTED["none"])
