"""The card of the start page about accounts that should not be on this camera; for an administrator alone.

Pure. static/accounts.js fills in what the agent has found; while there is nothing, the card is not shown.
"""

from firmware_sim.camera.web.accounts_text import CODES
from firmware_sim.camera.web.text import Language, say

SCRIPT_TEXTS = (
    "accounts_more", "accounts_locked", "accounts_open", "accounts_file", *(f"accounts_{code}" for code in CODES),
)  # fmt: skip
"""Texts that accounts.js shows; everything else is in the page itself."""


def section(language: Language) -> str:
    """The card.

    Raises:
        KeyError: a text is missing: a bug of ours.
    """
    return (
        f'<section class="card wide danger" id="accounts" hidden><h2>{say("accounts_title", language)}</h2>'
        f'<p>{say("accounts_lead", language)}</p><ul class="rules" id="accounts-found" role="status"></ul></section>'
    )
