"""Evidence: nothing passes without a fact, every fact can fail, and the words stay within what the scheme allows."""

import copy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import agent.core
from agent.core import compliance, compliance_checks
from agent.core.compliance_checks import CHECKS, judge
from agent.formats import envelope, evidence, json
from agent.formats.errors import FormatError
from tests.repositories import DEVICE, NOW

STAR1 = (Path(agent.core.__file__).parent / "star1.json").read_bytes()
CATALOGUE = compliance.parse_catalogue(STAR1)
GOOD: dict[str, Any] = {
    "listeners": {
        "found": [{"proto": "tcp", "port": 443}, {"proto": "tcp", "port": 322}, {"proto": "udp", "port": 68}]
    },
    "login_negative": {
        "tried": [
            {"service": "web", "port": 443, "anonymous": "refused", "default": "refused"},
            {"service": "rtsp", "port": 322, "anonymous": "refused", "default": "refused"},
        ]
    },
    "claim_state": {"state": "claimed"},
    "system_accounts": {"checked": 2, "usable": []},
    "default_password": {"min_chars": 15, "blocklist": True, "changed_at": NOW},
    "password_change": {"exercised": True, "at": NOW, "services": ["web", "rtsp"], "contradicted": []},
    "lockout_selftest": {
        "tried": [{"service": "web", "blocked": True, "after": 5}, {"service": "rtsp", "blocked": True, "after": 5}]
    },
    "update_refusals": {
        "tried": [{"attack": attack, "refused": True, "code": "x"} for attack in compliance_checks.ATTACKS]
    },
    "update_history": {"from": "1.0.0", "to": "1.1.0", "committed": True, "boots_since": 1, "user_steps": 0},
    "identity": {"model": "kawa-1", "version": "1.1.0", "serial": "KW1-000001"},
    "identity_shown": {"model": "kawa-1", "version": "1.1.0", "local": True, "server": True},
    "storage_permissions": {"checked": 9, "wrong": []},
    "mounts": {"root_read_only": True, "data_options": ["rw", "nosuid", "nodev", "noexec"]},
    "verity": {"active": True},
    "tls_listeners": {
        "tried": [
            {"service": "web", "port": 443, "tls": True, "version": "TLSv1.3"},
            {"service": "rtsp", "port": 322, "tls": True, "version": "TLSv1.2"},
        ]
    },
    "tls_connections": {"open": [{"peer": "10.0.2.2:8883", "version": "TLSv1.3", "verified": True}]},
    "plain_rtsp": {"open": False, "port": 554},
    "power_loss": {"unclean": 1, "settings_kept": True, "version_kept": True},
    "erase": {"done": True, "remaining": [], "version_kept": True},
    "declaration": {
        "listeners": [{"proto": "tcp", "port": 443}, {"proto": "tcp", "port": 322}, {"proto": "udp", "port": 68}],
        "disclosure_policy": "https://example.com/psirt",
        "update_priority_policy": "https://example.com/updates",
        "user_manual": "https://example.com/manual",
        "user_information": "https://example.com/support",
    },
}
MEASURED = [row for row in CHECKS if row.check is not None]
DOCUMENTS = [row for row in CHECKS if row.check is None]


def verdicts(facts: dict[str, Any]) -> dict[str, str]:
    report = compliance.assess(CATALOGUE, facts, DEVICE, NOW)
    return {finding.criterion: finding.verdict for finding in report.findings}


def changed(probe: str, way: str, value: Any) -> dict[str, Any]:
    facts = copy.deepcopy(GOOD)
    at: Any = facts[probe]
    *steps, last = way.split("/")
    for step in steps:
        at = at[int(step)] if isinstance(at, list) else at[step]
    at[int(last) if isinstance(at, list) else last] = value
    return facts


def test_all_sixteen_are_there_and_a_perfect_camera_passes_what_can_be_measured() -> None:
    found = verdicts(GOOD)
    assert len(found) == 16
    assert {criterion for criterion, verdict in found.items() if verdict == "PASS"} == {
        row.criterion for row in MEASURED
    }
    assert {criterion for criterion, verdict in found.items() if verdict == "N/A"} == {
        row.criterion for row in DOCUMENTS
    }


