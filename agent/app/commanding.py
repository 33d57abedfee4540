"""Follows the operator's signed commands (ADR 0033). The rules are `agent.core.commands`.

`commands/state.json` holds the last command of each kind. It is written before the command is carried out, so a power
cut in between has it carried out at the next start; every command here is safe to repeat, and a restart that has
happened is not repeated. What came of it is reported, signed, before it is noted: it may be said twice.
"""

from agent.app.enrolling import RECORD
from agent.app.evidence import NO_EVIDENCE
from agent.app.handover import ERASE as ERASING
from agent.core import commands, update
from agent.core.commands import AGAIN, BUSY, NOTHING, TAKE, UNSURE, Kept, Keys, Patience, decode, encode, judge
from agent.formats import command as formats
from agent.formats import ownership, quarantine
from agent.formats.command import ACCEPTED, DONE, REBOOT, REFUSED, CommandReport
from agent.formats.errors import FormatError, Rejected, Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.app.checking import Checking
    from agent.app.desk import Desk
    from agent.app.enrolling import Enrolling
    from agent.app.evidence import Evidence
    from agent.app.handover import Handover
    from agent.app.proxying import Proxying
    from agent.app.quarantining import Quarantining
    from agent.app.reporting import Reporting
    from agent.app.rotating import Rotating
    from agent.app.trusted_time import TrustedTime
    from agent.app.updating import Updating
    from agent.formats.command import Command
    from agent.formats.errors import CamwardError
    from agent.formats.ownership import Ownership

DOCUMENT = "commands/state.json"
TOPIC_END = "/down/command"
RESTART = "restart"  # in the store that a restart of the machine empties: the restart that is still to come
NUDGE_EVERY_S = 5.0  # an unsigned message can do no more than make the camera look; not more often
LASTING = (formats.EVIDENCE, REBOOT, formats.ROTATE_IDENTITY, formats.ERASE)
"""What takes a while is answered twice: accepted, and then what came of it."""
CALM = (update.IDLE, update.CHECKING, update.WAITING)  # phases that a restart disturbs nothing in
LOOK_S = 10.0
_RESUME = "commands"
WAIT_S = 1800.0  # for an update under way; later commands wait behind this one
UNKNOWN_COMMAND, BAD_ARGUMENTS, FAILED = "unknown_command", "arguments", "failed"
SIGNED_FOR_US = (commands.REPLAYED, commands.EXPIRED, commands.FUTURE)
"""Refusals of what one of our operator's keys has signed for this camera: only of these is repeated what they said."""


