"""The HTML pages.

Pure: state in, page out. All behaviour is in static/app.js, so that the policy can forbid inline script.
"""

import json
from html import escape

from firmware_sim.camera.web import accounts, due, offers, plain_rtsp, quarantine, ssh, updates, ws_tokens
from firmware_sim.camera.web.link_text import SCRIPT_TEXTS as LINK_SCRIPT_TEXTS
from firmware_sim.camera.web.offer_text import SCRIPT_TEXTS as OFFER_SCRIPT_TEXTS
from firmware_sim.camera.web.text import Language, say

# Texts that app.js shows; everything else is in the page itself.
_SCRIPT_TEXTS = (
    "rules_waiting", "rules_met", "rules_unknown", "passwords_differ", "passwords_same", "enrol_started", "change_done",
    "live_stopped", "server_none", "error_no_evidence", "evidence_criterion", "evidence_verdict", "evidence_reason",
    "working", "basis_measured", "basis_declared", "basis_not_assessed", "phase_idle", "phase_checking",
    "phase_reading_tree", "phase_installing", "phase_reading_back", "phase_arming", "phase_armed", "phase_trial",
    "phase_committing", "phase_committed", "phase_failing", "phase_rolled_back", "evidence_basis",
    "sure_first", "restarting", "transfer_started",
    "error_denied", "error_wait", "error_unclaimed", "error_locked", "error_bad_request", "error_policy", "error_busy",
    "error_unavailable", "error_signed_out", "error_forbidden", "error_network",
    *updates.SCRIPT_TEXTS,
    *OFFER_SCRIPT_TEXTS,
    *LINK_SCRIPT_TEXTS,
    *due.SCRIPT_TEXTS,
    *accounts.SCRIPT_TEXTS,
    *ssh.SCRIPT_TEXTS,
    *plain_rtsp.SCRIPT_TEXTS,
    *ws_tokens.SCRIPT_TEXTS,
)  # fmt: skip

_LOGO = (
    '<svg class="logo" viewBox="0 0 32 32" aria-hidden="true">'
    '<path d="M16 2 4 6v9c0 8 5 12.5 12 15 7-2.5 12-7 12-15V6z"/>'
    '<circle cx="16" cy="15" r="6"/><circle cx="16" cy="15" r="2.5"/></svg>'
)

_CODE = (
    'type="text" placeholder="XXXX-XXXX-XXXX-XXXX" autocapitalize="characters" spellcheck="false" maxlength="23" '
    'autocomplete="one-time-code" class="mono"'
)
_USER = 'type="text" autocomplete="username" autocapitalize="none" spellcheck="false" maxlength="32"'
_OLD_ENTRY = 'type="password" autocomplete="current-password" maxlength="128"'
_NEW_ENTRY = 'type="password" autocomplete="new-password" maxlength="128"'


def claim_page(language: Language, model: str, serial: str) -> str:
    """The only page of an unclaimed camera.

    Raises:
        Nothing: values are escaped.
    """
    identity = f'<p class="identity">{escape(model)} <span>{escape(serial)}</span></p>'
    form = (
        '<form id="claim" class="card narrow" autocomplete="off" novalidate>'
        f"<h1>{say('claim_title', language)}</h1>{identity}<p>{say('claim_lead', language)}</p>"
        f'<p class="notice busy" id="claim-network">{say("claim_network", language)}</p>'
        + _field(language, "code", "code", _CODE, "code_hint")
        + _field(language, "user", "user", 'value="admin" ' + _USER, "user_hint")
        + _field(language, "password", "password", _NEW_ENTRY, "password_hint")
        + _rules(language)
        + _field(language, "again", "password_again", _NEW_ENTRY)
        + '<p class="match" id="match" role="status"></p>'
        + _show_password(language)
        + _submit("claim_button", language)
        + "</form>"
    )
    return _page(language, "claim_title", "claim", form)