@pytest.mark.parametrize(("row", "probe"), [(row, probe) for row in MEASURED for probe in row.probes])
def test_removing_a_probe_makes_its_criteria_inconclusive(row: compliance_checks.Row, probe: str) -> None:
    facts = copy.deepcopy(GOOD)
    del facts[probe]
    verdict, reason = judge(row, facts)
    assert verdict == "INCONCLUSIVE"
    assert probe in reason


@pytest.mark.parametrize(("row", "probe"), [(row, probe) for row in MEASURED for probe in row.probes])
@pytest.mark.parametrize("odd", [None, [], {}, "x", {"found": 1, "tried": {}}])
def test_a_malformed_fact_never_passes(row: compliance_checks.Row, probe: str, odd: Any) -> None:
    assert judge(row, GOOD | {probe: odd})[0] == "INCONCLUSIVE"


@pytest.mark.parametrize(
    ("criterion", "probe", "way", "value", "verdict"),
    [
        ("S1.1-01", "login_negative", "tried/1/anonymous", "in", "FAIL"),
        ("S1.1-01", "login_negative", "tried/1/anonymous", "silent", "INCONCLUSIVE"),
        ("S1.1-01", "login_negative", "tried", [], "INCONCLUSIVE"),
        ("S1.1-01", "listeners", "found/0/port", 554, "INCONCLUSIVE"),
        ("S1.1-02", "login_negative", "tried/0/default", "in", "FAIL"),
        ("S1.1-02", "login_negative", "tried/0/default", "silent", "INCONCLUSIVE"),
        ("S1.1-02", "system_accounts", "usable", ["root"], "FAIL"),
        ("S1.1-02", "system_accounts", "checked", 0, "INCONCLUSIVE"),
        ("S1.1-02", "system_accounts", "claimed", ["root"], "PASS"),
        ("S1.1-02", "system_accounts", "claimed", "root", "INCONCLUSIVE"),
        ("S1.1-02", "system_accounts", "open", ["eve in /data/web/users"], "FAIL"),
        ("S1.1-02", "system_accounts", "open", [], "PASS"),
        ("S1.1-02", "system_accounts", "open", "eve", "INCONCLUSIVE"),
        ("S1.1-02", "default_password", "min_chars", 7, "FAIL"),
        ("S1.1-02", "default_password", "blocklist", False, "FAIL"),
        ("S1.1-02", "claim_state", "state", "open", "INCONCLUSIVE"),
        ("S1.1-03", "password_change", "exercised", False, "INCONCLUSIVE"),
        ("S1.1-03", "password_change", "services", [], "INCONCLUSIVE"),
        ("S1.1-03", "password_change", "contradicted", ["the old password at web (login): in"], "FAIL"),
        ("S1.1-04", "lockout_selftest", "tried/1/blocked", False, "FAIL"),
        ("S1.1-04", "lockout_selftest", "tried/1/service", "web", "INCONCLUSIVE"),
        ("S1.1-06", "update_history", "committed", False, "INCONCLUSIVE"),
        ("S1.1-06", "update_history", "boots_since", 0, "INCONCLUSIVE"),
        ("S1.1-06", "identity", "version", "1.0.0", "FAIL"),
        ("S1.1-07", "update_history", "user_steps", 3, "N/A"),
        ("S1.1-07", "update_history", "user_steps", 4, "FAIL"),
        ("S1.1-07", "update_history", "committed", False, "N/A"),
        ("S1.1-08", "update_refusals", "tried/0/refused", False, "FAIL"),
        ("S1.1-08", "update_refusals", "tried/0/attack", "older", "INCONCLUSIVE"),
        ("S1.1-10", "identity_shown", "local", False, "FAIL"),
        ("S1.1-11", "storage_permissions", "wrong", ["/data/x: 0644"], "FAIL"),
        ("S1.1-11", "storage_permissions", "checked", 0, "INCONCLUSIVE"),
        ("S1.1-11", "mounts", "root_read_only", False, "FAIL"),
        ("S1.1-11", "mounts", "data_options", ["nosuid", "nodev"], "FAIL"),
        ("S1.1-11", "verity", "active", False, "FAIL"),
        ("S1.1-12", "tls_listeners", "tried/0/tls", False, "FAIL"),
        ("S1.1-12", "tls_listeners", "tried/0/version", "TLSv1", "FAIL"),
        ("S1.1-12", "tls_listeners", "tried/0/port", 444, "INCONCLUSIVE"),
        ("S1.1-12", "tls_connections", "open/0/verified", False, "FAIL"),
        ("S1.1-12", "tls_connections", "open/0/version", "TLSv1.1", "FAIL"),
        ("S1.1-12", "plain_rtsp", "open", None, "INCONCLUSIVE"),
        ("S1.1-13", "listeners", "found/0/port", 23, "FAIL"),
        ("S1.1-13", "declaration", "listeners/2/proto", "tcp", "FAIL"),
        ("S1.1-14", "power_loss", "unclean", 0, "INCONCLUSIVE"),
        ("S1.1-14", "power_loss", "settings_kept", False, "FAIL"),
        ("S1.1-14", "power_loss", "version_kept", False, "FAIL"),
        ("S1.1-15", "erase", "done", False, "INCONCLUSIVE"),
        ("S1.1-15", "erase", "remaining", ["users"], "FAIL"),
        ("S1.1-15", "erase", "version_kept", False, "FAIL"),
    ],
)
def test_a_broken_property_is_seen(criterion: str, probe: str, way: str, value: Any, verdict: str) -> None:
    assert verdicts(changed(probe, way, value))[criterion] == verdict


