from agent.formats import evidence, json
from agent.formats.errors import FormatError
from tests.portable import wire

finding = evidence.Finding("S1.1-01", evidence.PASS, evidence.MEASURED, ("listeners",), "tried")
report = evidence.Report(
    5, "abcdefghijklmnopqrstuvwxyz", "kawa-1", "a", "1.0.0", "star1", (finding,), {"listeners": {}}
)
print(json.dump(evidence.body(report)), evidence.parse(evidence.body(report)) == report)
for change in (
    {"findings": ()},
    {"facts": {}},
    {"findings": (finding, finding)},
    {"facts": {"other": {}}},
    {"findings": (finding.replace(basis=evidence.DECLARED),)},
    {"findings": (finding.replace(probes=()),)},
    {"findings": (finding.replace(reason=""),)},
    {"findings": (finding.replace(verdict="COMPLIANT"),)},
    {"findings": (finding.replace(verdict="N/A", probes=()),)},
):
    try:
        print(len(evidence.body(report.replace(**change))))
    except FormatError as error:
        print(error)
wire.show("evidence")
