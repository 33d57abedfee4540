from agent.formats import envelope, evidence
from tests.portable.story import ready

camera = ready()
camera.world.sensors.found = {"verity": {"active": True}, "listeners": {"found": [{"proto": "tcp", "port": 443}]}}
camera.world.run_for(600)
for payload in camera.world.broker.on("/up/evidence"):
    report = evidence.parse(envelope.parse(payload).body)
    print(report.at, report.device, report.version, sorted(report.facts))
    for finding in report.findings:
        print(" ", finding.criterion, finding.verdict, finding.basis, ",".join(finding.probes), finding.reason)
