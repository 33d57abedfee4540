"""Draws docs/generated/compliance.md from the catalogue and the checks that the agent carries."""

import json
from pathlib import Path

from agent.core.compliance_checks import CHECKS

ROOT = Path(__file__).resolve().parents[2]


def document() -> str:
    """The compliance matrix: one row a criterion."""
    catalogue = json.loads((ROOT / "agent/core/star1.json").read_text(encoding="utf-8"))
    lines = [
        "# JC-STAR ★1: which probe measures which criterion",
        "",
        "Generated from `agent/core/star1.json` and `agent/core/compliance_checks.py` (`make generate`); do not edit.",
        "",
        f"Catalogue `{catalogue['catalogue']}`, after {catalogue['document']}. {catalogue['wording'].capitalize()}.",
        "",
        "PASS and FAIL come from the probes alone. Without them: *declared by the manufacturer* where a declaration",
        "stands in (N/A), else INCONCLUSIVE. This is evidence about one device at one time, not a label.",
        "",
        "| criterion | title | probes | declaration | EN 303 645 | UK PSTI | compared by a person |",
        "|---|---|---|---|---|---|---|",
    ]
    by_id = {criterion["id"]: criterion for criterion in catalogue["criteria"]}
    for row in CHECKS:
        criterion = by_id[row.criterion]
        cells = (
            row.criterion,
            f"{criterion['title_en']} ({criterion['title_ja']})",
            ", ".join(f"`{probe}`" for probe in row.probes if probe != "declaration") or "none",
            f"`{row.declaration}`" if row.declaration else "",
            criterion["en_303_645"],
            criterion["uk_psti"],
            "yes" if criterion["verified_by_person"] else "not yet",
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