def sign_in_page(language: Language) -> str:
    """The page of a claimed camera for somebody not signed in; it names neither model nor version.

    Raises:
        Nothing: it has no variable part.
    """
    form = (
        f'<form id="sign-in" class="card narrow" novalidate><h1>{say("sign_in_title", language)}</h1>'
        f"<p>{say('sign_in_lead', language)}</p>"
        + _field(language, "user", "user", _USER)
        + _field(language, "password", "password", _OLD_ENTRY)
        + _submit("sign_in_button", language)
        + f'<details id="lost"><summary>{say("lost_title", language)}</summary>'
        + f"<p>{say('lost_others', language)}</p><p>{say('lost_erase', language)}</p></details></form>"
        + due.form(language, _OLD_ENTRY, _NEW_ENTRY, '<ul class="rules" id="rules" role="status"></ul>')
    )
    return _page(language, "sign_in_title", "sign-in", form)


def notice_page(language: Language, name: str) -> str:
    """A page that only tells something.

    Args:
        language: of the page.
        name: `locked` or `unavailable`.

    Raises:
        KeyError: no such notice: a bug of ours.
    """
    body = (
        f'<section class="card narrow"><h1>{say(f"{name}_title", language)}</h1>'
        f"<p>{say(f'{name}_lead', language)}</p></section>"
    )
    return _page(language, f"{name}_title", "notice", body)


def quarantine_page(language: Language, reason: str) -> str:
    """The only page of a camera in quarantine; `reason` is the operator's, and may be empty.

    Raises:
        Nothing: values are escaped.
    """
    return _page(language, "quarantine_title", "notice", quarantine.body(language, reason, _USER, _OLD_ENTRY))


def home_page(language: Language, user: str, role: str) -> str:
    """What a signed-in person sees; app.js fills in the device's state.

    Raises:
        Nothing: values are escaped.
    """
    facts = "".join(
        f"<div><dt>{say(name, language)}</dt><dd data-fact='{name}'>–</dd></div>"
        for name in (
            "model",
            "serial",
            "hardware",
            "version",
            "slot",
            "update",
            "last_result",
            "server",
            "enrolment",
            "link",
        )
    )
    live = (
        f'<section class="card live"><h2>{say("live_title", language)}</h2>'
        '<div class="screen"><img id="picture" width="320" height="240" src="/snapshot.jpg" '
        f'alt="{say("live_alt", language)}"><p id="picture-note" role="status"></p></div></section>'
    )
    device = f'<section class="card"><h2>{say("device_title", language)}</h2><dl class="facts">{facts}</dl></section>'
    change = (
        f'<form id="change" class="card" novalidate><h2>{say("change_title", language)}</h2>'
        f'<input type="hidden" name="user" id="user" autocomplete="username" value="{escape(user)}">'
        + _field(language, "old", "password_old", _OLD_ENTRY)
        + _field(language, "password", "password_new", _NEW_ENTRY)
        + _rules(language)
        + _field(language, "again", "password_again", _NEW_ENTRY)
        + '<p class="match" id="match" role="status"></p>'
        + _submit("change_button", language)
        + "</form>"
    )
    evidence = (
        f'<section class="card wide"><h2>{say("evidence_title", language)}</h2><p>{say("evidence_lead", language)}</p>'
        f'<button type="button" id="evidence-button" class="quiet">{say("evidence_button", language)}</button>'
        '<div id="evidence" role="status"></div></section>'
    )
    person = (
        f'<p class="person">{say("signed_in_as", language)} <strong>{escape(user)}</strong></p>'
        f'<button type="button" id="sign-out" class="quiet">{say("sign_out_button", language)}</button>'
    )
    joining, leaving, remote = "", "", ""
    if role == "administrator":
        joining, leaving = _joining(language), _leaving(language)
        remote = ssh.section(language, _OLD_ENTRY) + plain_rtsp.section(language, _OLD_ENTRY)
    parts = [
        live,
        device,
        updates.section(language, role),
        offers.section(language, role == "administrator"),
        joining,
        change,
        ws_tokens.form(language, user, _USER, _OLD_ENTRY) if role == "administrator" else "",
        evidence,
        remote,
        leaving,
    ]
    if role == "administrator":
        parts.insert(0, accounts.section(language))
    body = f'{due.reminder()}<div class="grid">{"".join(parts)}</div>'
    return _page(language, "live_title", "home", body, person)


