"""Evidence from a live camera: every PASS is broken on that camera once and seen to FAIL; no probe, no PASS.

The healthy camera of these tests is claimed and was never updated nor enrolled; what needs that is broken in
update/test_install.py.
"""

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from agent.core import compliance
from agent.core.compliance_checks import CHECKS
from agent.core.trust import Device as Subject
from firmware_sim.demo.steps_camera import patiently
from firmware_sim.image.provision import Device
from firmware_sim.qemu.deadline import Deadline
from tests.emulated.lab_camera import BOOT_S, PASSING, PASSWORD, USER, LabCamera, claimed, reasons, verdicts

ROOT = Path(__file__).resolve().parents[2]
CATALOGUE = compliance.parse_catalogue((ROOT / "agent/core/star1.json").read_bytes())
CRITERIA = tuple(row.criterion for row in CHECKS)
FOREIGN_PORT, FOREIGN_UDP = 9, 5353
NEW_PASSWORD = "gale-Tanuki-71-brook"


@pytest.fixture(scope="module")
def lab(camera_of: Callable[[str], Device], tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabCamera]:
    with claimed(camera_of, tmp_path_factory.mktemp("lab")) as camera:
        yield camera


@pytest.fixture(scope="module")
def healthy(lab: LabCamera) -> dict[str, Any]:
    """The report of the camera as it is."""
    lab.restore()
    return lab.evidence()


# What is broken, and how


def lets_strangers_in(lab: LabCamera) -> None:
    """The camera application shows pictures to whoever asks without a login."""
    _replace_login(
        lab,
        "_check = Gate.check\n"
        "def check(self, head, source):\n"
        "    anonymous = self._service == 'web' and not head.get('authorization')\n"
        "    return Reply(ok=True, code='', fields=IN) if anonymous else _check(self, head, source)\n"
        "Gate.check = check\n",
    )


def has_a_back_door_and_no_lockout(lab: LabCamera) -> None:
    """The camera application takes any password of `admin`, and says `denied` where the agent says `wait`."""
    _replace_login(
        lab,
        "class AgentLogin(AgentLogin):\n"
        "    def ask(self, service, op, source, **fields):\n"
        "        if op in ('login', 'digest') and fields['user'] == 'admin':\n"
        "            return Reply(ok=True, code='', fields=IN)\n"
        "        reply = super().ask(service, op, source, **fields)\n"
        "        return Reply(ok=False, code='denied') if reply.code == 'wait' else reply\n",
    )


def keeps_the_old_password(lab: LabCamera) -> None:
    """The camera application goes on taking the password that was changed; then somebody changes it."""
    _replace_login(
        lab,
        "class AgentLogin(AgentLogin):\n"
        "    def ask(self, service, op, source, **fields):\n"
        "        reply = super().ask(service, op, source, **fields)\n"
        f"        kept = op == 'login' and fields['password'] == '{PASSWORD}'\n"
        "        return Reply(ok=True, code='', fields=IN) if kept and not reply.ok else reply\n",
    )
    lab.person.meet(Deadline(BOOT_S))
    who = {"user": USER, "password": PASSWORD}
    assert patiently(lambda: lab.person.ask("/api/login", who)).ok
    change = {"old": PASSWORD, "new": NEW_PASSWORD}
    answer = patiently(lambda: lab.person.ask("/api/change-password", change))
    assert answer.status == 503, answer.text
    assert "old password at web" in answer.body["detail"]


def has_a_factory_account_an_open_key_and_a_foreign_service(lab: LabCamera) -> None:
    """A hash for root, a private key that anybody may read, and a service in the clear that nobody declared."""
    lab.shell("sed 's/^root:[^:]*/root:$1$abcdefgh$irWbblnpmw.5z7wgBnprh0/' /etc/shadow >/run/shadow")
    lab.shell("mount --bind /run/shadow /etc/shadow && grep -q 'root:.1' /etc/shadow")
    lab.shell("chmod 644 /data/camward/identity/tls.key.pem")
    _serve(lab, "tcp", FOREIGN_PORT)


def runs_programs_from_its_data(lab: LabCamera) -> None:
    """The data partition is mounted again without noexec, and a UDP service listens."""
    lab.shell("mount -o remount,exec /data")
    _serve(lab, "udp", FOREIGN_UDP)


def runs_on_a_root_that_nobody_verified(lab: LabCamera) -> None:
    """The agent is started inside a writable file system of somebody's own, with the real folders in it."""
    lab.shell("mkdir /run/root && mount -t tmpfs none /run/root")
    for name in ("usr", "etc", "data", "run", "proc", "sys", "dev", "tmp"):
        lab.shell(f"mkdir /run/root/{name} && mount --bind /{name} /run/root/{name}")
    lab.shell("for name in bin sbin lib lib64; do [ ! -L /$name ] || cp -d /$name /run/root/$name; done")
    script = "#!/bin/sh\nexec chroot /run/root /usr/lib/camward/run-agent\n"
    lab.put("/run/root/start", script.encode())
    lab.shell("chmod 755 /run/root/start && mount --bind /run/root/start /usr/lib/camward/run-agent")
    lab.restart("agent")


def cannot_be_looked_at(lab: LabCamera) -> None:
    """The sources of two probes are gone: the device mapper's control, and a shadow file one can read."""
    lab.shell("rm /dev/mapper/control")
    lab.shell("echo garbage >/run/shadow && mount --bind /run/shadow /etc/shadow")


