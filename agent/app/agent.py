"""The agent: its parts put together, and the one entry, `step`.

Deterministic: given the same ports, the same events at the same times give the same effects.
"""

from agent.app import handover
from agent.app.accounts import LOCKED, Accounts
from agent.app.alarms import Alarms
from agent.app.auditing import Auditing
from agent.app.bringing import Bringing
from agent.app.changing import Changing
from agent.app.checking import Checking
from agent.app.commanding import TOPIC_END, Commanding
from agent.app.console import Console
from agent.app.credentials import Credentials
from agent.app.desk import DATA_DAMAGED, Desk
from agent.app.enrolling import Enrolling
from agent.app.events import ADMIN, Acknowledged, Line, Linked, Message, Refused, Result
from agent.app.evidence import Evidence
from agent.app.guard import Guard
from agent.app.handover import Handover
from agent.app.health import Health
from agent.app.identity import EVIDENCE, IDENTITY, device_id, finish_rotation, named
from agent.app.inventory import Inventory
from agent.app.login import Login
from agent.app.neighbours import Neighbours
from agent.app.offering import Offering
from agent.app.office import Office
from agent.app.ordering import Ordering
from agent.app.plain_rtsp import PlainRtsp
from agent.app.programs import SERVICE, Programs
from agent.app.proving import Proving
from agent.app.proxying import Proxying
from agent.app.quarantining import IN_QUARANTINE, Quarantining
from agent.app.renewing import Renewing
from agent.app.reporting import RECEIPT, Reporting
from agent.app.rotating import Rotating
from agent.app.serving import Serving
from agent.app.ssh import Ssh
from agent.app.tickets import Tickets
from agent.app.transferring import Transferring
from agent.app.trial import UNKEPT
from agent.app.trusted_time import TrustedTime
from agent.app.updating import Updating
from agent.app.vouching import Vouching
from agent.core import slots
from agent.formats import login
from agent.formats.errors import Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from agent.app.ports import Ports
    from agent.core.compliance import Catalogue
    from agent.core.deny_list import DenyList
    from agent.core.password import Blocklist
    from agent.formats.config import Config
    from agent.formats.label import Label
    from agent.formats.ownership import Ownership

LABEL_MISSING = "label_missing"
IMAGE_ROOT_MISSING = "image_root_missing"
LOCKING = (DATA_DAMAGED, LABEL_MISSING)
"""Problems in whose presence nobody can be told from a stranger: locked, never unclaimed."""
MARKS_OF_USE = (
    "identity/tls.key.pem", "identity/evidence.key.pem", "ownership/record.json", "update/state.json",
    "credentials/lockout.json", "clock/floor.json", "trust/image/timestamp.json", "secret/device.key",
)  # fmt: skip
"""Documents that only a camera that has run before has; a part of them may be lost with the credentials."""
EVIDENCE_PATH = "/run/camward/evidence.json"


