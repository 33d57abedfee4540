"""What an administrator can ask of the agent beside logging in; the login sockets and the admin socket share it."""

from agent.app import handover
from agent.app.waiting import MAX_POSTPONE_HOURS
from agent.formats import fields, login
from agent.formats.errors import FormatError, Unavailable
from agent.formats.json import dump, parse_object

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from agent.app.accounts import Accounts
    from agent.app.auditing import Auditing
    from agent.app.bringing import Bringing
    from agent.app.changing import Changing
    from agent.app.credentials import Credentials
    from agent.app.desk import Desk
    from agent.app.enrolling import Enrolling
    from agent.app.evidence import Evidence
    from agent.app.guard import Guard
    from agent.app.handover import Handover
    from agent.app.health import Health
    from agent.app.offering import Offering
    from agent.app.plain_rtsp import PlainRtsp
    from agent.app.programs import Programs
    from agent.app.quarantining import Quarantining
    from agent.app.renewing import Renewing
    from agent.app.reporting import Reporting
    from agent.app.serving import Serving
    from agent.app.ssh import Ssh
    from agent.app.transferring import Transferring
    from agent.app.updating import Updating
    from agent.formats.errors import CamwardError

    Refusal = tuple[str, str]

MAX_LINE_BYTES = 8192
MAX_SHOWN_CHARS = 120  # of any text that is not ours; all of a status must fit a line of the login socket
CONSOLE = "console"


