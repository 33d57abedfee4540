"""Numbers and times as people read them, and bars as rectangles. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from update_server.fleet import alarms, devices
from update_server.rollouts.plan import Counts
from update_server.web.texts import Texts

UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
SEGMENTS = ("committed", "pending", "silent", "failed", "waiting")


@dataclass(frozen=True)
class Segment:
    """A piece of a bar: `start` and `width` in per cent of its length."""

    kind: str
    count: int
    start: float
    width: float


def bar(parts: Sequence[tuple[str, int]]) -> list[Segment]:
    """The parts as rectangles side by side; empty parts are left out."""
    total, at, made = sum(count for _, count in parts), 0.0, []
    for kind, count in parts:
        if count:
            width = 100 * count / total
            made.append(Segment(kind, count, round(at, 3), round(width, 3)))
            at += width
    return made


def phase_bar(counts: Counts) -> list[Segment]:
    """A rollout phase as a bar."""
    return bar([(kind, getattr(counts, kind)) for kind in SEGMENTS])


def size(count: float) -> str:
    """Bytes with a unit."""
    unit = 0
    while count >= 1024 and unit < len(UNITS) - 1:
        count, unit = count / 1024, unit + 1
    return f"{count:.0f} {UNITS[unit]}" if unit == 0 or count >= 100 else f"{count:.1f} {UNITS[unit]}"


def duration(seconds: int) -> str:
    """Seconds as days, hours, minutes."""
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def attention(text: str, t: Texts) -> str:
    """Why a camera needs attention, in the reader's language where the text is one of ours."""
    if found := alarms.matched(alarms.IN_CLEAR, text):
        return t("password_in_clear", t.known(f"attack_at_{found['role']}") or found["role"], found["source"])
    for key, form in (("attack_now", alarms.UNDER_ATTACK), ("attack_got_in", alarms.GOT_IN), ("gone", devices.GONE)):
        if (found := alarms.matched(form, text)) is not None:
            return t(key, *(t(f"gone_{value}") if key == "gone" else value for value in found.values()))
    return text


def outage(telemetry: Mapping[str, Any], t: Texts) -> str:
    """What kept a camera from its broker the last time, and from when to when; a newer camera's code as it is."""
    code = str(telemetry["outage"])
    times = (moment(telemetry.get(f"outage_{name}_at")) for name in ("since", "until"))
    return f"{t.known(f'outage_{code}') or code} ({' – '.join(times)})"


def moment(at: int | None) -> str:
    """A time in UTC, and said so."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC") if at else ""


def ago(at: int | None, now: int, t: Texts) -> str:
    """How long ago, in one unit."""
    if not at:
        return t("never")
    seconds = max(0, now - at)
    for limit, divisor, key in ((60, 1, "s_ago"), (3600, 60, "min_ago"), (86_400, 3600, "h_ago")):
        if seconds < limit:
            return t(key, seconds // divisor)
    return t("d_ago", seconds // 86_400)


def telemetry_value(name: str, value: object) -> str:
    """One telemetry member as text."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if name.endswith("_bytes"):
        return size(value)
    if name.endswith("_s"):
        return duration(int(value))
    suffix = {"cpu_percent": " %", "temperature_c": " °C"}.get(name, "")
    return f"{value:g}{suffix}"