class Agent:
    """One camera's agent.

    Call `start` once, then `step` for every event and whenever `wake_at` has come. Each returns the effects to carry
    out now, in order, and the monotonic time at which to step again without an event.
    """

    def __init__(
        self,
        ports: "Ports",
        config: "Config",
        label: "Label",
        image_root: bytes,
        catalogue: "Catalogue",
        blocklist: "Blocklist",
        denied: "Callable[[tuple[str, ...]], DenyList]",
        evidence_path: str = EVIDENCE_PATH,
        problems: "tuple[str, ...]" = (),
        host_name: str = "",
    ) -> None:
        """Put the parts together; nothing is written before `start`, except that a handover that has begun is finished.

        `problems`: what this camera lacks (DATA_DAMAGED, LABEL_MISSING, IMAGE_ROOT_MISSING). It runs all the same, says
        so, and is locked where it must be; without the image root every release is refused. `host_name`: what it calls
        itself on the network, which no password may contain. `denied` reads the deny-list and puts words before it.

        Raises:
            FormatError: layout, schedule or password policy of the configuration are malformed.
            Unavailable: the store fails.
        """
        finished = handover.finish(ports, config.version)
        self._desk = desk = Desk(ports, config, label, problems)
        time = TrustedTime(desk)
        self._console = Console(desk, config.system_logins) if config.system_logins is not None else None
        self._accounts = Accounts(ports.store, ports.secret, self._console, config.ws_token)
        self._quarantining = quarantining = Quarantining(desk, self._accounts)
        proving = Proving(desk)
        self._reporting = Reporting(desk, time)
        self._programs = Programs(desk, time, self._reporting)
        self._renewing = Renewing(desk, time, self._reporting)
        self._rotating, self._proxying = (
            Rotating(desk, self._reporting, self._renewing),
            Proxying(desk, self._reporting),
        )
        self._serving = Serving(desk, time)
        self._alarms = Alarms(desk, time, self._accounts, self._reporting)
        guard = Guard(desk, proving, self._alarms)
        self._credentials = credentials = Credentials(desk, self._accounts, proving, time, blocklist)
        credentials.host_name = host_name
        proving.proven_s = credentials.proven_s
        tickets = Tickets(desk)
        self._health = Health(desk, self._accounts, proving, tickets)
        self._health.server_reached = self._reporting.is_up
        checking = Checking(desk, time, image_root)
        self._updating = Updating(desk, time, checking, self._health, self._reporting)
        layout = slots.parse_layout(config.layout)
        self._inventory = Inventory(desk, layout, self._updating.calm)
        self._neighbours = Neighbours(desk, layout, self._updating.on_trial)
        self._enrolling = Enrolling(desk, Vouching(desk, time, image_root), self._enrolled)
        self._ordering = Ordering(desk, time, image_root, checking, self._updating, self._enrolling)
        self._offering = Offering(desk, time, self._accounts, self._ordering, evidence_path.rpartition("/")[0])
        self._handover = Handover(desk, self._updating)
        self._programs.barred_hook = lambda: quarantining.active
        self._handover.barred_hook = lambda: IN_QUARANTINE if quarantining.active else ""
        self._transferring = Transferring(desk, self._handover)
        self._ssh = ssh = Ssh(desk, credentials, self._console)
        self._plain_rtsp = plain_rtsp = PlainRtsp(desk, self._accounts, time, self._alarms)
        self._evidence = Evidence(
            desk, self._accounts, credentials, proving, time, catalogue, evidence_path, ssh.status, plain_rtsp
        )
        self._changing = changing = Changing(desk, time, self._accounts, credentials, self._reporting)
        if self._console is not None:
            self._console.turned_away, changing.shut_out_hook = changing.shuts_out, self._console.refresh
        self._auditing = auditing = Auditing(
            desk,
            self._accounts,
            credentials,
            self._console,
            self._reporting,
            lambda: denied((label.serial, label.mac, label.mac.replace(":", ""), config.model)),
            self._updating.calm,
        )
        ssh.changed_hook = auditing.changed_hook = plain_rtsp.changed_hook = self._evidence.soon
        self._evidence.quarantine_hook = quarantining.fact
        self._evidence.audited_hook = lambda: (auditing.fact(), auditing.opened())
        self._office = Office(
            desk, self._accounts, self._updating, self._enrolling, self._reporting, self._evidence, self._health, guard,
            self._handover, self._transferring, self._offering, Bringing(desk, time, self._ordering),
            credentials, changing, auditing, ssh, self._renewing, self._serving, self._programs, quarantining,
            plain_rtsp,
        )  # fmt: skip
        self._login = Login(
            desk, self._accounts, credentials, guard, self._office, tickets, changing, ssh, quarantining, plain_rtsp
        )
        self._office.login_hook = self._login.line
        self._guard, self._settled = guard, False
        self._commanding = Commanding(
            desk, time, checking, self._updating, self._evidence, self._reporting, self._handover, self._enrolling,
            quarantining, self._rotating, self._proxying,
        )  # fmt: skip
        if finished:
            desk.say("camward-agent: " + finished + " is done")

    def start(self, now: float) -> "tuple[tuple[Any, ...], float | None]":
        """First step of this run: load, and go on where the last run ended.

        Raises:
            Unavailable: the store, the keys or the boot record cannot be used: nothing can be guarded.
        """
        desk = self._desk
        desk.now = now
        ports = desk.ports
        if self._desk.problems:
            desk.say("camward-agent: not whole: " + ", ".join(self._desk.problems))
        # Before any of them is written: a camera without credentials *and* without all of these is new.
        first_boot = all(ports.store.read(name) is None for name in MARKS_OF_USE)
        self._quarantining.start()
        on_trial = slots.on_trial(ports.boot.read(), ports.boot.booted_slot())
        self._accounts.load(first_boot, on_trial)
        self._ssh.start()
        locking = any(problem in LOCKING for problem in desk.problems)
        if locking:
            self._accounts.lock()
        finish_rotation(ports)
        desk.device_id = device_id(ports.keys.ensure(IDENTITY))  # made here, on a new camera
        desk.device_id = named(ports.store)[0] or desk.device_id
        ports.keys.ensure(EVIDENCE)
        desk.certificate_sha256 = ports.web_certificate.ensure(desk.label.serial)
        index = ports.rollback.read()
        try:
            ports.rollback.raise_to(index)  # a boot record that was lost comes back without it
        except Unavailable as error:  # from a disk that takes no writes, people watch their camera all the same
            desk.say("camward-agent: the rollback index is not in both places: " + str(error))
            if ports.boot.read().rollback_index < index:
                desk.problem(UNKEPT)
        self._credentials.settle()
        self._reporting.start(self._facts)
        self._programs.start(on_trial)
        self._changing.start()
        self._alarms.start()
        self._login.start()
        self._plain_rtsp.start(on_trial)
        if not locking:
            self._accounts.show()  # now that it is known whose password opens nothing any more
        self._updating.committed_hook = self._committed
        self._ordering.restore()
        self._updating.start()
        self._ordering.start()
        if not self._updating.on_trial():
            self._health.watch(self._seen_healthy, server_expected=False)
        self._proxying.start()
        self._enrolling.start()
        self._transferring.start()
        self._offering.start()
        self._evidence.start()
        self._auditing.start()
        return desk.take()

    def step(self, event: "Any", now: float) -> "tuple[tuple[Any, ...], float | None]":
        """Take one event (None: time has passed), do at most one piece of due work, and say what comes next."""
        self._desk.now = now
        if event is None:
            self._desk.run_due()
        elif self._handover.begun:
            self._turn_away(event)
        elif isinstance(event, Result):
            self._desk.settle(event)
        elif isinstance(event, Line):
            if event.service == ADMIN:
                self._office.line(event.connection, event.body)
            elif event.service[: len(SERVICE)] == SERVICE:
                self._programs.line(event.connection, event.service[len(SERVICE) :], event.body)
            else:
                self._login.line(event.connection, event.service, event.body)
        elif isinstance(event, Linked):
            self._reporting.linked(event.up, event.reason, event.trouble)
            self._renewing.linked(event.up)
            self._rotating.linked(event.up)
            self._proxying.linked(event.up)
        elif isinstance(event, Acknowledged):
            if not self._programs.acknowledged(event.name):
                self._reporting.acknowledged(event.name)
        elif isinstance(event, Refused):
            if not self._programs.refused(event.name):
                self._reporting.refused(event.name)
        elif isinstance(event, Message):
            if self._programs.message(event.topic, event.payload):
                pass  # first: a program's topic may end as ours do
            elif event.topic.endswith(RECEIPT):
                self._reporting.receipt(event.payload)
            elif event.topic.endswith(TOPIC_END):
                self._commanding.message(event.payload)
        if self._handover.begun and self._accounts.state != LOCKED:
            self._accounts.lock()  # for the programs that ask nobody, until the restart
        self._plain_rtsp.look()
        return self._desk.take()

    def stop(self) -> None:
        """Write what is kept in memory for a while; for an orderly shutdown."""
        self._guard.save()
        self._reporting.stop()

    def _turn_away(self, event: "Any") -> None:
        """The restart is near, and nothing may change before it; whoever asks may ask again afterwards."""
        if isinstance(event, Line):
            self._desk.send(event.connection, login.encode_refusal("busy", {"detail": "the camera restarts"}))

    def _enrolled(self, record: "Ownership") -> None:
        self._reporting.enrolled(record)
        self._ordering.enrolled(record.director_root.encode())
        self._offering.enrolled()
        self._updating.enrolled(record.director_root.encode(), record.check_interval_s)
        self._evidence.enrolled(self._reporting)
        self._auditing.enrolled()
        self._neighbours.enrolled(record)
        self._rotating.enrolled(record)
        self._commanding.enrolled(record)
        self._renewing.enrolled(record)
        self._serving.enrolled(record)

    def _seen_healthy(self, healthy: bool, detail: str) -> None:
        """An ordinary boot has come up; or not yet, then the boot record keeps counting boots, and we keep looking."""
        desk = self._desk
        if not self._settled:
            self._settled = True
            self._evidence.settled()
        if not healthy:
            desk.say("camward-agent: not healthy: " + detail)
            self._health.watch(self._seen_healthy, server_expected=False)
            return
        desk.say("camward-agent: healthy")
        self._inventory.start()
        try:
            self._updating.trial.seen_healthy()
        except Unavailable as error:
            desk.say("camward-agent: " + str(error))

    def _committed(self, origin: str, version: str) -> None:
        self._desk.say("camward-agent: healthy")
        self._accounts.committed()
        self._plain_rtsp.committed()
        self._credentials.settle()
        self._evidence.settled()
        self._evidence.updated(origin, version)
        self._neighbours.committed(self._updating.state)

    def _facts(self) -> "dict[str, Any]":
        found = {
            "version": self._desk.config.version,
            "slot": self._desk.ports.boot.booted_slot(),
            "phase": self._updating.state.phase,
            "problems": ", ".join(self._desk.problems) or None,
            "password_age_days": self._credentials.age().get("oldest_days"),
            "password_policy": self._credentials.policy_version(),
            "certificate_ends_at": self._renewing.ends_at,
        }
        found.update(self._changing.facts())
        found.update(self._neighbours.facts())
        found.update(self._quarantining.facts())
        return found
