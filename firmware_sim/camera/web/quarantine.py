"""The only page of a camera in quarantine: why it is closed, and the owner's way out; in English and Japanese.

Pure. static/app.js sends the form.
"""

from html import escape

from firmware_sim.camera.web.text import Language, say


def body(language: Language, reason: str, user_entry: str, password_entry: str) -> str:
    """The cards.

    Args:
        language: of the page.
        reason: in the operator's words, in whatever language; may be empty.
        user_entry: attributes of a field for a user's name.
        password_entry: attributes of a field for a present password.

    Raises:
        KeyError: a text is missing: a bug of ours.
    """
    said = ""
    if reason:
        said = f'<p>{say("quarantine_reason", language)}</p><blockquote id="reason">{escape(reason)}</blockquote>'
    return (
        f'<section class="card narrow"><h1>{say("quarantine_title", language)}</h1>'
        f"<p>{say('quarantine_lead', language)}</p>{said}<p>{say('quarantine_end', language)}</p></section>"
        f'<form id="erase-locked" class="card narrow danger" novalidate><h2>{say("erase_title", language)}</h2>'
        f"<p>{say('quarantine_erase', language)}</p>"
        f'<label for="erase-user">{say("user", language)}</label>'
        f'<input id="erase-user" name="user" required {user_entry}>'
        f'<label for="erase-password">{say("password", language)}</label>'
        f'<input id="erase-password" name="password" required {password_entry}>'
        f'<label class="check"><input type="checkbox" id="erase-sure" name="sure"> '
        f"{say('erase_sure', language)}</label>"
        '<p class="notice" data-notice role="alert" hidden></p>'
        f'<button type="submit">{say("erase_button", language)}</button></form>'
    )
