"""The body of an evidence message: what was checked on this device, what came out, and the facts that it rests on.

Verdicts are the words of ETSI TS 103 701 and speak of one check on one device at one time. A PASS always names its
probe.
"""

from agent.formats import fields
from agent.formats.envelope import device_id
from agent.formats.errors import FormatError
from agent.formats.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PASS = "PASS"  # noqa: S105
FAIL = "FAIL"
INCONCLUSIVE = "INCONCLUSIVE"
NOT_APPLICABLE = "N/A"
VERDICTS = (PASS, FAIL, INCONCLUSIVE, NOT_APPLICABLE)
MEASURED = "measured"
DECLARED = "declared by the manufacturer"
NOT_ASSESSED = "not assessed"
BASES = (MEASURED, DECLARED, NOT_ASSESSED)
MAX_FINDINGS = 256
MAX_REASON_CHARS = 600


class Finding(Value):
    """One criterion's outcome. `probes` names the facts it rests on; `basis` is one of BASES."""

    FIELDS = ("criterion", "verdict", "basis", "probes", "reason")
    criterion: str
    verdict: str
    basis: str
    probes: "tuple[str, ...]"
    reason: str


class Report(Value):
    """All findings about one device at one time (`at`, Unix seconds), with the catalogue's name and the raw facts."""

    FIELDS = ("at", "device", "model", "hardware", "version", "catalogue", "findings", "facts")
    at: int
    device: str
    model: str
    hardware: str
    version: str
    catalogue: str
    findings: "tuple[Finding, ...]"
    facts: "dict[str, Any]"


def body(report: Report) -> "dict[str, Any]":
    """The report as a message body; `parse` reads it.

    Raises:
        FormatError: the report is empty or contradicts itself.
    """
    made: "dict[str, Any]" = {
        "at": report.at,
        "device": report.device,
        "model": report.model,
        "hardware": report.hardware,
        "version": report.version,
        "catalogue": report.catalogue,
        "facts": report.facts,
        "findings": [
            {
                "criterion": finding.criterion,
                "verdict": finding.verdict,
                "basis": finding.basis,
                "probes": list(finding.probes),
                "reason": finding.reason[:MAX_REASON_CHARS],
            }
            for finding in report.findings
        ],
    }
    parse(made)
    return made


def parse(source: "dict[str, Any]") -> Report:
    """Read an evidence body.

    Raises:
        FormatError: it is none, has no findings or no facts, or a finding passes without a fact to rest on.
    """
    facts = fields.obj(source, "facts")
    findings = tuple(_finding(item, facts) for item in fields.array(source, "findings", MAX_FINDINGS))
    if not findings or not facts:
        raise FormatError("an empty report says nothing")
    if len({finding.criterion for finding in findings}) != len(findings):
        raise FormatError("a criterion repeats")
    return Report(
        at=fields.integer(source, "at"),
        device=device_id(source, "device"),
        model=fields.name(source, "model", 64),
        hardware=fields.name(source, "hardware", 32),
        version=fields.name(source, "version", 32),
        catalogue=fields.name(source, "catalogue", 64),
        findings=findings,
        facts=facts,
    )


def _finding(item: object, facts: "dict[str, Any]") -> Finding:
    source = fields.as_object(item, "a finding")
    probes = tuple(fields.as_name(probe, "a probe", 64) for probe in fields.array(source, "probes", 16))
    finding = Finding(
        criterion=fields.name(source, "criterion", 32),
        verdict=fields.choice(source, "verdict", VERDICTS),
        basis=fields.choice(source, "basis", BASES),
        probes=probes,
        reason=fields.text(source, "reason", MAX_REASON_CHARS),
    )
    if finding.verdict in (PASS, FAIL):
        if finding.basis != MEASURED or not probes:
            raise FormatError(finding.criterion + " has a verdict without a measurement")
        for probe in probes:
            if probe not in facts:
                raise FormatError(finding.criterion + " rests on a fact that the report lacks: " + probe)
    if not finding.reason:
        raise FormatError(finding.criterion + " gives no reason")
    return finding
