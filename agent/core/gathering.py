"""Which samples of telemetry are sent together: as many as there may be, or as soon as one of them brings news.

Pure: what is measured comes in. News is whatever changes but numbers that always do (agent.formats.samples); the first
sample is news. So the server hears at once what people wait for, and of an idle camera once in a while.
"""

from agent.formats.ownership import WIRED
from agent.formats.samples import MAX_SAMPLES, is_news

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


GATHER_S = 3600  # of samples go together on a mobile line; a power cut may cost as much


def most(line: str, interval_s: int) -> int:
    """How many samples go together on a line (agent.formats.ownership), of which there is one each `interval_s`."""
    return 1 if line == WIRED else max(1, min(MAX_SAMPLES, GATHER_S // interval_s))


class Gathering:
    """Samples that wait to be sent, in memory."""

    def __init__(self, most: int) -> None:
        """`most`: how many go together, one at least."""
        self._most = most
        self._last: "dict[str, Any]" = {}
        self._samples: "list[dict[str, Any]]" = []

    def add(self, sample: "dict[str, Any]") -> bool:
        """Take a sample in; whether to send now."""
        news = is_news(self._last, sample)
        self._last = sample
        self._samples.append(sample)
        return news or len(self._samples) >= self._most

    def take(self) -> "list[dict[str, Any]]":
        """The samples that wait, the oldest first; they do so no more."""
        found, self._samples = self._samples, []
        return found
