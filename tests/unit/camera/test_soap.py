import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim.camera.onvif.soap import DEVICE, ENVELOPE, Fault, SoapError, envelope, fault_envelope, parse_request

GOOD = (
    f'<s:Envelope xmlns:s="{ENVELOPE}"><s:Header/><s:Body><GetUsers xmlns="{DEVICE}"/></s:Body></s:Envelope>'.encode()
)


@pytest.mark.parametrize(
    "prefix", [b"", b'<?xml version="1.0"?>', b'\xef\xbb\xbf<?xml version="1.0" encoding="UTF-8"?>\n']
)
def test_reads_the_operation(prefix: bytes) -> None:
    assert parse_request(prefix + GOOD).operation.tag == f"{{{DEVICE}}}GetUsers"


ATTACKS = {
    "billion laughs": b'<!DOCTYPE a [<!ENTITY b "c"><!ENTITY d "&b;&b;">]>' + GOOD,
    "external entity": b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/shadow">]>'
    + GOOD.replace(b"<s:Header/>", b"<s:Header>&b;</s:Header>"),
    "document type": b"<!DOCTYPE a>" + GOOD,
    "utf-16": b"\xff\xfe" + GOOD.decode().encode("utf-16-le"),
    "declared utf-16": b'<?xml version="1.0" encoding="utf-16"?>' + GOOD,
    "declared utf-7": b'<?xml version="1.0" encoding="utf-7"?>' + GOOD,
    "processing instruction": GOOD.replace(b"<s:Header/>", b"<?php x?>"),
    "comment": GOOD.replace(b"<s:Header/>", b"<!-- x -->"),
    "cdata": GOOD.replace(b"<s:Header/>", b"<s:Header><![CDATA[x]]></s:Header>"),
    "undefined entity": GOOD.replace(b"<s:Header/>", b"<s:Header>&x;</s:Header>"),
    "too deep": GOOD.replace(b"<s:Header/>", b"<a>" * 20 + b"</a>" * 20),
    "too many": GOOD.replace(b"<s:Header/>", b"<s:Header>" + b"<a/>" * 300 + b"</s:Header>"),
    "too long": GOOD.replace(b"<s:Header/>", b"<s:Header>" + b" " * 17_000 + b"</s:Header>"),
    "nul": GOOD.replace(b"<s:Header/>", b"\x00"),
    "cut off": GOOD[:-5],
    "soap 1.1": GOOD.replace(ENVELOPE.encode(), b"http://schemas.xmlsoap.org/soap/envelope/"),
    "no operation": GOOD.replace(b'<GetUsers xmlns="' + DEVICE.encode() + b'"/>', b""),
    "two operations": GOOD.replace(b"</s:Body>", b"<b/></s:Body>"),
    "nothing": b"",
}


@pytest.mark.parametrize("name", ATTACKS)
def test_refuses(name: str) -> None:
    assert ATTACKS[name] != GOOD
    with pytest.raises(SoapError):
        parse_request(ATTACKS[name])


@given(st.binary(max_size=200), st.integers(min_value=0, max_value=len(GOOD)))
def test_random_bytes_are_read_or_refused(noise: bytes, position: int) -> None:
    for data in (noise, GOOD[:position] + noise + GOOD[position:], GOOD[:position] + noise):
        try:
            parse_request(data)
        except SoapError:
            continue


def test_a_fault_names_its_codes_and_escapes_its_reason() -> None:
    text = fault_envelope(Fault(400, True, ("OperationProhibited", "PasswordTooWeak"), "<a> & b")).decode()

    assert text.index("ter:OperationProhibited") < text.index("ter:PasswordTooWeak")
    assert "&lt;a&gt; &amp; b" in text
    assert "env:Sender" in text


def test_our_own_envelopes_are_readable() -> None:
    assert parse_request(envelope("<tds:GetUsersResponse/>")).operation.tag == f"{{{DEVICE}}}GetUsersResponse"