@pytest.mark.parametrize(
    ("criterion", "facts"),
    [
        ("S1.1-04", {"lockout_selftest": {"tried": []}, "login_negative": {"tried": []}}),
        ("S1.1-12", {"listeners": {"found": []}, "tls_listeners": {"tried": []}}),
    ],
)
def test_nothing_tried_is_nothing_shown(criterion: str, facts: dict[str, Any]) -> None:
    assert verdicts(GOOD | facts)[criterion] == "INCONCLUSIVE"


@pytest.mark.parametrize("listening", [True, False])
def test_an_exception_for_rtsp_in_the_clear_fails_and_is_told_from_a_port_nobody_opened(listening: bool) -> None:
    facts = copy.deepcopy(GOOD)
    if listening:
        facts["listeners"]["found"].append({"proto": "tcp", "port": 554})
        facts["tls_listeners"]["tried"].append({"service": "", "port": 554, "tls": False, "version": ""})
    facts["plain_rtsp"] = {"open": True, "port": 554, "since": "2026-11-29T09:00:00Z", "until": "2026-12-29T09:00:00Z"}
    row = next(one for one in MEASURED if one.criterion == "S1.1-12")
    verdict, reason = judge(row, facts)
    assert verdict == "FAIL"
    assert "exception" in reason
    assert "since 2026-11-29T09:00:00Z, until 2026-12-29T09:00:00Z" in reason
    facts["plain_rtsp"]["port"] = 8554
    verdict, reason = judge(row, facts)
    assert verdict == "FAIL"
    assert ("554 speaks without TLS" in reason) is listening


@pytest.mark.parametrize("row", DOCUMENTS)
@pytest.mark.parametrize("declared", [None, 5, ""])
def test_documents_are_declared_or_inconclusive(row: compliance_checks.Row, declared: Any) -> None:
    facts = changed("declaration", row.declaration, declared)
    assert verdicts(facts)[row.criterion] == "INCONCLUSIVE"
    del facts["declaration"]
    assert verdicts(facts)[row.criterion] == "INCONCLUSIVE"


def test_a_declaration_without_a_name_stands_in_for_no_measurement() -> None:
    facts = changed("declaration", "", "https://example.com/everything")
    del facts["erase"]
    assert verdicts(facts)["S1.1-15"] == "INCONCLUSIVE"


@pytest.mark.parametrize("facts", [{}, {"declaration": GOOD["declaration"]}])
def test_an_empty_report_is_an_error(facts: dict[str, Any]) -> None:
    with pytest.raises(FormatError):
        compliance.assess(CATALOGUE, facts, DEVICE, NOW)


