"""The section of the start page about updates: what happens or waits, and what the administrator may say about it.

Pure. static/updates.js fills in the device's state, and sends what the person decides.
"""

from firmware_sim.camera.web.text import Language, say

SCRIPT_TEXTS = (
    "updates_idle", "updates_ready", "updates_coming", "updates_waits_window", "updates_waits_postponed",
    "updates_waits_clock", "updates_now", "updates_limit", "updates_critical", "updates_no_limit", "updates_now_done",
    "updates_now_looking", "updates_postponed", "updates_settings_done", "updates_at_any_time", "severity_low",
    "severity_medium", "severity_high", "severity_critical", "phase_waiting",
)  # fmt: skip
"""Texts that updates.js shows; everything else is in the page itself."""

HOURS = (12, 24, 72, 168)
"""What can be chosen for postponing; the camera cuts it to its limit."""

DAYS = ("any", "daily", "mon-fri", "sat,sun", "other")
"""What can be chosen for the days of a window; `other` shows the text of several windows."""

ZONES = (
    ("JST-9", "日本 / Japan"),
    ("KST-9", "한국 / Korea"),
    ("CST-8", "中国・台湾 / China, Taiwan"),
    ("<+07>-7", "ไทย・Việt Nam"),
    ("IST-5:30", "India"),
    ("UTC0", "UTC"),
    ("GMT0BST,M3.5.0/1,M10.5.0", "United Kingdom"),
    ("CET-1CEST,M3.5.0,M10.5.0/3", "Central Europe"),
    ("EST5EDT,M3.2.0,M11.1.0", "America, Eastern"),
    ("PST8PDT,M3.2.0,M11.1.0", "America, Pacific"),
)
"""Suggestions; any POSIX TZ string will do."""


def section(language: Language, role: str) -> str:
    """The card; its controls are there for an administrator alone.

    Raises:
        KeyError: a text is missing: a bug of ours.
    """
    head = (
        f'<section class="card wide updates" id="updates"><h2>{say("updates_title", language)}</h2>'
        '<p class="headline"><strong id="updates-headline" role="status">–</strong>'
        '<span id="updates-severity" class="severity" hidden></span></p><p id="updates-why" class="why" hidden></p>'
        f'<progress id="updates-progress" max="100" aria-label="{say("updates_progress", language)}" hidden></progress>'
    )
    return head + (_controls(language) + _settings(language) if role == "administrator" else "") + "</section>"


def _controls(language: Language) -> str:
    choices = "".join(f'<option value="{hours}">{say(f"updates_{hours}_hours", language)}</option>' for hours in HOURS)
    return (
        '<div class="choices">'
        f'<form id="update-now" novalidate><button type="submit">{say("updates_now_button", language)}</button></form>'
        '<form id="postpone" novalidate hidden>'
        f'<select id="postpone-hours" name="hours" aria-label="{say("updates_postpone_for", language)}">{choices}'
        "</select>"
        f'<button type="submit" class="quiet">{say("updates_postpone_button", language)}</button></form></div>'
        '<p class="hint" id="updates-limit"></p><p class="notice" id="updates-notice" role="alert" hidden></p>'
    )


def _settings(language: Language) -> str:
    days = "".join(
        f'<option value="{name}">{say("updates_days_" + name.replace(",", "-"), language)}</option>' for name in DAYS
    )
    zones = "".join(f'<option value="{text.replace("<", "&lt;")}">{name}</option>' for text, name in ZONES)
    return (
        f'<details id="updates-when"><summary>{say("updates_when", language)} <span id="updates-set"></span></summary>'
        f'<form id="settings" novalidate><p class="hint">{say("updates_when_lead", language)}</p><div class="row">'
        f'<label>{say("updates_days", language)}<select id="days" name="days">{days}</select></label>'
        f'<label data-window>{say("updates_from", language)}<input type="time" id="from" value="02:00"></label>'
        f'<label data-window>{say("updates_to", language)}<input type="time" id="to" value="04:00"></label>'
        f"<label data-other hidden>{say('updates_windows', language)}"
        '<input id="windows" class="mono" maxlength="120" spellcheck="false" autocapitalize="none"></label>'
        f'<label>{say("updates_zone", language)}<input id="zone" class="mono" maxlength="64" list="zones" '
        'spellcheck="false" autocapitalize="none" value="UTC0"></label></div>'
        f'<datalist id="zones">{zones}</datalist><p class="notice" data-notice role="alert" hidden></p>'
        f'<button type="submit" class="quiet">{say("updates_save", language)}</button></form></details>'
    )
