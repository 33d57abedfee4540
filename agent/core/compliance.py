"""Evidence for the 16 criteria of JC-STAR ★1: facts in, findings out. Evidence only; no label, and no claim to one.

A finding is PASS or FAIL only where a named probe measured it on this device. What is a document by nature is
*declared by the manufacturer* (N/A here, with the address) or, without a declaration, INCONCLUSIVE. An unknown is
never a pass; a report without any fact is an error. Which criterion needs which probes, and the shape of each fact:
`agent.core.compliance_checks`.
"""

from agent.core.compliance_checks import CHECKS, judge
from agent.formats import fields
from agent.formats.errors import FormatError
from agent.formats.evidence import (
    DECLARED,
    INCONCLUSIVE,
    MEASURED,
    NOT_APPLICABLE,
    NOT_ASSESSED,
    VERDICTS,
    Finding,
    Report,
)
from agent.formats.json import parse_object
from agent.formats.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from agent.core.compliance_checks import Row
    from agent.core.trust import Device

MAX_CATALOGUE_BYTES = 64 * 1024
_LINE_WIDTH = 118

_TEXTS = {
    "en": (
        "Checks on this device at this time, for criteria of JC-STAR ★1. This is evidence, not a label.",
        "criteria marked * have not yet been compared with the official document by a person",
    ),
    "ja": (
        "JC-STAR ★1 の各基準に関する、この機器・この時点での確認結果です。適合ラベルではありません。",
        "* の付いた基準は、公式文書との照合が済んでいません",
    ),
}


class Criterion(Value):
    """One criterion of the catalogue. `verified_by_person`: compared with the official document."""

    FIELDS = ("id", "title_en", "title_ja", "verified_by_person")
    id: str
    title_en: str
    title_ja: str
    verified_by_person: bool


class Catalogue(Value):
    """The catalogue file (`agent/core/star1.json`): its name, the document it paraphrases, and the criteria."""

    FIELDS = ("name", "document", "criteria")
    name: str
    document: str
    criteria: "tuple[Criterion, ...]"


def parse_catalogue(body: bytes) -> Catalogue:
    """Read the catalogue.

    Raises:
        FormatError: it is malformed, or its criteria are not those that the checks know.
    """
    source = parse_object(body, MAX_CATALOGUE_BYTES)
    fields.integer(source, "v", 1, 1)
    criteria = tuple(_criterion(item) for item in fields.array(source, "criteria"))
    if [criterion.id for criterion in criteria] != [row.criterion for row in CHECKS]:
        raise FormatError("the catalogue's criteria are not those of the checks")
    return Catalogue(fields.name(source, "catalogue", 64), fields.text(source, "document"), criteria)


def assess(catalogue: Catalogue, facts: "dict[str, Any]", device: "Device", at: int) -> Report:
    """Judge every criterion by the facts.

    Args:
        catalogue: the criteria.
        facts: by probe (see `compliance_checks`); `declaration` holds the manufacturer's declarations.
        device: whom the report is about.
        at: Unix seconds.

    Raises:
        FormatError: there are no facts; an empty report would look like a clean one.
    """
    if not any(probe != "declaration" for probe in facts):
        raise FormatError("no probe has run: there is nothing to report")
    return Report(
        at=at,
        device=device.id,
        model=device.model,
        hardware=device.hardware,
        version=device.version,
        catalogue=catalogue.name,
        findings=tuple(_find(row, facts) for row in CHECKS),
        facts=facts,
    )


def table(report: Report, catalogue: Catalogue, language: str = "en") -> str:
    """The report for a terminal, 118 columns wide, in English (`en`) or with Japanese titles (`ja`).

    Raises:
        ValueError: an unknown language.
    """
    if language not in _TEXTS:
        raise ValueError("no such language: " + language)
    headline, footnote = _TEXTS[language]
    titles = {}
    for criterion in catalogue.criteria:
        mark = "" if criterion.verified_by_person else " *"
        titles[criterion.id] = (criterion.title_ja if language == "ja" else criterion.title_en) + mark
    lines = [headline, report.model + " " + report.version + " " + report.device, ""]
    counts = dict.fromkeys(VERDICTS, 0)
    for finding in report.findings:
        counts[finding.verdict] += 1
        head = pad(finding.criterion, 9) + pad(finding.verdict, 14) + pad(titles[finding.criterion], 55)
        lines.append(head + finding.basis)
        lines.extend(pad("", 23) + line for line in _wrap(finding.reason, _LINE_WIDTH - 23))
    lines.append("")
    lines.append(", ".join(verdict + " " + str(counts[verdict]) for verdict in VERDICTS))
    lines.append(footnote)
    return "\n".join(lines) + "\n"


def pad(text: str, columns: int) -> str:
    """The text filled with spaces to this many terminal columns (East Asian characters take two)."""
    taken = sum(2 if _is_wide(character) else 1 for character in text)
    return text + " " * max(1, columns - taken) if columns else text


def _is_wide(character: str) -> bool:
    return "\u1100" <= character < "\uff61"


def _criterion(item: "Any") -> Criterion:
    source = fields.as_object(item, "a criterion")
    return Criterion(
        id=fields.name(source, "id", 16),
        title_en=fields.text(source, "title_en", 200),
        title_ja=fields.text(source, "title_ja", 200),
        verified_by_person=fields.boolean(source, "verified_by_person"),
    )


def _find(row: "Row", facts: "dict[str, Any]") -> Finding:
    reason = "the manufacturer has declared no " + row.declaration.replace("_", " ")
    if row.check is not None:
        verdict, reason = judge(row, facts)
        if verdict != INCONCLUSIVE:
            return Finding(row.criterion, verdict, MEASURED, row.probes, reason)
    declared = _declared(row, facts)
    if declared:
        return Finding(row.criterion, NOT_APPLICABLE, DECLARED, (), "not measured here; see " + declared)
    return Finding(row.criterion, INCONCLUSIVE, NOT_ASSESSED, row.probes, reason)


def _declared(row: "Row", facts: "dict[str, Any]") -> str:
    """The declaration that answers a criterion, or an empty text."""
    declarations = facts.get("declaration")
    if not row.declaration or not isinstance(declarations, dict):
        return ""
    found = declarations.get(row.declaration)
    return found[:256] if isinstance(found, str) else ""


def _wrap(text: str, columns: int) -> "list[str]":
    lines = [""]
    for word in text.split(" "):
        if lines[-1] and len(lines[-1]) + 1 + len(word) > columns:
            lines.append(word)
        else:
            lines[-1] = lines[-1] + " " + word if lines[-1] else word
    return lines