class Commanding:
    """Takes what arrives on `down/command`."""

    def __init__(
        self,
        desk: "Desk",
        time: "TrustedTime",
        checking: "Checking",
        updating: "Updating",
        evidence: "Evidence",
        reporting: "Reporting",
        going: "Handover",
        enrolling: "Enrolling",
        quarantining: "Quarantining",
        rotating: "Rotating",
        proxying: "Proxying",
    ) -> None:
        self._desk = desk
        self._time = time
        self._checking = checking
        self._updating = updating
        self._evidence = evidence
        self._reporting = reporting
        self._handover = going
        self._enrolling = enrolling
        self._quarantining = quarantining
        self._rotating = rotating
        self._proxying = proxying
        self._keys = Keys()
        self._record: "Ownership | None" = None
        self._state = NOTHING
        self._loaded = self._lost = False
        self._unread = self._resumed = self._asking = False
        self._patience = Patience()
        self._nudged_at = -NUDGE_EVERY_S
        self._work: "dict[str, Callable[[Kept], None]]" = {
            formats.CHECK: self._check,
            formats.EVIDENCE: self._collect,
            REBOOT: self._reboot,
            formats.ERASE: self._erase,
            formats.CHANGE_KEYS: self._change_keys,
            formats.QUARANTINE: self._quarantine,
            formats.RELEASE: self._release,
            formats.SETTINGS: self._settings,
            formats.ROTATE_IDENTITY: self._rotate,
        }

    def enrolled(self, record: "Ownership") -> None:
        """There is an operator, whose commands count from now on; go on with what the last run has left."""
        self._record, self._keys = record, Keys(record)
        self._resume()

    def _resume(self) -> None:
        """Storage that fails is asked again later: until then no command is followed, and all else goes on."""
        try:
            if not self._loaded:
                self._load()
        except Unavailable as error:
            if not self._unread:
                self._desk.say("camward-agent: what is kept of commands cannot be read: " + str(error))
            self._unread = True
            self._desk.at(_RESUME, self._desk.now + LOOK_S, self._resume)
            return
        if not self._resumed:
            self._resumed = True
            for kept in self._state.under_way():
                self._soon(kept)

    def _load(self) -> None:
        body = self._desk.ports.store.read(DOCUMENT)
        try:
            self._state = NOTHING if body is None else decode(body)
        except FormatError:
            # Which commands were followed is not known any more, so none that was issued until now is.
            self._desk.say("camward-agent: what is kept of commands is damaged")
            self._lost = True
        self._proxying.resumed([kept.digest for kept in self._state.under_way()])
        self._loaded = True

    # What arrives

    def message(self, payload: bytes) -> None:
        """Take one message of the broker; nothing in it is trusted."""
        if not self._keys.known():
            self._nudge()
        elif self._loaded and self._patience.reads(self._desk.now):  # the server sends again what is not read
            try:
                self._judge(formats.parse(payload))
            except FormatError:
                self._refuse(commands.FORMAT, None)

    def _nudge(self) -> None:
        """The operator's server is older than signed commands (ADR 0007): look, not too often."""
        due = self._nudged_at + NUDGE_EVERY_S
        if self._desk.now < due:
            self._desk.at("command", due, self._nudge)
            return
        self._nudged_at = self._desk.now
        self._updating.check_now()

    def _judge(self, command: "Command", asked: bool = False) -> None:
        desk, time = self._desk, self._time
        certain = time.certain()
        verify = desk.ports.verify_signature
        state = self._state
        verdict = judge(command, desk.device_id, self._keys, state, time.at_least_s(), certain, verify)
        if self._lost and verdict == TAKE and certain:
            self._forget_before(time.at_least_s())
            verdict = commands.REPLAYED
        if verdict == TAKE and not self._lost:
            self._patience.spent()
            self._take(command)
            return
        if verdict == AGAIN:
            self._patience.spent()
            if self._patience.tells(_again(command.name), commands.ANSWER_EVERY_S, desk.now):
                kept = state.last(command.name)
                if kept is not None:
                    self._tell(kept)
        elif verdict in (UNSURE, TAKE) or (verdict == commands.FUTURE and not asked):
            self._ask_the_time(command, asked)  # one from the future: this machine may have been put back
        elif verdict == BUSY:
            self._patience.spent()  # the server sends it again
        else:
            self._refuse(verdict, command)

    def _forget_before(self, at: int) -> None:
        try:
            self._write(NOTHING.replace(since_at=at))
        except Unavailable as error:
            self._desk.say("camward-agent: no command can be kept: " + str(error))
            return
        self._lost = False

    def _ask_the_time(self, command: "Command", asked: bool) -> None:
        """Judge it again once the operator's server has said what time it is; the server of commands sends it again."""
        self._patience.spent()
        root, _ = self._updating.director()
        if asked or self._asking or root is None:
            return
        self._asking = True

        def settled(_corrected: bool, error: "CamwardError | None") -> None:
            self._asking = False
            if error is None and self._time.certain():
                self._judge(command, asked=True)

        self._checking.put_clock_right(root, settled)

    def _refuse(self, code: str, command: "Command | None") -> None:
        """Say so, once in an hour for each code, and for how many."""
        self._patience.spent()
        count = self._patience.tells(code, commands.TELL_EVERY_S, self._desk.now)
        if not count:
            return
        self._desk.say("camward-agent: a command is refused: " + code)
        known = command is not None and code in SIGNED_FOR_US
        seq, name = (command.seq, command.name) if known and command is not None else (0, "")
        self._report(CommandReport(REFUSED, seq, name, code, count))

    # Carrying out

    def _take(self, command: "Command") -> None:
        kept = Kept(command.seq, command.digest(), command.name, command.arguments, ACCEPTED, "")
        try:
            if kept.name == REBOOT:
                self._desk.ports.scratch.write(RESTART, kept.digest.encode())
            self._write(self._state.kept(kept.name, kept))
        except Unavailable as error:
            self._desk.say("camward-agent: a command cannot be kept: " + str(error))
            return  # nothing has happened, and the server sends it again
        self._patience.forget(_again(kept.name))
        if kept.name in LASTING and not kept.arguments:
            self._tell(kept)
        self._carry_out(kept)

    def _carry_out(self, kept: Kept) -> None:
        work = self._work.get(kept.name)
        if work is None:
            self._ended(kept, REFUSED, UNKNOWN_COMMAND)
        elif kept.arguments and kept.name not in formats.WITH_ARGUMENTS:
            self._ended(kept, REFUSED, BAD_ARGUMENTS)
        else:
            try:
                work(kept)
            except FormatError:
                self._ended(kept, REFUSED, BAD_ARGUMENTS)

    def _soon(self, kept: Kept) -> None:
        self._desk.soon(_timer(kept), lambda: self._carry_out(kept))

    def _ended(self, kept: Kept, event: str, code: str = "") -> None:
        ended = kept.replace(arguments={}, event=event, code=code)
        self._tell(ended)
        last = self._state.last(kept.name)
        if last is None or last.digest != kept.digest:
            return  # its key was taken back meanwhile, and so was its number
        try:
            self._write(self._state.kept(kept.name, ended))
        except Unavailable as error:
            self._desk.say("camward-agent: the end of a command cannot be noted: " + str(error))
            self._state = self._state.kept(kept.name, ended)

    def _tell(self, kept: Kept) -> None:
        code = " " + kept.code if kept.code else ""
        self._desk.say("camward-agent: command " + kept.name + " " + str(kept.seq) + ": " + kept.event + code)
        self._report(CommandReport(kept.event, kept.seq, kept.name, kept.code, 1))

    def _report(self, report: CommandReport) -> None:
        self._reporting.queue("report", formats.report_body(report))

    def _write(self, state: "commands.State") -> None:
        """Durable when it returns.

        Raises:
            Unavailable: the storage fails.
        """
        self._desk.ports.store.write(DOCUMENT, encode(state))
        self._state = state

    # The commands

    def _check(self, kept: Kept) -> None:
        self._updating.check_now()
        self._ended(kept, DONE)

    def _collect(self, kept: Kept) -> None:
        def collected(told: str) -> None:
            if told.startswith(NO_EVIDENCE):
                self._ended(kept, REFUSED, FAILED)
            else:
                self._ended(kept, DONE)

        self._evidence.collect(collected)

    def _reboot(self, kept: Kept) -> None:
        if self._desk.ports.scratch.read(RESTART) != kept.digest.encode():
            self._ended(kept, DONE)  # whoever has restarted the machine
        else:
            self._when(kept, self._is_calm, lambda: self._desk.reboot("command"))

    def _is_calm(self) -> bool:
        return self._updating.state.phase in CALM

    def _erase(self, kept: Kept) -> None:
        """What tells the server of its end is the camera's last state, `gone`: nothing else of this camera is left."""
        self._when(kept, lambda: not self._handover.obstacle(), lambda: self._begin_erase(kept))

    def _begin_erase(self, kept: Kept) -> None:
        if self._handover.begin(ERASING):
            self._ended(kept, REFUSED, FAILED)  # the storage fails

    def _when(self, kept: Kept, ready: "Callable[[], bool]", go: "Callable[[], None]") -> None:
        """Wait for an update under way, and not for ever."""
        until = self._desk.now + WAIT_S

        def look() -> None:
            if ready():
                go()
            elif self._desk.now >= until:
                self._ended(kept, REFUSED, BUSY)
                self._proxying.dropped(kept.digest)
            else:
                self._desk.at(_timer(kept), self._desk.now + LOOK_S, look)

        look()

    def _quarantine(self, kept: Kept) -> None:
        reason, at = quarantine.reason(kept.arguments), self._time.now_s()
        self._when_stored(kept, lambda told: self._quarantining.begin(kept.seq, reason, at, told))

    def _release(self, kept: Kept) -> None:
        self._when_stored(kept, self._quarantining.end)

    def _when_stored(self, kept: Kept, act: "Callable[[Callable[[str], None]], None]") -> None:
        """Do it, and say what came of it; where the storage fails, do it again later."""
        try:
            act(lambda code: self._ended(kept, REFUSED if code == FAILED else DONE, code))
        except Unavailable as error:
            self._later(kept, error)

    def _later(self, kept: Kept, error: "CamwardError") -> None:
        """The storage fails: carry it out again."""
        self._desk.say("camward-agent: " + kept.name + " cannot be kept: " + str(error))
        self._desk.at(_timer(kept), self._desk.now + LOOK_S, lambda: self._carry_out(kept))

    def _settings(self, kept: Kept) -> None:
        """Replace intervals and line of the ownership record; what else it says stays."""
        record = self._record
        if record is None:
            return  # carried out once there is one
        changed = formats.with_settings(record, kept.arguments)
        if formats.PROXY in kept.arguments:
            again, wanted = self._enrolling.serve_again, formats.proxy_said(kept.arguments)

            def begin() -> None:
                self._when_stored(kept, lambda told: self._proxying.try_out(kept.digest, wanted, again, told))

            self._when(kept, self._is_calm, begin)  # a trial boot without a link would be rolled back
            return
        try:
            self._desk.ports.store.write(RECORD, ownership.encode(changed))
        except Unavailable as error:
            self._later(kept, error)
            return
        self._ended(kept, DONE)
        if changed != record:
            self._enrolling.serve_again()

    def _rotate(self, kept: Kept) -> None:
        def told(code: str) -> None:
            self._ended(kept, REFUSED if code else DONE, code)
            if not code:
                self._enrolling.serve_again()  # every connection by the new key

        self._rotating.rotate(kept.digest, told)

    def _change_keys(self, kept: Kept) -> None:
        """Replace keys and CA of the ownership record; what else it says stays."""
        record, ports = self._record, self._desk.ports
        if record is None:
            return  # carried out once there is one
        try:
            changed = formats.with_keys(record, kept.arguments)
            ports.clockless.open(changed.server_url, changed.ca)  # a CA that does not parse is found here
            if not set(changed.command_keys) & set(record.command_keys):
                # Numbers that a stolen key has used up count no more, and nothing that it has signed does. Where a key
                # stays they go on: what it has signed could be sent again. Before the record, which is looked at here.
                self._write(self._state.replace(one=None))
            ports.store.write(RECORD, ownership.encode(changed))
        except Rejected:
            ports.clockless.open(record.server_url, record.ca)
            self._ended(kept, REFUSED, BAD_ARGUMENTS)
            return
        except Unavailable as error:
            self._later(kept, error)
            return
        self._ended(kept, DONE)
        self._enrolling.serve_again()


def _timer(kept: Kept) -> str:
    return formats.KIND + " " + kept.name


def _again(name: str) -> str:
    """What answers once more are counted under: there is one last command of each kind, and names are the sender's."""
    return AGAIN + " grave" if name in formats.GRAVE else AGAIN