class Office:
    """Status, enrolment, checks and evidence on request; leaving an operator, moving to another one, and erasing.

    The last three are asked for by a person at the camera: here (root, over the admin socket), or at agent.app.login
    (an administrator who has given the password once more). Nothing that comes from a server leads here.
    """

    def __init__(
        self,
        desk: "Desk",
        accounts: "Accounts",
        updating: "Updating",
        enrolling: "Enrolling",
        reporting: "Reporting",
        evidence: "Evidence",
        health: "Health",
        guard: "Guard",
        going: "Handover",
        transferring: "Transferring",
        offering: "Offering",
        bringing: "Bringing",
        credentials: "Credentials",
        changing: "Changing",
        auditing: "Auditing",
        ssh: "Ssh",
        renewing: "Renewing",
        serving: "Serving",
        programs: "Programs",
        quarantining: "Quarantining",
        plain_rtsp: "PlainRtsp",
    ) -> None:
        self._desk = desk
        self._accounts = accounts
        self._updating = updating
        self._enrolling = enrolling
        self._reporting = reporting
        self._evidence = evidence
        self._health = health
        self._guard = guard
        self._handover = going
        self._transferring = transferring
        self.offering = offering
        self.bringing = bringing
        self._credentials = credentials
        self._changing = changing
        self._auditing = auditing
        self._ssh = ssh
        self._renewing = renewing
        self._serving = serving
        self._programs = programs
        self._quarantining = quarantining
        self._plain_rtsp = plain_rtsp
        self._operations: "dict[str, Callable[[int, dict[str, Any]], None]]" = {
            "status": lambda connection, _: self._answer(connection, self.status()),
            "enrol": self._enrol,
            "check": self._check,
            "evidence": self._report,
            "disown": lambda connection, _: self._started(connection, self.disown()),
            "transfer": self._transfer,
            "erase": lambda connection, _: self._started(connection, self.erase()),
            "update_now": lambda connection, _: self._started(connection, self.update_now()),
            "postpone": self._postpone,
            "settings": self._settings,
            "install": self._install,
            "open_ssh": self._open_ssh,
            "close_ssh": lambda connection, _: self._started(connection, self._ssh.close()),
            "close_plain_rtsp": lambda connection, _: self._started(connection, self._plain_rtsp.close()),
            "claim": self._login_operation,
            "policy": self._login_operation,
            "accounts": self._look_at_accounts,
        }
        self.login_hook: "Callable[[int, str, bytes], None] | None" = None

    def status(self) -> "dict[str, Any]":
        """What the camera's page and `camward-agent status` show."""
        label, config = self._desk.label, self._desk.config
        found = {
            "device": self._desk.device_id,
            "serial": label.serial,
            "model": config.model,
            "hardware": label.hardware,
            "version": config.version,
            "slot": self._desk.ports.boot.booted_slot(),
            "state": self._accounts.state,
            "password": self._credentials.age(),
            "password_change": self._changing.status(),
            "health": self._health.verdict,
            "update": self._updating.status(),
            "schedule": self._updating.waiting.settings(),
            "offer": self.offering.status(),
            "enrolment": {"phase": self._enrolling.phase, "problem": self._enrolling.problem},
            "certificate": self._renewing.status(),
            "services_certificate": self._serving.status(),
            "transfer": {"under_way": self._transferring.under_way, "problem": self._transferring.problem},
            "operator": self._enrolling.operator,
            "server": self._enrolling.server_url,
            "link": self._reporting.link_problem or "up",
            "link_trouble": self._reporting.link_trouble,
            "outbox": self._reporting.count(),
            "outbox_lost": self._reporting.counters()["outbox_lost"],
            "outbox_written_bytes": self._reporting.counters()["outbox_written_bytes"],
            "programs": self._programs.status(),
            "problems": list(self._desk.problems),
            "accounts": self._auditing.status(),
            "ssh": self._ssh.status(),
            "plain_rtsp": self._plain_rtsp.status(),
            "waiting_logins": self._guard.held(),
            "quarantine": self._quarantining.status(),
        }
        return {name: _shown(value) for name, value in found.items()}

    def status_for(self, role: str) -> "dict[str, Any]":
        """The status for somebody who is logged in: who gets in by other ways is for administrators."""
        found = self.status()
        if role != "administrator":
            del found["accounts"], found["ssh"], found["plain_rtsp"]
        return found

    def enrol(self, token: str) -> str:
        """Begin an enrolment; returns what is wrong with the token, empty when it has begun."""
        return self._enrolling.begin(token)

    def disown(self) -> "Refusal | None":
        """Leave the operator; a code of the login protocol and a detail when that cannot begin."""
        try:
            if not self._enrolling.has_operator():
                return "bad_request", "this camera has no operator"
        except Unavailable as error:
            return "busy", str(error)
        return self._begin(handover.DISOWN)

    def transfer(self, token: str) -> "Refusal | None":
        """Move to the operator of this token, who must have certified the camera before the present one is left."""
        if self._enrolling.phase != "enrolled":
            return "bad_request", "this camera has no operator to move from: enrol it"
        problem = self._handover.obstacle()
        if problem:
            return "busy", problem
        problem = self._transferring.begin(token)
        return ("bad_request", problem) if problem else None

    def erase(self) -> "Refusal | None":
        """Erase everything of users and operator; a code of the login protocol and a detail when that cannot begin."""
        return self._begin(handover.ERASE)

    def update_now(self) -> "Refusal | None":
        """Wait no longer for a window; a code of the login protocol and a detail when there is nothing to hurry."""
        return self._updating.waiting.update_now()

    def postpone(self, hours: str) -> "tuple[Refusal | None, str]":
        """Have what waits wait for so many hours more; why not, or until when, in the camera's local time."""
        if not 0 < len(hours) <= 3 or any(c not in "0123456789" for c in hours) or int(hours) > MAX_POSTPONE_HOURS:
            return ("bad_request", "hours are a number up to " + str(MAX_POSTPONE_HOURS)), ""
        return self._updating.waiting.postpone(int(hours))

    def settle(self, given: "dict[str, Any]") -> "Refusal | None":
        """Take the owner's `windows` and `time_zone`, or none to take them back; why not."""
        return self._updating.waiting.settle(given)

    def _begin(self, kind: str) -> "Refusal | None":
        problem = self._handover.begin(kind)
        return ("busy", problem) if problem else None

    def evidence_path(self) -> str:
        """Where the last report is, for the camera's page."""
        return self._evidence.path

    def credentials_changed(self) -> None:
        """A password was set and proved on the live services."""
        self._evidence.password_changed(tuple(service.name for service in self._desk.config.services), ())

    def credentials_contradicted(self, findings: "tuple[str, ...]") -> None:
        """The live services did not follow a change; it was taken back."""
        self._evidence.password_changed((), findings)

    def tokens_changed(self) -> None:
        """WS-UsernameToken was switched on or off for somebody, or that was taken back."""
        self._evidence.soon()

    def line(self, connection: int, body: bytes) -> None:
        """Answer one line of the admin socket: `{"v":1,"op":...}`."""
        try:
            source = parse_object(body, MAX_LINE_BYTES)
            fields.integer(source, "v", 1, 1)
            operation = fields.choice(source, "op", tuple(self._operations))
            self._operations[operation](connection, source)
        except FormatError as error:
            self._refuse(connection, str(error))

    def _enrol(self, connection: int, source: "dict[str, Any]") -> None:
        problem = self.enrol(fields.text(source, "token", 2 * MAX_LINE_BYTES))
        if problem:
            self._refuse(connection, problem)
        else:
            self._answer(connection, {"task": "started"})

    def _transfer(self, connection: int, source: "dict[str, Any]") -> None:
        self._started(connection, self.transfer(fields.text(source, "token", 2 * MAX_LINE_BYTES)))

    def _started(self, connection: int, refusal: "Refusal | None") -> None:
        if refusal is not None:
            self._refuse(connection, refusal[1])
        else:
            self._answer(connection, {"task": "started"})

    def install(self, version: str) -> "Refusal | None":
        """Install what is announced; a code of the login protocol and a detail when that cannot begin."""
        error = self.offering.install(version)
        if error is None:
            self._evidence.asked_for_update()
        return refusal_of(error)

    def install_upload(self, told: "Callable[[CamwardError | None], None]") -> None:
        """Install the bundle that was uploaded; `told` once everything but its blocks is verified, or refused."""

        def ended(_version: str, error: "CamwardError | None") -> None:
            if error is None:
                self._evidence.asked_for_update()
            told(error)

        self.bringing.install("", ended)

    def _install(self, connection: int, source: "dict[str, Any]") -> None:
        """Root at the console orders: a bundle, or what is announced."""
        if "path" not in source:
            self._started(connection, self.install(""))
            return

        def told(version: str, error: "CamwardError | None") -> None:
            if error is not None:
                self._refuse(connection, str(error))
            else:
                self._evidence.asked_for_update()
                self._answer(connection, {"task": "started", "version": version})

        path = fields.text(source, "path", MAX_LINE_BYTES)
        if not path.startswith("/"):
            raise FormatError("path is not absolute")
        self.bringing.install(path, told)

    def _check(self, connection: int, _: "dict[str, Any]") -> None:
        if self.offering.looks():
            self.offering.look_now()
            self._answer(connection, {"task": "started"})
            return
        if self._enrolling.phase != "enrolled":
            self._refuse(connection, "this camera is not enrolled: there is no server to ask")
            return
        self._evidence.asked_for_update()
        self._updating.check_now()
        self._answer(connection, {"task": "started"})

    def _postpone(self, connection: int, source: "dict[str, Any]") -> None:
        refusal, until = self.postpone(fields.text(source, "hours"))
        if refusal is not None:
            self._refuse(connection, refusal[1])
        else:
            self._answer(connection, {"task": "started", "until": until})

    def _settings(self, connection: int, source: "dict[str, Any]") -> None:
        given: "dict[str, Any]" = {
            name: source[name] for name in ("windows", "time_zone", "postpone_days") if name in source
        }
        fields.only(source, ("v", "op") + tuple(given))
        self._started(connection, self.settle(given))

    def _open_ssh(self, connection: int, source: "dict[str, Any]") -> None:
        """Root at the console may, for any administrator."""

        def told(refusal: "Refusal | None", members: "dict[str, Any]") -> None:
            if refusal is not None:
                self._refuse(connection, refusal[1])
            else:
                self._answer(connection, members)

        self._ssh.open(fields.text(source, "user", 64), fields.text(source, "minutes", 3), told)

    def _report(self, connection: int, _: "dict[str, Any]") -> None:
        self._evidence.collect(lambda table: self._answer(connection, {"table": table, "path": self.evidence_path()}))

    def _look_at_accounts(self, connection: int, _: "dict[str, Any]") -> None:
        self._auditing.look_now(lambda: self._answer(connection, self._auditing.fact()))

    def _login_operation(self, connection: int, source: "dict[str, Any]") -> None:
        """The console may do what the login sockets may before a claim; its tries count like anybody's."""
        names = ("code", "user", "password") if source["op"] == "claim" else ("user", "password")
        given = {name: fields.text(source, name) for name in names}
        if self.login_hook is not None:
            self.login_hook(connection, CONSOLE, login.encode_request(source["op"], CONSOLE, given))

    def _answer(self, connection: int, members: "dict[str, Any]") -> None:
        reply: "dict[str, Any]" = {"v": 1, "ok": True}
        reply.update(members)
        self._desk.send(connection, dump(reply) + b"\n")

    def _refuse(self, connection: int, detail: str) -> None:
        self._desk.send(connection, dump({"v": 1, "ok": False, "detail": detail[:1000]}) + b"\n")


def refusal_of(error: "CamwardError | None") -> "Refusal | None":
    """An error as the login protocol tells it."""
    if error is None:
        return None
    return "busy" if error.code == "busy" or isinstance(error, Unavailable) else "bad_request", str(error)


def _shown(value: "Any") -> "Any":
    """A value for people: texts cut, and without what steers a terminal; some quote what a server has sent."""
    if isinstance(value, dict):
        return {name: _shown(item) for name, item in value.items()}
    if isinstance(value, str):
        return "".join(c if _is_plain(c) else "?" for c in value[:MAX_SHOWN_CHARS])
    return value


def _is_plain(character: str) -> bool:
    return " " <= character <= "~" or (character >= "\u00a0" and not "\ud800" <= character <= "\udfff")
