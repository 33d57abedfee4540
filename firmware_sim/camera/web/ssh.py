"""The form with which an administrator opens SSH for a while, and what it says, in English and Japanese.

Pure. static/ssh.js sends it, shows the drawn password once, and hides all of it on a camera that has no SSH.
"""

from firmware_sim.camera.web.text import Language, say

SCRIPT_TEXTS = ("ssh_closed", "ssh_open", "ssh_use")
"""Texts that ssh.js shows; everything else is in the page itself."""

MINUTES = (10, 30, 60, 120, 240)
"""What can be chosen."""


def section(language: Language, entry: str) -> str:
    """The card, hidden until the device's state says that there is an SSH server.

    Args:
        language: of the page.
        entry: attributes of a field for a present password.

    Raises:
        KeyError: a text is missing: a bug of ours.
    """
    choices = "".join(f'<option value="{one}">{one} {say("ssh_minutes", language)}</option>' for one in MINUTES)
    return (
        f'<form id="ssh" class="card" hidden novalidate><h2>{say("ssh_title", language)}</h2>'
        f'<p>{say("ssh_lead", language)}</p><p><strong id="ssh-state" role="status"></strong></p>'
        f'<label for="ssh-minutes">{say("ssh_for", language)}</label>'
        f'<select id="ssh-minutes" name="minutes">{choices}</select>'
        f'<label for="ssh-password">{say("password_confirm", language)}</label>'
        f'<input id="ssh-password" name="password" required {entry}>'
        '<p class="notice" data-notice role="alert" hidden></p>'
        f'<p id="ssh-drawn" hidden>{say("ssh_drawn", language)} <code id="ssh-secret" class="mono"></code><br>'
        '<span id="ssh-use"></span></p>'
        f'<button type="submit">{say("ssh_button", language)}</button> '
        f'<button type="button" id="ssh-close" class="quiet" hidden>{say("ssh_close_button", language)}</button></form>'
    )