def _serve(lab: LabCamera, proto: str, port: int) -> None:
    """Open a port that belongs to nobody, and never answer on it."""
    make = "create_server(('', {0}))" if proto == "tcp" else "socket(type=socket.SOCK_DGRAM); s.bind(('', {0}))"
    program = f"import socket, signal; s = socket.{make.format(port)}; signal.pause()"
    lab.shell(f'python3 -c "{program}" >/dev/null 2>&1 &')
    lab.shell(f"until grep -q ':{port:04X} 00000000:0000' /proc/net/{proto}; do sleep 0.2; done")


def _replace_login(lab: LabCamera, source: str) -> None:
    head = (
        "from firmware_sim.camera.honest_agent_login import AgentLogin\n"
        "from firmware_sim.camera.http_auth import Gate\n"
        "from firmware_sim.camera.login import Reply\n"
        "IN = {'role': 'administrator', 'grant': 'x'}\n"
    )
    lab.replace("firmware_sim/camera", "agent_login", head + source)
    lab.restart("camera")


class Breaking(NamedTuple):
    """What is done to the camera, and what the evidence must say then: criterion -> words of the reason."""

    act: Callable[[LabCamera], None]
    fails: dict[str, str]


BREAKINGS = (
    Breaking(lets_strangers_in, {"S1.1-01": "web let an anonymous login in"}),
    Breaking(
        has_a_back_door_and_no_lockout,
        {"S1.1-02": "default login in", "S1.1-04": "takes wrong passwords without end"},
    ),
    Breaking(keeps_the_old_password, {"S1.1-03": "the old password at web (login): in"}),
    Breaking(
        has_a_factory_account_an_open_key_and_a_foreign_service,
        {
            "S1.1-02": "opens the account root",
            "S1.1-11": "tls.key.pem: mode 644",
            "S1.1-12": f"port {FOREIGN_PORT} speaks without TLS",
            "S1.1-13": f"tcp port {FOREIGN_PORT} is reachable and not declared",
        },
    ),
    Breaking(
        runs_programs_from_its_data,
        {"S1.1-11": "without noexec", "S1.1-13": f"udp port {FOREIGN_UDP} is reachable and not declared"},
    ),
    Breaking(runs_on_a_root_that_nobody_verified, {"S1.1-11": "the root file system is writable or unverified"}),
)


def test_the_report_lists_the_sixteen_criteria_and_every_pass_names_the_probes_that_ran(healthy: dict[str, Any]):
    assert tuple(finding["criterion"] for finding in healthy["findings"]) == CRITERIA
    assert len(CRITERIA) == 16
    for finding in healthy["findings"]:
        if finding["verdict"] == "PASS":
            assert finding["basis"] == "measured"
            assert finding["probes"]
            assert set(finding["probes"]) <= set(healthy["facts"])
    assert "FAIL" not in verdicts(healthy).values(), reasons(healthy)
    assert verdicts(healthy)["S1.1-15"] == "INCONCLUSIVE"  # until test_erase.py erases it


def test_every_criterion_that_passes_is_broken_by_a_test(healthy: dict[str, Any]):
    passing = {criterion for criterion, verdict in verdicts(healthy).items() if verdict == "PASS"}
    broken = {criterion for breaking in BREAKINGS for criterion in breaking.fails}
    assert passing == PASSING
    assert passing <= broken


@pytest.mark.parametrize("breaking", BREAKINGS, ids=lambda breaking: breaking.act.__name__)
def test_a_property_broken_on_the_live_camera_fails(lab: LabCamera, breaking: Breaking):
    lab.restore()
    breaking.act(lab)
    report = lab.evidence()
    found = verdicts(report)
    for criterion, words in breaking.fails.items():
        assert found[criterion] == "FAIL", reasons(report)[criterion]
        assert words in reasons(report)[criterion]


def test_a_probe_whose_source_is_gone_on_the_live_camera_is_inconclusive(lab: LabCamera):
    lab.restore()
    cannot_be_looked_at(lab)
    report = lab.evidence()
    assert not {"verity", "system_accounts"} & set(report["facts"])
    assert verdicts(report)["S1.1-11"] == "INCONCLUSIVE"
    assert verdicts(report)["S1.1-02"] == "INCONCLUSIVE"


@pytest.mark.parametrize("row", [row for row in CHECKS if row.check is not None], ids=lambda row: row.criterion)
def test_without_a_probe_the_live_cameras_facts_never_pass(healthy: dict[str, Any], row: Any):
    subject = Subject(healthy["device"], healthy["model"], healthy["hardware"], healthy["version"], 1)
    for probe in row.probes:
        facts = copy.deepcopy(healthy["facts"])
        facts.pop(probe, None)
        report = compliance.assess(CATALOGUE, facts, subject, healthy["at"])
        finding = next(one for one in report.findings if one.criterion == row.criterion)
        assert finding.verdict in ("INCONCLUSIVE", "N/A"), (probe, finding)


def test_a_store_that_was_replaced_locks_the_camera_and_is_no_default(lab: LabCamera):
    lab.restore()
    lab.shell('echo \'{"v":1,"users":{}}\' >/data/camward/credentials/web.json')
    lab.restart("agent")

    report = lab.evidence()
    assert report["facts"]["claim_state"] == {"state": "locked"}
    assert report["facts"]["login_negative"]["tried"]
    assert verdicts(report)["S1.1-01"] == "PASS"
    assert verdicts(report)["S1.1-04"] == "INCONCLUSIVE"
