"""A row as tests.bench writes it, of one figure that was measured several times."""

import statistics
from typing import Any


def row(what: str, values: list[float], unit: str, target: float | None) -> dict[str, Any]:
    """Less is better; `target` None where there is none."""
    return {
        "what": what,
        "value": statistics.median(values),
        "min": min(values),
        "max": max(values),
        "unit": unit,
        "better": "lower",
        "target": target,
        "peers": {},
    }
