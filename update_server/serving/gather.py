"""Answers for cameras wait here for a moment, so that each camera gets few receipts of many messages.

A camera reads five receipts a second (agent.app.reporting) and throws away what it has no time for; what has no receipt
it sends again. So no camera is sent a second one within `GATHER_S`, however many messages it has.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator

from agent.formats import taken
from update_server.errors import ServerError
from update_server.fleet.ingest import Answer

LOG = logging.getLogger("camward.ingest")
GATHER_S = 0.2
MAX_WAITING = 20_000  # answers; beyond them, say while a key service is slow, new ones are dropped and come again

Sign = Callable[[Iterable[Answer]], Iterator[tuple[str, bytes]]]
Publish = Callable[[str, bytes], bool]


class Gathered:
    """What waits: for each camera, when its next receipt is due and what it will say. Times are given (monotonic)."""

    def __init__(self) -> None:
        self._due: dict[str, float] = {}
        self._waiting: dict[str, dict[Answer, None]] = {}
        self._count = 0

    def add(self, answers: Iterable[Answer], now_s: float) -> None:
        """Let answers wait; one that waits already is one."""
        for answer in answers:
            mine = self._waiting.setdefault(answer.device_id, {})
            if answer not in mine and self._count < MAX_WAITING:
                self._due.setdefault(answer.device_id, now_s + GATHER_S)
                mine[answer] = None
                self._count += 1

    def take(self, now_s: float) -> list[Answer]:
        """What is due: of each camera as many answers as fit into one receipt, the oldest first."""
        found: list[Answer] = []
        for device_id in [one for one, at in self._due.items() if at <= now_s]:
            mine = self._waiting[device_id]
            some = list(mine)[: taken.MAX_MESSAGES]
            for answer in some:
                del mine[answer]
            self._count -= len(some)
            found += some
            del self._due[device_id]
            if mine:
                self._due[device_id] = now_s + GATHER_S
            else:
                del self._waiting[device_id]
        return found

    def wait_s(self, now_s: float) -> float | None:
        """Seconds until something is due; None while nothing waits."""
        return max(0.0, min(self._due.values()) - now_s) if self._due else None


class Gatherer:
    """The thread that signs and sends receipts, apart from the ingest: a key service takes its time."""

    def __init__(self, sign: Sign, publish: Publish) -> None:
        self._sign = sign
        self._publish = publish
        self._gathered = Gathered()
        self._news = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._work, name="receipts", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; what still waits is answered when its messages come again."""
        with self._news:
            self._stopping = True
            self._news.notify()
        self._thread.join()

    def died(self) -> bool:
        """Whether the thread has ended by itself, which only a bug of ours can cause (its traceback is printed)."""
        return self._thread.ident is not None and not self._thread.is_alive() and not self._stopping

    def add(self, answers: Iterable[Answer]) -> None:
        """Let answers go out soon; their messages are committed."""
        with self._news:
            self._gathered.add(answers, time.monotonic())
            self._news.notify()

    def _work(self) -> None:
        while True:
            with self._news:
                while not self._stopping and (wait_s := self._gathered.wait_s(time.monotonic())) != 0:
                    self._news.wait(wait_s)
                if self._stopping:
                    return
                due = self._gathered.take(time.monotonic())
            try:
                for topic, receipt in self._sign(due):
                    self._publish(topic, receipt)  # one that is lost is made again when its messages come again
            except ServerError as error:
                LOG.error("No receipts for messages: %s", error)
