"""Long work, written as a generator and run step by step: what the installation and the reading of trees are made of.

Each `yield` ends the step. What is yielded says when to go on: a `Ticket` when its call has ended (its value comes
back, its error is raised), a number after so many seconds, None at once.
"""

from agent.formats.errors import Rejected, Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any

    from agent.app.desk import Desk
    from agent.formats.errors import CamwardError

    Steps = Generator[Any, Any, None]
    Ended = Callable[[CamwardError | None], None]


class Ticket:
    """One blocking call, under way or ended. `done`, then `value` or `error`."""

    def __init__(self) -> None:
        self.done = False
        self.value: "Any" = None
        self.error: "CamwardError | None" = None
        self._wake: "Callable[[], None] | None" = None

    def settle(self, value: "Any", error: "CamwardError | None") -> None:
        """The call has ended."""
        self.done, self.value, self.error = True, value, error
        wake, self._wake = self._wake, None  # it knows this ticket: a ring that would keep the value until a collection
        if wake is not None:
            wake()

    def wait(self, wake: "Callable[[], None]") -> None:
        """Have `wake` called in the step in which the call ends."""
        self._wake = wake


class Work:
    """Runs one generator at a time. After `stop` nothing of it happens any more."""

    def __init__(self, desk: "Desk", name: str) -> None:
        """`name`: of the timer."""
        self._desk = desk
        self._name = name
        self._steps: "Steps | None" = None
        self._ended: "Ended | None" = None
        self._round = 0

    def start(self, steps: "Steps", ended: "Ended") -> None:
        """Begin in the next step; `ended` gets None, or the Rejected or Unavailable that ended it."""
        self.stop()
        self._steps, self._ended = steps, ended
        self._soon(0.0)

    def stop(self) -> None:
        """Drop what is under way."""
        self._round += 1
        steps, self._steps = self._steps, None
        self._desk.cancel(self._name)
        if steps is not None:
            steps.close()

    def ask(
        self,
        port: str,
        method: str,
        arguments: "tuple[object, ...]",
        after: "Callable[[Any], Any] | None" = None,
    ) -> Ticket:
        """Make a blocking call; yield the ticket to wait for it, at once or later. `after`: see agent.app.effects."""
        ticket, number = Ticket(), self._round

        def ended(value: "Any", error: "CamwardError | None") -> None:
            if number == self._round:
                ticket.settle(value, error)

        self._desk.call(port, method, arguments, ended, after)
        return ticket

    def _soon(self, delay_s: float) -> None:
        self._desk.at(self._name, self._desk.now + delay_s, self._step)

    def _step(self, ticket: "Ticket | None" = None) -> None:
        steps, ended = self._steps, self._ended
        if steps is None or ended is None:
            return
        number = self._round
        try:
            if ticket is None:
                wanted = next(steps)
            elif ticket.error is None:
                wanted = steps.send(ticket.value)
            else:
                wanted = steps.throw(ticket.error)
        except StopIteration:
            self._finish(number, ended, None)
            return
        except (Rejected, Unavailable) as error:
            self._finish(number, ended, error)
            return
        if number != self._round:
            return  # a step that stopped its own work
        if isinstance(wanted, Ticket):
            self._await(wanted)
        else:
            self._soon(wanted or 0.0)

    def _await(self, ticket: Ticket) -> None:
        if ticket.done:
            self._desk.soon(self._name, lambda: self._step(ticket))
        else:
            ticket.wait(lambda: self._step(ticket))

    def _finish(self, number: int, ended: "Ended", error: "CamwardError | None") -> None:
        if number == self._round:
            self._steps = None
            ended(error)
