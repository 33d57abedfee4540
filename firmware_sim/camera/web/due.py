"""The form for somebody whose password was right, and has to be changed (`change_required`), and the reminder before.

Pure. static/due.js shows the form in place of the sign-in, and sends it.
"""

from firmware_sim.camera.web.text import Language, say

SCRIPT_TEXTS = ("due_not_you", "due_reminder", "old_reminder", "due_until", "error_change_required")
"""Texts that due.js shows; everything else is in the page itself."""


def form(language: Language, entry_old: str, entry_new: str, rules: str) -> str:
    """The form, hidden until the agent has asked for it.

    Args:
        language: of the page.
        entry_old: attributes of a field for a present password.
        entry_new: attributes of a field for a new one.
        rules: where refusals of the policy are listed.

    Raises:
        KeyError: a text is missing: a bug of ours.
    """
    rows = (
        ("old", "password_old", entry_old),
        ("new", "password_new", entry_new),
        ("repeat", "password_again", entry_new),
    )
    fields = "".join(
        f'<label for="due-{name}">{say(label, language)}</label>'
        f'<input id="due-{name}" name="{name}" required {attributes}>'
        for name, label, attributes in rows
    )
    return (
        f'<form id="due" class="card narrow" hidden novalidate><h1>{say("due_title", language)}</h1>'
        f"<p>{say('due_lead', language)}</p>{fields}{rules}"
        '<p class="notice" data-notice role="alert" hidden></p>'
        f'<button type="submit">{say("due_button", language)}</button></form>'
    )


def reminder() -> str:
    """Where the start page reminds; empty until there is something to remind of.

    Raises:
        Nothing: it has no text of its own.
    """
    return "".join(f'<p id="{name}-reminder" class="notice busy" role="status" hidden></p>' for name in ("due", "old"))
