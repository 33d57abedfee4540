"""`camward-server serve`: everything that runs, started in order and stopped in reverse."""

import asyncio
import contextlib
import logging
import signal
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy.exc import OperationalError
from starlette.types import ASGIApp

from update_server.errors import Misconfigured, PublishRefused, ServerError
from update_server.fleet import broker as broker_files
from update_server.fleet import consumers
from update_server.fleet.broker import Gate
from update_server.fleet.ingest import take_batch
from update_server.fleet.reading import Incoming
from update_server.pki import factory
from update_server.pki.authority import as_pem, utc
from update_server.services import Services
from update_server.serving.broker import BrokerChild
from update_server.serving.gather import Gatherer
from update_server.serving.link import Link, server_part
from update_server.serving.listener import Anchors, Listener, bind, listener, tls_context
from update_server.serving.nudge import Nudger

LOG = logging.getLogger("camward.server")
READY = "camward-server: ready"
BROKER_START_S = 20
RESIGN_EVERY_S = 60
GATE_EVERY_S = 10  # a camera that is denied is shut out of the broker within a minute, whatever else goes on
CONSUMERS_EVERY_S = 1
PRUNE_EVERY_S = 3600
WARN_EVERY_S = 86_400
WATCH_S = 0.5
DELTA_S = 1  # how often is looked whether an artifact is wanted
DELTA_FAILED_S = 60  # and after one could not be made: encoding takes a core for minutes

Jobs = tuple[tuple[float, Callable[[int], object]], ...]
"""Each with the seconds between two times."""


@dataclass(frozen=True)
class Applications:
    """The two ASGI applications, made by the program's top floor."""

    device: ASGIApp
    people: ASGIApp