def test_every_pass_names_probes_that_are_facts_of_the_report() -> None:
    for finding in compliance.assess(CATALOGUE, GOOD, DEVICE, NOW).findings:
        if finding.verdict == "PASS":
            assert finding.probes
            assert set(finding.probes) <= set(GOOD)
            assert finding.basis == evidence.MEASURED


FACTS = st.dictionaries(
    st.sampled_from(sorted(GOOD)),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["found", "tried", "port", "service", "listeners", "open", "checked"]), inner
            )
        ),
        max_leaves=6,
    ),
    min_size=1,
)


@settings(max_examples=200)
@given(FACTS)
def test_no_fact_crashes_the_assessment(facts: dict[str, Any]) -> None:
    try:
        report = compliance.assess(CATALOGUE, facts, DEVICE, NOW)
    except FormatError:
        assert set(facts) == {"declaration"}
        return
    assert evidence.parse(evidence.body(report)) == report


def test_report_travels_in_a_signed_envelope() -> None:
    report = compliance.assess(CATALOGUE, GOOD, DEVICE, NOW)
    made = envelope.Envelope("evidence", DEVICE.id, "boot-1", 1, NOW, evidence.body(report), bytes(64))
    again = envelope.parse(envelope.encode(made))
    assert evidence.parse(again.body) == report
    assert envelope.message(again) == envelope.message(made)


@pytest.mark.parametrize("language", ["en", "ja"])
def test_table(language: str) -> None:
    text = compliance.table(compliance.assess(CATALOGUE, GOOD, DEVICE, NOW), CATALOGUE, language)
    for criterion in CATALOGUE.criteria:
        assert criterion.id in text
        assert (criterion.title_ja if language == "ja" else criterion.title_en) in text
    assert "PASS 13, FAIL 0, INCONCLUSIVE 0, N/A 3" in text
    lowered = text.lower()
    for claim in ("compliant", "certified", "endorsed", "no vulnerabilities", "適合予定", "申請中", "認証済"):
        assert claim not in lowered
    assert " *" in text
    for line in text.splitlines():
        columns = sum(2 if "\u1100" <= character < "\uff61" else 1 for character in line)
        assert columns <= 118, line


def test_table_without_the_mark_once_a_person_has_verified() -> None:
    verified = CATALOGUE.replace(criteria=tuple(c.replace(verified_by_person=True) for c in CATALOGUE.criteria))
    text = compliance.table(compliance.assess(CATALOGUE, GOOD, DEVICE, NOW), verified)
    assert " *  " not in text
    with pytest.raises(ValueError, match="language"):
        compliance.table(compliance.assess(CATALOGUE, GOOD, DEVICE, NOW), CATALOGUE, "fr")


def test_catalogue_is_the_shared_one_with_the_flag_added() -> None:
    source = json.parse_object(STAR1, 10**6)
    assert len(source["criteria"]) == 16
    assert all(criterion["verified_by_person"] is False for criterion in source["criteria"])
    assert all(criterion["provenance"] for criterion in source["criteria"])


@pytest.mark.parametrize("edit", ["drop", "rename", "flag", "version"])
def test_other_catalogues_are_refused(edit: str) -> None:
    source = json.parse_object(STAR1, 10**6)
    if edit == "drop":
        source["criteria"].pop()
    elif edit == "rename":
        source["criteria"][0]["id"] = "S9"
    elif edit == "flag":
        del source["criteria"][0]["verified_by_person"]
    else:
        source["v"] = 2
    with pytest.raises(FormatError):
        compliance.parse_catalogue(json.dump(source))


def test_long_reasons_are_wrapped() -> None:
    name = "word " * 40
    facts = changed("login_negative", "tried/0/service", name.strip())
    facts["login_negative"]["tried"][0]["anonymous"] = "in"
    text = compliance.table(compliance.assess(CATALOGUE, facts, DEVICE, NOW), CATALOGUE)
    assert text.count("word") >= 40
    assert all(len(line) <= 118 for line in text.splitlines())


def test_a_row_without_a_check_cannot_be_judged() -> None:
    with pytest.raises(ValueError, match="no check"):
        judge(DOCUMENTS[0], GOOD)
