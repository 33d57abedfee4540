"""Where blocking happens: one thread per lane, each with a short queue; results come back through one bounded queue."""

import os
import queue
import threading
from collections.abc import Callable

MAX_WAITING = 32  # per lane; more is refused at once, so that nothing grows without bound
MAX_EVENTS = 512  # results and link events that wait for the main loop; beyond it the threads wait

IDLE_LANES = ("audit",)
"""What may take as long as it likes. Not SCHED_IDLE: such a thread may never run while it holds Python's lock, for
which the main loop would then wait."""
LEAST_PRIORITY = 19

Job = Callable[[], object]


class Inbox:
    """The main loop's event queue, with a pipe that wakes its poll."""

    def __init__(self) -> None:
        self._events: queue.Queue[object] = queue.Queue(MAX_EVENTS)
        self._reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def fileno(self) -> int:
        """The end to poll."""
        return self._reader

    def put(self, event: object) -> None:
        """Called on any thread; waits while the queue is full."""
        self._events.put(event)
        self.wake()

    def offer(self, event: object) -> bool:
        """`put` for what may be lost: False at once while the queue is full, so that nobody outside can hold us up."""
        try:
            self._events.put_nowait(event)
        except queue.Full:
            return False
        self.wake()
        return True

    def wake(self) -> None:
        """Make the poll return; safe in a signal handler."""
        try:
            os.write(self._writer, b"\0")
        except BlockingIOError:
            pass  # the pipe is full of wake-ups already

    def take(self) -> list[object]:
        """What waits, in order; at most MAX_EVENTS, however fast more comes."""
        try:
            while os.read(self._reader, 4096):
                pass
        except BlockingIOError:
            pass
        found: list[object] = []
        while len(found) < MAX_EVENTS:
            try:
                found.append(self._events.get_nowait())
            except queue.Empty:
                return found
        self.wake()  # the bytes that announced the rest are read already
        return found


class Workers:
    """Lanes of jobs; the jobs of one lane run one after the other. The threads end with the process."""

    def __init__(self, inbox: Inbox, failed: Callable[[BaseException], None]) -> None:
        """`failed` is called (on the worker's thread) with what no job may raise: a bug, which must end the process."""
        self._inbox = inbox
        self._failed = failed
        self._lanes: dict[str, queue.Queue[Job]] = {}

    def submit(self, lane: str, job: Job) -> bool:
        """Queue a job whose result goes into the inbox; False when too many wait."""
        waiting = self._lanes.get(lane)
        if waiting is None:
            waiting = self._lanes[lane] = queue.Queue(MAX_WAITING)
            threading.Thread(
                target=self._run, args=(waiting, lane in IDLE_LANES), name=f"camward-{lane}", daemon=True
            ).start()
        try:
            waiting.put_nowait(job)
        except queue.Full:
            return False
        return True

    def _run(self, waiting: "queue.Queue[Job]", idle: bool) -> None:
        if idle:
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LEAST_PRIORITY)  # of this thread alone
        while True:
            job = waiting.get()
            try:
                result = job()
            except BaseException as error:  # noqa: BLE001 (handed to the main thread, which ends the process)
                self._failed(error)
                return
            self._inbox.put(result)