def run(services: Services, applications: Applications, *, with_broker: bool, say: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        Misconfigured: certificates, the CA's key or the broker are unusable.
        SigningFailed: the CA's key is out of reach.
        Conflict: a port is taken, or an ingest process has to leave first.
    """
    settings, now = services.settings, int(time.time())
    pki = settings.path("pki")
    services.authority.prove()
    services.authority.renew_own(settings.hosts, utc(now))
    services.authority.provide_ingest(settings.ingest_processes, utc(now))
    try:
        services.image.resign(now)
    except PublishRefused as error:  # such as an expired list of releases: no reason to stop receiving reports
        LOG.error("%s", error)
    services.warn(now)
    services.offer_keys()
    services.ownership.offer_ca(services.authority.bundle)
    services.ownership.offer_settings(settings.devices)
    access = services.access(now)
    folder, processes = settings.path("broker"), settings.ingest_processes
    account = broker_files.write(folder, pki, settings.ports.mqtt, settings.listen, *access, processes)
    sockets = [bind(settings.listen, port) for port in (settings.ports.device, settings.ports.people)]
    device_tls = tls_context(pki, client_certificates=True)
    anchors = Anchors(device_tls, lambda: _anchors(services))
    anchors.refresh()
    listeners = [
        listener(applications.device, device_tls),
        listener(applications.people, tls_context(pki, client_certificates=False)),
    ]
    with contextlib.ExitStack() as stack:
        for bound in sockets:
            stack.callback(bound.close)
        broker = None
        if with_broker:
            broker = BrokerChild(folder, settings.listen, settings.ports.mqtt, account)
            stack.callback(broker.stop)

        def reload() -> None:
            if broker is not None:
                broker.reload()

        gate = Gate(folder, account, access[0], reload, access[1], processes)

        def take(batch: list[Incoming]) -> None:
            gatherer.add(take_batch(services.database, services.ingest, batch, int(time.time())))

        link = Link(settings.ingest_host, settings.ports.mqtt, pki, server_part(processes), take)
        gatherer = Gatherer(services.receipts_for, link.publish)
        gatherer.start()
        stack.callback(gatherer.stop)
        link.start()
        stack.callback(link.stop)
        if with_broker and not link.connected.wait(BROKER_START_S):
            raise Misconfigured("The server cannot connect to its broker.", "See broker/mosquitto.log.")
        pairs = list(zip(listeners, sockets, strict=True))
        kept = (gate, anchors, lambda: _let_in(services))
        asyncio.run(_main(services, pairs, link, gatherer, broker, kept, say))


def _let_in(services: Services) -> list[str]:
    """The client ids of the consumers; cheap."""
    with services.database.read() as session:
        return [row.client for row in consumers.everyone(session)]


def _anchors(services: Services) -> list[str]:
    with services.database.read() as session:
        return [*factory.anchors(session), *map(as_pem, services.authority.external)]


async def _main(
    services: Services,
    pairs: list[tuple[Listener, socket.socket]],
    link: Link,
    gatherer: Gatherer,
    broker: BrokerChild | None,
    kept: tuple[Gate, Anchors, Callable[[], list[str]]],
    say: Callable[[str], None],
) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    tasks = [asyncio.create_task(server.serve(sockets=[bound])) for server, bound in pairs]
    nudger = Nudger(services.database, link.publish, services.commands.hasten, int(time.time()))
    ticker = asyncio.create_task(_tick(services, nudger, stopping))
    keeper = asyncio.create_task(_keep(services, *kept, stopping))
    deltas = asyncio.create_task(_make_deltas(services, stopping))
    watcher = asyncio.create_task(_watch((link.died, gatherer.died), broker, (ticker, keeper, deltas), stopping))
    while not all(server.started for server, _ in pairs):
        await asyncio.sleep(0.01)
    say(READY)
    await stopping.wait()
    services.deltas.stop()
    for server, _ in pairs:
        server.should_exit = True
    await asyncio.gather(*tasks, ticker, keeper, deltas, watcher)


async def _tick(services: Services, nudger: Nudger, stopping: asyncio.Event) -> None:
    """Advance rollouts, tell and command cameras, keep metadata fresh and telemetry from growing old."""
    await _repeat(
        (
            (0, services.tick), (0, nudger.run), (0, nudger.deliver), (RESIGN_EVERY_S, services.image.resign),
            (PRUNE_EVERY_S, services.prune), (WARN_EVERY_S, services.warn),
        ),
        services.settings.rollouts.tick_s, stopping,
    )  # fmt: skip


async def _keep(
    services: Services,
    gate: Gate,
    anchors: Anchors,
    let_in: Callable[[], list[str]],
    stopping: asyncio.Event,
    every_s: float = GATE_EVERY_S,
) -> None:
    """Keep denied cameras out of the broker, and let new factory CAs in; consumers, whom people wait for, at once.

    Apart from the other jobs, which may sign for minutes at a key service.
    """
    known: list[str] | None = None

    def look(at: int) -> None:
        nonlocal known
        found = let_in()
        if found != known:
            gate.apply(*services.access(at))
            known = found

    jobs: Jobs = (
        (0, look),
        (every_s, lambda at: gate.apply(*services.access(at))),
        (every_s, lambda _at: anchors.refresh()),
    )
    await _repeat(jobs, min(every_s, CONSUMERS_EVERY_S), stopping)


async def _repeat(jobs: Jobs, pause_s: float, stopping: asyncio.Event) -> None:
    """Do jobs one after the other, each so many seconds after the last time; one that fails does not end the others."""
    last = [time.monotonic()] * len(jobs)
    while not stopping.is_set():
        for number, (every_s, job) in enumerate(jobs):
            if time.monotonic() - last[number] >= every_s:
                last[number] = time.monotonic()
                try:
                    await asyncio.to_thread(job, int(time.time()))
                except (ServerError, OperationalError, OSError) as error:  # such as a full disk: tried again later
                    LOG.error("%s", error)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), pause_s)


async def _make_deltas(services: Services, stopping: asyncio.Event) -> None:
    """Make the artifacts that are wanted, one after the other, each in a process of low priority."""
    first: list[Callable[[int], object]] = [services.redeliver]  # the settings may name other mirrors than before
    while not stopping.is_set():
        wait_s = DELTA_S
        try:
            if first:
                await asyncio.to_thread(first.pop(), int(time.time()))
            while not stopping.is_set() and await asyncio.to_thread(services.make_delta, int(time.time())):
                pass
        except (ServerError, OperationalError, OSError) as error:  # such as a full disk: tried again later
            LOG.error("%s", error)
            wait_s = DELTA_FAILED_S
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), wait_s)


async def _watch(
    died: Sequence[Callable[[], bool]],
    broker: BrokerChild | None,
    loops: tuple[asyncio.Task[None], ...],
    stopping: asyncio.Event,
) -> None:
    """End the server when its broker child, its ingest or one of its loops ends: half a server is no server.

    Raises:
        Misconfigured: one of them has ended; the supervisor starts the server again.
    """
    while not stopping.is_set():
        problem = ""
        if broker is not None and broker.ended():
            problem = "mosquitto has ended; see broker/mosquitto.log."
        elif any(thread() for thread in died):
            problem = "The ingest has ended; its traceback is above."
        for loop in loops:
            if loop.done():
                stopping.set()
                loop.result()
        if problem:
            stopping.set()
            raise Misconfigured(problem, "The server has stopped.")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), WATCH_S)
