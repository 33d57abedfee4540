from agent.core.compliance_checks import CHECKS, judge

TRIED = [{"service": "web", "port": 443, "anonymous": "refused", "default": "refused"}]
FACTS = {
    "listeners": {"found": [{"proto": "tcp", "port": 443}, {"proto": "udp", "port": 68}]},
    "login_negative": {"tried": TRIED},
    "claim_state": {"state": "claimed"},
    "system_accounts": {"checked": 2, "usable": []},
    "default_password": {"min_chars": 15, "blocklist": True, "changed_at": 5},
    "password_change": {"exercised": True, "at": 5, "services": ["web"], "contradicted": []},
    "lockout_selftest": {"tried": [{"service": "web", "blocked": True, "after": 5}]},
    "update_refusals": {
        "tried": [{"attack": a, "refused": True, "code": "x"} for a in ("bit_flip", "wrong_key", "truncated", "older")]
    },
    "update_history": {"from": "1.0.0", "to": "1.1.0", "committed": True, "boots_since": 1, "user_steps": 0},
    "identity": {"model": "kawa-1", "version": "1.1.0", "serial": "KW1-000001"},
    "identity_shown": {"model": "kawa-1", "version": "1.1.0", "local": True, "server": True},
    "storage_permissions": {"checked": 9, "wrong": []},
    "mounts": {"root_read_only": True, "data_options": ["nosuid", "nodev", "noexec"]},
    "verity": {"active": True},
    "tls_listeners": {"tried": [{"service": "web", "port": 443, "tls": True, "version": "TLSv1.3"}]},
    "tls_connections": {"open": [{"peer": "s", "version": "TLSv1.3", "verified": True}]},
    "plain_rtsp": {"open": False, "port": 554},
    "power_loss": {"unclean": 1, "settings_kept": True, "version_kept": True},
    "erase": {"done": True, "remaining": [], "version_kept": True},
    "declaration": {"listeners": [{"proto": "tcp", "port": 443}, {"proto": "udp", "port": 68}]},
}
for row in CHECKS:
    if row.check is None:
        print(row.criterion, "declared by:", row.declaration)
        continue
    print(row.criterion, judge(row, FACTS))
    for probe in row.probes:
        fewer = dict(FACTS)
        del fewer[probe]
        print("  without", probe, judge(row, fewer))
        fewer[probe] = {}
        print("  empty", probe, judge(row, fewer))
opened = dict(FACTS)
opened["plain_rtsp"] = {"open": True, "port": 554, "since": "2026-11-29T09:00:00Z", "until": "2026-12-29T09:00:00Z"}
for row in CHECKS:
    if "plain_rtsp" in row.probes:
        print(judge(row, opened))
        opened["tls_listeners"] = {"tried": [{"service": "", "port": 9, "tls": False, "version": ""}]}
        print(judge(row, opened))
