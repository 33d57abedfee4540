"""Every function that reads bytes, texts or objects from outside, each behind one call that takes bytes.

`PARSERS` maps the function's name to that call and to valid inputs to mutate. Whatever the bytes, the call returns or
raises FormatError. A function that is missing here fails tests/unit/agent/test_every_parser.py.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from agent.app import audit_state, change_state, enrolment_state, identity, update_state
from agent.core import (
    allowance,
    attack,
    blocklist,
    clock,
    commands,
    compliance,
    deny_list,
    lockout,
    password_policy,
    schedule,
    slots,
    timezone,
)
from agent.formats import (
    address,
    alarm,
    audit,
    base64,
    block_tree,
    boot_record,
    bundle,
    canonical_json,
    cbor,
    certificate,
    command,
    config,
    cose,
    data_area,
    delivery,
    discovery,
    envelope,
    evidence,
    health,
    json,
    label,
    login,
    messages,
    neighbours,
    outbox_record,
    ownership,
    percent,
    plain_rtsp,
    program_line,
    programs,
    proxy,
    quarantine,
    range_request,
    receipt,
    release,
    releases,
    required_change,
    running,
    samples,
    sealed,
    shadow,
    system_logins,
    taken,
    token,
    tpm,
    transfer,
    tuf,
    utc,
    voucher,
    ws_token,
    xml,
)
from tests.fuzz import readers, seeds, tpm_seeds

MAX_BYTES = 512 * 1024
SECRET = seeds.PlainSecret()
MANUFACTURERS = schedule.parse({"windows": "daily 02:00-04:00"})


class Parser(NamedTuple):
    """`read` gets any bytes; `seeds` are some that it accepts."""

    read: Callable[[bytes], Any]
    seeds: tuple[bytes, ...]


def _text(read: Callable[[str], Any]) -> Callable[[bytes], Any]:
    """For functions that take a text: also one that no UTF-8 gives, as a command line may."""
    return lambda data: read(data.decode("utf-8", "surrogateescape"))


def _object(read: Callable[[dict[str, Any]], Any]) -> Callable[[bytes], Any]:
    return lambda data: read(json.parse_object(data, MAX_BYTES, floats=True))


def _value(read: Callable[[Any], Any]) -> Callable[[bytes], Any]:
    return lambda data: read(json.parse(data, MAX_BYTES, floats=True))


def _metadata(role: str, read: Callable[[tuf.Metadata], Any]) -> Callable[[bytes], Any]:
    return lambda data: read(tuf.parse(data, role, MAX_BYTES))


FIELDS = (
    *("as_object", "obj", "array", "row", "as_integer", "integer", "number", "boolean", "as_text", "text", "choice"),
    *("as_hex", "hexadecimal", "as_name", "name", "only"),
)
_FIELDS = Parser(_value(readers.every_field), (seeds.FIELDS,))


def _record(read: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    """The bytes as a record, or as the body of a sound one: what the hash keeps from the parser is tried as well."""
    return lambda data: read(data if data[:1] == b"c" else data_area.encode(data))


_DOCUMENTS = data_area.encode_documents({"factory/label.json": b"{}", "clock/floor.json": b"1"})
_TEMPLATE = data_area.encode_template(9, {0: bytes(4096), 7: b"x" * 4096})
_STATE = data_area.encode_state(data_area.NEW)

PARSERS: dict[str, Parser] = {
    "formats.data_area.record_bytes": Parser(lambda data: data_area.record_bytes(data, 4096), (_DOCUMENTS,)),
    "formats.data_area.parse": Parser(data_area.parse, (_DOCUMENTS, _STATE)),
    "formats.data_area.parse_state": Parser(
        lambda data: data_area.parse_state(data[:512], data[512:]), (_STATE, bytes(512) + _STATE)
    ),
    "formats.data_area.parse_documents": Parser(
        _record(data_area.parse_documents), (_DOCUMENTS, data_area.parse(_DOCUMENTS))
    ),
    "formats.data_area.parse_template": Parser(
        _record(data_area.parse_template), (_TEMPLATE, data_area.parse(_TEMPLATE))
    ),
    "formats.transfer.parse": Parser(_object(transfer.parse), (b"{}", seeds.TRANSFER)),
    "formats.tpm.response_code": Parser(tpm.response_code, (tpm_seeds.FLUSHED, tpm_seeds.NO_SECRET, tpm_seeds.SIGNED)),
    "formats.tpm.parse_handle": Parser(tpm.parse_handle, (tpm_seeds.LOADED,)),
    "formats.tpm.parse_created": Parser(tpm.parse_created, (tpm_seeds.CREATED,)),
    "formats.tpm.parse_signature": Parser(tpm.parse_signature, (tpm_seeds.SIGNED,)),
    "formats.tpm.parse_product": Parser(tpm.parse_product, (tpm_seeds.PRODUCT,)),
    "formats.tpm.parse_secret": Parser(tpm.parse_secret, (tpm_seeds.SECRET,)),
    "formats.tpm.parse_blob": Parser(tpm.parse_blob, (tpm_seeds.BLOB,)),
    "formats.neighbours.parse": Parser(_object(neighbours.parse), (b"{}", seeds.NEIGHBOURS)),
    "formats.running.parse": Parser(running.parse, (seeds.RUNNING,)),
    "formats.address.parse": Parser(_text(address.parse), (b"192.168.7.2", b"fd00::7:2", b"::ffff:10.0.0.1")),
    "formats.range_request.parse": Parser(range_request.parse, (seeds.RANGE_REQUEST,)),
    "core.allowance.parse": Parser(allowance.parse, (allowance.encode(allowance.NOTHING),)),
    "formats.block_tree.leaves_of": Parser(block_tree.leaves_of, (b"", bytes(8192))),
    "app.packed.packed": Parser(readers.packed_index, seeds.SEGMENTS),
    "formats.delivery.parse": Parser(_value(delivery.parse), (seeds.DELIVERY, b'{"v":1}')),
    "formats.command.parse": Parser(command.parse, (seeds.COMMAND,)),
    "formats.command.with_keys": Parser(
        _object(lambda source: command.with_keys(ownership.parse(seeds.OWNERSHIP), source)), (seeds.CHANGED_KEYS,)
    ),
    "formats.command.with_settings": Parser(
        _object(lambda source: command.with_settings(ownership.parse(seeds.OWNERSHIP), source)), (seeds.SETTINGS,)
    ),
    "formats.command.proxy_said": Parser(_object(command.proxy_said), (seeds.PROXY_SAID, seeds.NO_PROXY)),
    "formats.command.parse_report": Parser(_object(command.parse_report), (seeds.COMMAND_REPORT,)),
    "core.commands.decode": Parser(commands.decode, (seeds.COMMAND_STATE, commands.encode(commands.NOTHING))),
    "app.identity.parse_name": Parser(identity.parse_name, (identity.encode_name("a" * 26, "ab" * 32),)),
    "formats.plain_rtsp.decode_sent": Parser(plain_rtsp.decode_sent, (seeds.PLAIN_RTSP_SENT,)),
    "formats.plain_rtsp.decode": Parser(plain_rtsp.decode, (seeds.PLAIN_RTSP,)),
    "formats.quarantine.decode": Parser(quarantine.decode, (seeds.QUARANTINE,)),
    "formats.quarantine.reason": Parser(_object(quarantine.reason), (b"{}", b'{"reason":"x"}')),
    "formats.required_change.parse": Parser(_value(required_change.parse), (seeds.REQUIRED_CHANGE,)),
    "formats.alarm.parse": Parser(_object(alarm.parse), (seeds.ALARM,)),
    "core.attack.resume": Parser(lambda data: attack.Attack().resume(data, 0.0), (seeds.ATTACK,)),
    "formats.required_change.parse_report": Parser(_object(required_change.parse_report), (seeds.CHANGE_REPORT,)),
    "formats.sealed.parse": Parser(lambda data: sealed.parse(data, 4096), (sealed.encode(b"sealed"), b'{"v":1}')),
    "formats.shadow.parse_passwd": Parser(shadow.parse_passwd, (b"", seeds.PASSWD)),
    "formats.shadow.parse_shadow": Parser(shadow.parse_shadow, (b"", seeds.SHADOW)),
    "formats.ws_token.parse_nonce": Parser(_text(ws_token.parse_nonce), (b"YWJjZGVm",)),
    "formats.ws_token.parse_created": Parser(
        _text(ws_token.parse_created), (b"2026-11-28T12:00:00Z", b"2026-11-28T12:00:00.123Z")
    ),
    "app.account_stores.with_tokens": Parser(readers.with_tokens, (seeds.TOKEN_STORE,)),
    "formats.system_logins.parse": Parser(_object(system_logins.parse), (json.dump(seeds.SYSTEM_LOGINS),)),
    "app.account_stores.parse_accounts": Parser(readers.accounts, (b"w" + seeds.ACCOUNTS[0], b"d" + seeds.ACCOUNTS[1])),
    "app.account_stores.with_shadow": Parser(readers.with_shadow, (seeds.SHADOW_STORE,)),
    "app.console.rendered": Parser(readers.rendered, (b"\0", seeds.PASSWD + b"\0" + seeds.SHADOW)),
    "formats.segments.parse": Parser(readers.every_segment, seeds.SEGMENTS),
    "formats.base64.decode": Parser(_text(base64.decode), (b"", b"YQ==", b"YWJjZGVm")),
    "formats.base64.decode_url": Parser(_text(base64.decode_url), (b"", b"YQ", b"_-8")),
    "formats.block_tree.leaf": Parser(block_tree.leaf, (bytes(4096),)),
    "formats.block_tree.root_of": Parser(block_tree.root_of, (bytes(32), bytes(range(96)))),
    "formats.boot_record.decode": Parser(boot_record.decode, seeds.BOOT_RECORDS),
    "formats.boot_record.newer": Parser(readers.newer, (seeds.BOOT_RECORDS[0] + seeds.BOOT_RECORDS[1],)),
    "formats.bundle.parse_head": Parser(bundle.parse_head, (seeds.BUNDLE[: bundle.HEAD_BYTES],)),
    "formats.bundle.parse_index": Parser(readers.index, (seeds.BUNDLE[bundle.HEAD_BYTES :],)),
    "formats.canonical_json.encode": Parser(
        _value(canonical_json.encode), (seeds.ROOT, b'{"a":[1,"\\u00e9\\"",null,true]}')
    ),
    "formats.certificate.validity": Parser(certificate.validity, (seeds.CERTIFICATE,)),
    "formats.certificate.first": Parser(certificate.first, (seeds.CERTIFICATE_PEM,)),
    "formats.config.parse": Parser(config.parse, (seeds.CONFIG,)),
    "formats.delegations.responsible": Parser(
        _metadata("targets", readers.responsible), (seeds.TARGETS, seeds.DELEGATING, seeds.BINS)
    ),
    "formats.delegations.matches": Parser(
        readers.matches, (b"a/b\n*/[!a-c]", b"aaaaaaaaaaaaaaaaaaab\n*a*a*a*a*a", b"]\n[]]")
    ),
    "formats.discovery.parse_probe": Parser(discovery.parse_probe, (seeds.PROBE,)),
    "formats.discovery.parse_matches": Parser(discovery.parse_matches, (seeds.MATCHES,)),
    "formats.discovery.told": Parser(readers.told, (seeds.MATCHES,)),
    "formats.xml.parse": Parser(lambda data: xml.parse(data, MAX_BYTES), (seeds.PROBE, seeds.MATCHES)),
    "formats.programs.parse": Parser(_object(programs.parse), (seeds.PROGRAMS,)),
    "formats.programs.program_name": Parser(_value(programs.program_name), (b'"river"',)),
    "formats.program_line.parse_request": Parser(program_line.parse_request, seeds.PROGRAM_LINES),
    "formats.cbor.parse": Parser(lambda data: cbor.parse(data, MAX_BYTES, (cose.TAG,)), seeds.SEALED_MESSAGES),
    "formats.cose.parse": Parser(cose.parse, seeds.SEALED_MESSAGES),
    "formats.envelope.parse": Parser(envelope.parse, seeds.ENVELOPES),
    "formats.evidence.parse": Parser(_object(evidence.parse), (seeds.EVIDENCE,)),
    **{f"formats.fields.{name}": _FIELDS for name in FIELDS},
    "formats.samples.parse": Parser(samples.parse, seeds.SAMPLES),
    "formats.envelope.device_id": _FIELDS,
    "formats.token.est_url": _FIELDS,
    "formats.token.https_url": _FIELDS,
    "formats.health.parse_health": Parser(
        _object(lambda source: health.parse_health(source, {"web": "web"})), (json.dump(seeds.HEALTH),)
    ),
    "formats.json.parse": Parser(lambda data: json.parse(data, MAX_BYTES), (seeds.ROOT, b'[1,-2,"\\ud83d\\ude00"]')),
    "formats.json.parse_object": Parser(
        lambda data: json.parse_object(data, MAX_BYTES, floats=True), (seeds.ROOT, b'{"a":[1.5e3,-0.0,{}]}')
    ),
    "formats.json.check_utf8": Parser(json.check_utf8, ("aé名😀".encode(),)),
    "formats.label.parse": Parser(label.parse, (seeds.LABEL,)),
    "formats.label.normal_code": Parser(_text(label.normal_code), (b"abcd-EFGH 2345-6723",)),
    "formats.login.parse_request": Parser(login.parse_request, seeds.LOGIN_LINES),
    "formats.messages.parse_telemetry": Parser(_object(messages.parse_telemetry), (seeds.TELEMETRY,)),
    "formats.messages.telemetry_body": Parser(_object(messages.telemetry_body), (seeds.TELEMETRY,)),
    "formats.messages.parse_report": Parser(_object(messages.parse_report), (seeds.REPORT,)),
    "formats.messages.parse_state": Parser(messages.parse_state, (seeds.STATE,)),
    "formats.outbox_record.read": Parser(
        lambda data: (*outbox_record.scan(data), outbox_record.read(data)), seeds.RECORDS
    ),
    "formats.outbox_record.parse_name": Parser(_text(outbox_record.parse_name), (b"outbox/alarm-0000000007-1",)),
    "formats.ownership.parse": Parser(ownership.parse, (seeds.OWNERSHIP,)),
    "formats.percent.decode": Parser(_text(percent.decode), (b"a%2Fb", b"%C3%BC")),
    "formats.receipt.parse": Parser(receipt.parse, (seeds.RECEIPT,)),
    "formats.release.parse": Parser(
        _metadata("targets", lambda metadata: readers.each_target(metadata, release.parse)), (seeds.RELEASES,)
    ),
    "formats.proxy.parse": Parser(_object(proxy.parse), (seeds.PROXY,)),
    "formats.proxy.parse_site": Parser(proxy.parse_site, (b'{"v":1,"proxy":' + seeds.PROXY + b"}",)),
    "formats.proxy.parse_login": Parser(proxy.parse_login, (b"camera:a password\n",)),
    "formats.proxy.parse_answer": Parser(
        proxy.parse_answer, (b"HTTP/1.1 200 OK\r\nVia: x\r\n\r\n", b"HTTP/1.0 407 \r\n\r\n")
    ),
    "formats.release.version_key": Parser(_text(release.version_key), (b"1.20.3",)),
    "formats.releases.parse": Parser(_object(releases.parse), (seeds.PUBLIC,)),
    "formats.taken.parse": Parser(taken.parse, (seeds.TAKEN,)),
    "formats.token.parse": Parser(_text(token.parse), (seeds.TOKEN, seeds.TOKEN_EST)),
    "formats.tuf.parse": Parser(lambda data: tuf.parse(data, "timestamp", MAX_BYTES), (seeds.TIMESTAMP,)),
    "formats.tuf.parse_root": Parser(lambda data: tuf.parse_root(data, MAX_BYTES), (seeds.ROOT,)),
    "formats.tuf.parse_keys": Parser(_object(lambda source: tuf.parse_keys(source, tuf.read_p256_key)), (seeds.KEYS,)),
    "formats.tuf.read_p256_key": Parser(_object(readers.read_key), (seeds.KEY,)),
    "formats.tuf.role_keys": Parser(_object(tuf.role_keys), (b'{"keyids":["a","b"],"threshold":2}',)),
    "formats.tuf.snapshot_meta": Parser(_metadata("timestamp", tuf.snapshot_meta), (seeds.TIMESTAMP,)),
    "formats.tuf.targets_metas": Parser(_metadata("snapshot", tuf.targets_metas), (seeds.SNAPSHOT,)),
    "formats.tuf.targets_files": Parser(_metadata("targets", tuf.targets_files), (seeds.TARGETS,)),
    "formats.tuf.target_file": Parser(
        _metadata("targets", lambda metadata: readers.each_target(metadata, lambda target: target)), (seeds.TARGETS,)
    ),
    "formats.tuf.has_delegations": Parser(_metadata("targets", tuf.has_delegations), (seeds.DELEGATING,)),
    "formats.tuf.signatures": Parser(_object(tuf.signatures), (seeds.TIMESTAMP,)),
    "formats.tuf.point_from_pem": Parser(_text(tuf.point_from_pem), (seeds.PEM,)),
    "formats.utc.parse": Parser(_text(utc.parse), (b"2027-01-15T08:00:00Z", b"2024-02-29T23:59:59Z")),
    "formats.utc.parse_date": Parser(_text(utc.parse_date), (b"2031-12-31",)),
    "formats.voucher.parse": Parser(voucher.parse, (seeds.VOUCHER,)),
    "core.blocklist.parse_words": Parser(blocklist.parse_words, (seeds.WORDS,)),
    "core.clock.parse": Parser(lambda data: clock.parse(data, 1_790_000_000), (clock.encode(1_800_000_000),)),
    "core.compliance.parse_catalogue": Parser(compliance.parse_catalogue, (seeds.CATALOGUE,)),
    "core.lockout.parse": Parser(lockout.parse, (seeds.LOCKOUT,)),
    "core.password_policy.parse_policy": Parser(
        _object(password_policy.parse_policy), (b"{}", b'{"min_chars":15}', seeds.POLICY)
    ),
    "core.schedule.overlay": Parser(_object(lambda source: schedule.overlay(MANUFACTURERS, source)), (seeds.OVERLAY,)),
    "core.schedule.parse": Parser(_object(schedule.parse), (seeds.SCHEDULE,)),
    "core.schedule.parse_windows": Parser(
        _text(schedule.parse_windows), (b"mon-fri 01:30-04:00; sat,sun 23:00-05:00",)
    ),
    "core.timezone.parse": Parser(_text(timezone.parse), (b"JST-9", b"<+1030>-10:30<+11>-11,M10.1.0,J60/3:00:01")),
    "core.slots.parse_layout": Parser(_object(slots.parse_layout), (seeds.LAYOUT,)),
    "core.word_filter.parse": Parser(readers.asked_filter, (seeds.WORD_FILTER,)),
    "formats.account_lines.read_lines": Parser(readers.every_kind, (b"", seeds.PASSWD, seeds.SHADOW, seeds.HTDIGEST)),
    "formats.account_lines.without": Parser(readers.every_kind, (seeds.HTDIGEST,)),
    "formats.audit.parse": Parser(_object(audit.parse), (seeds.AUDIT, b'{"policy":"lock"}')),
    "core.foreign_accounts.looked": Parser(readers.judged, (seeds.PASSWD, seeds.SHADOW, seeds.HTDIGEST)),
    "core.deny_list.parse_denied": Parser(deny_list.parse_denied, (b'{"v":1,"passwords":["xc3511"]}',)),
    "app.audit_state.parse_state": Parser(audit_state.parse_state, (seeds.AUDIT_STATE,)),
    "app.audit_state.decode": Parser(lambda data: audit_state.decode(data, SECRET), (seeds.SEALED_AUDIT_STATE,)),
    "app.change_state.decode": Parser(change_state.decode, (seeds.CHANGE_STATE,)),
    "app.enrolment_state.decode": Parser(enrolment_state.decode, (seeds.ENROLMENT,)),
    "app.update_state.decode": Parser(update_state.decode, (seeds.UPDATE,)),
    "app.update_state.release_of": Parser(_object(update_state.release_of), (seeds.UPDATE_RELEASE,)),
}
