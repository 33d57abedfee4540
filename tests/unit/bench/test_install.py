"""The arithmetic of `make bench B=install`, and the relay that counts its bytes."""

import socket
import threading
from collections.abc import Iterator

import pytest

from firmware_sim.image.app import BOOT_FOLDER, CLOSES_KERNEL
from firmware_sim.image.model import load_model
from tests.bench.__main__ import verdict
from tests.bench.install import rows_of
from tests.bench.install_camera import memory
from tests.bench.install_peers import PEERS
from tests.bench.install_plan import Plan
from tests.bench.traffic import Relay

LINES = (
    "bench: watching\nbench: memory 30000 40000 41000 peer 0\ncamward-agent: healthy\n"
    "bench: memory 36000 46000 47500 peer 9000\nbench: memory 31000 41000 47500 peer 7000\n"
)


def measured(*seconds: float, most_bytes: int = 5_000_000) -> dict[str, object]:
    runs = [
        {"seconds": one, "cpu_seconds": one / 2, "to_camera_bytes": 40e6, "from_camera_bytes": 9.0, "look_seconds": 1.0}
        for one in seconds
    ]
    return {"runs": runs, "peak_bytes": [30_000_000], "growth_bytes": [5_000_000, 4_000_000, most_bytes]}


@pytest.fixture
def echo() -> Iterator[tuple[str, int]]:
    """A server that answers each connection with ten times what it got first."""
    server = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                connection.sendall(connection.recv(100) * 10)

    thread = threading.Thread(target=answer)
    thread.start()
    yield server.getsockname()[:2]
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join()


def ask(relay: Relay) -> bytes:
    with socket.create_connection(relay.address, timeout=10) as connection:
        connection.sendall(b"12345")
        found = b""
        while piece := connection.recv(100):
            found += piece
        return found


def test_the_relay_counts_both_ways(echo: tuple[str, int]):
    with Relay(("127.0.0.1", 0), echo) as relay:
        assert ask(relay) == b"12345" * 10
        assert (relay.to_camera_bytes, relay.from_camera_bytes) == (50, 5)


def test_a_cut_relay_passes_nothing_on_until_it_is_mended(echo: tuple[str, int]):
    with Relay(("127.0.0.1", 0), echo) as relay:
        relay.cut()
        try:
            assert ask(relay) == b""
        except OSError:
            pass  # how an ended connection looks depends on who was first
        assert relay.to_camera_bytes == 0
        relay.mend()
        assert ask(relay) == b"12345" * 10


def test_memory_is_the_peak_and_what_it_adds_to_the_beginning():
    assert memory(LINES, agent=True) == (36000 * 1024, 7500 * 1024)
    assert memory(LINES, agent=False) == (9000 * 1024, 9000 * 1024)


def rows(ours: float) -> dict[str, str]:
    found = {
        "whole/camward": measured(ours, ours - 1, ours + 1),
        "whole/curl": measured(20.0, 19.0, 30.0),
        "whole/rauc": measured(30.0),
        "whole/swupdate": measured(22.5),
        "month/camward": measured(5.0, most_bytes=12_100_000),
        "month/rauc-adaptive": measured(6.0),
    }
    plan = Plan((), {"month": 100}, {peer.package: "1" for peer in PEERS.values()})
    return {row["what"]: verdict(row) for row in rows_of(found, plan)}


@pytest.mark.parametrize(("ours", "said"), [(22.0, "met"), (22.75, "MISSED"), (40.0, "MISSED")])
def test_the_time_has_to_be_near_dd_and_before_the_others(ours: float, said: str):
    found = rows(ours)
    assert found["whole: time"] == said
    assert found["whole: time, of curl | dd"] == ("met" if ours <= 23.0 else "MISSED")
    assert found["month: fetched"] == "MISSED"
    assert found["whole: the agent's RSS grows by"] == "met"
    assert found["month: the agent's RSS grows by"] == "MISSED", "once is enough"


def test_only_the_benchmark_leaves_its_kernel_open_to_modules():
    variants = load_model("kawa-1").variants
    assert [name for name, variant in variants.items() if variant.get("late_modules")] == ["bench"]
    assert (BOOT_FOLDER / "rc-sysinit").read_text("utf-8").count(CLOSES_KERNEL) == 1
