"""The form with which an administrator opens RTSP in the clear, and what it says, in English and Japanese.

Pure. static/plain_rtsp.js sends it, shows how it stands, and hides all of it on a camera that can have none.
"""

from firmware_sim.camera.web.text import Language, say

SCRIPT_TEXTS = ("plain_closed", "plain_open", "plain_sent")
"""Texts that plain_rtsp.js shows; everything else is in the page itself."""

DAYS = (1, 7, 30, 90, 365)
"""What can be chosen."""


def section(language: Language, entry: str) -> str:
    """The card, hidden until the device's state says that the exception can be opened.

    Args:
        language: of the page.
        entry: attributes of a field for a present password.

    Raises:
        KeyError: a text is missing: a bug of ours.
    """
    choices = "".join(f'<option value="{one}">{one}</option>' for one in DAYS)
    return (
        f'<form id="plain" class="card danger" hidden novalidate><h2>{say("plain_title", language)}</h2>'
        f'<p>{say("plain_lead", language)}</p><p class="notice bad">{say("plain_warning", language)}</p>'
        f"<p>{say('plain_viewer', language)} <strong>{say('plain_never', language)}</strong></p>"
        '<p id="plain-sent" class="notice bad" role="alert" hidden></p>'
        f'<p><strong id="plain-state" role="status"></strong></p>'
        f'<label for="plain-days">{say("plain_for", language)}</label>'
        f'<select id="plain-days" name="days">{choices}</select>'
        f'<label for="plain-password">{say("password_confirm", language)}</label>'
        f'<input id="plain-password" name="password" required {entry}>'
        '<label class="check"><input type="checkbox" id="plain-sure" name="sure"> '
        f'{say("plain_sure", language)}</label><p class="notice" data-notice role="alert" hidden></p>'
        f'<button type="submit">{say("plain_button", language)}</button> '
        f'<button type="button" id="plain-close" class="quiet" hidden>{say("plain_close_button", language)}</button>'
        "</form>"
    )