def _joining(language: Language) -> str:
    """The forms that lead to an operator; app.js shows the one that fits the phase of the enrolment."""
    token = (
        '<label for="{0}token">' + say("token", language) + '</label><textarea id="{0}token" name="token" rows="3" '
        'spellcheck="false" class="mono" autocomplete="off"></textarea>'
    )
    enrol = (
        f'<form id="enrol" class="card" data-when="none certifying" novalidate><h2>{say("enrol_title", language)}</h2>'
        f"<p>{say('enrol_lead', language)}</p>" + token.format("") + _submit("enrol_button", language) + "</form>"
    )
    return enrol + _confirmed(language, "transfer", "card", "enrolled", token.format("transfer-"))


def _leaving(language: Language) -> str:
    """The forms that take something away, last on the page."""
    disown = _confirmed(language, "disown", "card danger", "certifying owning introducing enrolled")
    return disown + _confirmed(language, "erase", "card danger", "")


def _confirmed(language: Language, name: str, look: str, when: str, more: str = "") -> str:
    """A form for what cannot be undone: a box to tick, and the password once more."""
    shown = f' data-when="{when}" hidden' if when else ""
    return (
        f'<form id="{name}" class="{look}"{shown} novalidate><h2>{say(f"{name}_title", language)}</h2>'
        f"<p>{say(f'{name}_lead', language)}</p>{more}"
        f'<label for="{name}-password">{say("password_confirm", language)}</label>'
        f'<input id="{name}-password" name="password" required {_OLD_ENTRY}>'
        f'<label class="check"><input type="checkbox" id="{name}-sure" name="sure"> '
        f"{say(f'{name}_sure', language)}</label>" + _submit(f"{name}_button", language) + "</form>"
    )


def _page(language: Language, title: str, name: str, body: str, person: str = "") -> str:
    other = "ja" if language == "en" else "en"
    texts = json.dumps({key: say(key, language) for key in _SCRIPT_TEXTS}, ensure_ascii=False)
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{say(title, language)} – Camward</title>"
        '<link rel="icon" href="/static/icon.svg" type="image/svg+xml"><link rel="stylesheet" href="/static/style.css">'
        '<script src="/static/app.js" defer></script><script src="/static/updates.js" defer></script>'
        '<script src="/static/offers.js" defer></script><script src="/static/due.js" defer></script>'
        '<script src="/static/accounts.js" defer></script><script src="/static/ssh.js" defer></script>'
        '<script src="/static/plain_rtsp.js" defer></script>'
        '<script src="/static/ws_tokens.js" defer></script></head>'
        f'<body data-page="{name}" data-texts="{escape(texts)}">'
        f'<header><a class="brand" href="/">{_LOGO}Camward</a>{person}'
        f'<a class="language" href="/?lang={other}" hreflang="{other}" lang="{other}">'
        f"{say('language_other', language)}</a></header>"
        f"<main><noscript><p class='notice bad'>{say('javascript', language)}</p></noscript>{body}</main></body></html>"
    )


def _field(language: Language, name: str, label: str, attributes: str, hint: str = "") -> str:
    described = f' aria-describedby="{name}-hint"' if hint else ""
    note = f'<p class="hint" id="{name}-hint">{say(hint, language)}</p>' if hint else ""
    return (
        f'<label for="{name}">{say(label, language)}</label>'
        f'<input id="{name}" name="{name}" required {attributes}{described}>{note}'
    )


def _rules(language: Language) -> str:
    return f'<ul class="rules" id="rules" role="status"><li class="waiting">{say("rules_waiting", language)}</li></ul>'


def _show_password(language: Language) -> str:
    return f'<label class="check"><input type="checkbox" id="show"> {say("show_password", language)}</label>'


def _submit(label: str, language: Language) -> str:
    return (
        f'<p class="notice" data-notice role="alert" hidden></p><button type="submit">{say(label, language)}</button>'
    )
