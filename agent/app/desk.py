"""The desk all parts of the agent work at: outgoing effects, pending calls, timers, and the time of this step."""

from agent.app.effects import Call, Push, Reboot, Reply, Say
from agent.core import slots
from agent.formats.errors import Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from agent.app.events import Result
    from agent.app.ports import Ports
    from agent.formats.config import Config
    from agent.formats.errors import CamwardError
    from agent.formats.label import Label

    Then = Callable[[Any, CamwardError | None], None]
    Due = Callable[[], None]


DATA_DAMAGED = "data_damaged"
"""A problem of the desk: the data partition is not the real one."""


class Desk:
    """Shared by the parts of one agent; not thread-safe, because a step is all there is at a time."""

    def __init__(self, ports: "Ports", config: "Config", label: "Label", problems: "tuple[str, ...]" = ()) -> None:
        self.ports = ports
        self.config = config
        self.label = label
        self.problems = problems
        self.device_id = ""
        self.certificate_sha256 = ""
        """Of the certificate that the camera's services show, hexadecimal."""
        self.now = 0.0
        self._effects: "list[Any]" = []
        self._pending: "dict[int, Then]" = {}
        self._timers: "dict[str, tuple[float, Due]]" = {}
        self._last_id = 0
        self.epoch_floor = 0  # see agent.app.update_state
        self.source = ""
        """The port that stands in for `downloader`, if any: where an installation ordered at the camera comes from."""
        self.directed_hook: "Callable[[dict[str, Any]], None] | None" = None
        """Told what the director's verified targets say, beside the release."""

    def problem(self, name: str) -> None:
        """Say once that this camera lacks something, and keep saying so in status, telemetry and evidence."""
        if name not in self.problems:
            self.problems += (name,)
            self.say("camward-agent: not whole: " + name)

    def solved(self, name: str) -> None:
        """A problem is none any more."""
        if name in self.problems:
            self.problems = tuple([one for one in self.problems if one != name])
            self.say("camward-agent: whole again: " + name)

    def call(
        self,
        port: str,
        method: str,
        arguments: "tuple[object, ...]",
        then: "Then",
        after: "Callable[[Any], Any] | None" = None,
    ) -> None:
        """Have a blocking call made; `then(value, error)` runs in the step that its result comes in.

        `after`: see `Call`.
        """
        self._last_id += 1
        self._pending[self._last_id] = then
        self._effects.append(Call(self._last_id, port, method, arguments, after))

    def settle(self, result: "Result") -> None:
        """Run what waits for this result; a result nobody waits for is dropped."""
        then = self._pending.pop(result.id, None)
        if then is not None:
            then(result.value, result.error)

    def send(self, connection: int, line: bytes) -> None:
        """Answer one line of a local connection."""
        self._effects.append(Reply(connection, line))

    def push(self, connection: int, line: bytes) -> None:
        """Tell a local connection something that it has not asked for."""
        self._effects.append(Push(connection, line))

    def say(self, text: str) -> None:
        """One line for the console."""
        self._effects.append(Say(text))

    def reboot(self, reason: str) -> None:
        """Restart the machine after this step, announced in the boot record if that can be written."""
        boot = self.ports.boot
        try:
            record = boot.read()
            if slots.announce(record) != record:
                boot.write(slots.announce(record))
        except Unavailable as error:
            self.say("camward-agent: the restart is not announced: " + str(error))
        self._effects.append(Reboot(reason))

    def at(self, name: str, when: float, due: "Due") -> None:
        """Run `due` at `when` (monotonic seconds); a timer of the same name is replaced."""
        self._timers[name] = (when, due)

    def soon(self, name: str, due: "Due") -> None:
        """Run `due` in the next step: how long work is cut into blocks."""
        self.at(name, self.now, due)

    def cancel(self, name: str) -> None:
        """Forget a timer."""
        self._timers.pop(name, None)

    def random(self) -> float:
        """A fresh random number from 0 (included) to 1 (excluded), for waits that must not be in step with others'."""
        return int.from_bytes(self.ports.entropy.bytes(4), "big") / 0x100000000

    def drop(self) -> None:
        """Forget every timer and every result that is waited for; what goes out of this step still goes out."""
        self._pending.clear()
        self._timers.clear()

    def run_due(self) -> None:
        """Run the one timer that has been due the longest, if any."""
        due = [(when, name) for name, (when, _) in self._timers.items() if when <= self.now]
        if due:
            _, name = min(due)
            self._timers.pop(name)[1]()

    def take(self) -> "tuple[tuple[Any, ...], float | None]":
        """The effects collected since the last call, and when to wake up (None: only for an event)."""
        effects = tuple(self._effects)
        self._effects = []
        wake_at = min(when for when, _ in self._timers.values()) if self._timers else None
        return effects, wake_at
