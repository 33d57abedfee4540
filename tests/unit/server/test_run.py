"""The jobs of the running server: one in trouble does not stop the others, and one that dies takes the server along."""

import asyncio
import threading
import types

import pytest
from sqlalchemy.exc import OperationalError

from update_server.errors import PublishRefused
from update_server.serving import run
from update_server.serving.listener import Anchors


class Jobs:
    """Stands in for services and nudger; counts what was called, and fails as it is told to."""

    def __init__(self, error=None):
        self.error, self.ticks, self.told, self.kept = error, 0, 0, 0
        self.trusted = []
        self.settings = types.SimpleNamespace(rollouts=types.SimpleNamespace(tick_s=0.001))
        self.image = types.SimpleNamespace(resign=lambda now: None)

    def tick(self, _now):
        self.ticks += 1
        if self.error is not None:
            raise self.error

    def prune(self, _now):
        pass

    def warn(self, _now):
        pass

    def access(self, _now):
        return set(), set()

    def load_verify_locations(self, cadata):
        self.trusted.append(cadata)

    def apply(self, _shut_out, _consumers):
        self.kept += 1

    def run(self, _now):
        self.told += 1

    def deliver(self, _now):
        pass


async def tick_until(jobs, condition):
    stopping = asyncio.Event()
    task = asyncio.create_task(run._tick(jobs, jobs, stopping))
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.001)
    stopping.set()
    await task


@pytest.mark.parametrize(
    "error", [PublishRefused("no"), OperationalError("BEGIN", {}, OSError("locked")), OSError(28, "disk full")]
)
def test_a_job_in_trouble_is_logged_and_tried_again_and_holds_nothing_up(error, caplog):
    jobs = Jobs(error)
    asyncio.run(tick_until(jobs, lambda: jobs.ticks >= 3 and jobs.told >= 3))
    assert len(caplog.records) >= 3


def test_a_job_that_fails_by_a_bug_ends_the_server():
    jobs = Jobs(ZeroDivisionError())

    async def serve():
        stopping = asyncio.Event()
        ticker = asyncio.create_task(run._tick(jobs, jobs, stopping))
        with pytest.raises(ZeroDivisionError):
            async with asyncio.timeout(30):
                await run._watch((lambda: False,), None, (ticker,), stopping)
        assert stopping.is_set()

    asyncio.run(serve())
    assert jobs.ticks == 1


def test_denied_cameras_are_kept_out_while_another_job_takes_its_time():
    """A rollout that a key service signs, say: the broker is told all the same."""
    jobs, over = Jobs(), threading.Event()
    jobs.tick = lambda _now: over.wait(30)
    anchors = Anchors(jobs, lambda: ["a CA"])

    async def serve():
        stopping = asyncio.Event()
        loops = run._tick(jobs, jobs, stopping), run._keep(jobs, jobs, anchors, list, stopping, 0.001)
        tasks = [asyncio.create_task(one) for one in loops]
        async with asyncio.timeout(20):
            while jobs.kept < 3 or not jobs.trusted:
                await asyncio.sleep(0.001)
        stopping.set()
        over.set()
        await asyncio.gather(*tasks)

    asyncio.run(serve())
    assert jobs.told <= 1
    assert jobs.trusted == ["a CA"]  # once


def test_a_consumer_is_let_in_at_once_and_the_list_is_left_alone_otherwise(monkeypatch):
    monkeypatch.setattr(run, "CONSUMERS_EVERY_S", 0.001)
    jobs, there, looks = Jobs(), [], []

    def let_in():
        looks.append(len(there))
        return list(there)

    async def serve():
        stopping = asyncio.Event()
        task = asyncio.create_task(run._keep(jobs, jobs, Anchors(jobs, list), let_in, stopping, 3600))
        async with asyncio.timeout(20):
            for wanted in (1, 2):
                while jobs.kept < wanted or looks.count(wanted - 1) < 5:
                    await asyncio.sleep(0.001)
                there.append("consumer")
        stopping.set()
        await task

    asyncio.run(serve())
    assert jobs.kept in (2, 3), "at the start, and once for each change that was seen"
