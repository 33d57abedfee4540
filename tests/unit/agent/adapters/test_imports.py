"""What the agent imports stays in its memory for ever: nothing large comes in unnoticed."""

import subprocess
import sys
from pathlib import Path

ADAPTERS = Path(__file__).resolve().parents[4] / "agent" / "adapters" / "linux"
LARGE = {
    "dataclasses",  # with inspect, ast and dis 1.5 MB, which NamedTuple and agent.formats.value do without
    "inspect",
    "ast",
    "asyncio",
    "logging",
}
ELSEWHERE = {
    *("all_keys", "plain_fetcher", "tuf_store"),  # of `camward-agent tuf`, which no running agent loads
    "mqtt_client",  # loaded with paho, when the link is opened
}


def test_the_agents_adapters_load_nothing_large():
    modules = [f"agent.adapters.linux.{file.stem}" for file in ADAPTERS.glob("*.py") if file.stem not in ELSEWHERE]
    assert len(modules) > 10
    script = f"import sys, agent.main, {', '.join(modules)}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) & LARGE == set()
