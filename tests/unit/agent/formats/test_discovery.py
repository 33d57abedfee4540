"""WS-Discovery: what real recorders and cameras send is read, and what we send stays small."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.formats import discovery
from agent.formats.errors import FormatError

FACTS = {"state": "unclaimed", "serial": "KW1-000001", "hardware": "a"}
MATCH = discovery.Match(
    "urn:uuid:3", discovery.OUR_TYPES, discovery.scopes("kawa-1", FACTS), ("https://192.0.2.7/onvif/device_service",)
)
# As gSOAP writes it: its own prefixes, headers with attributes, single quotes nowhere, an empty Scopes.
GSOAP = b"""<?xml version="1.0" encoding="utf-8"?>
<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://www.w3.org/2003/05/soap-envelope" \
xmlns:SOAP-ENC="http://www.w3.org/2003/05/soap-encoding" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" \
xmlns:wsa="http://schemas.xmlsoap.org/ws/2004/08/addressing" \
xmlns:wsdd="http://schemas.xmlsoap.org/ws/2005/04/discovery" \
xmlns:tdn="http://www.onvif.org/ver10/network/wsdl"><SOAP-ENV:Header><wsa:MessageID>uuid:84ede3de</wsa:MessageID>\
<wsa:To SOAP-ENV:mustUnderstand="true">urn:schemas-xmlsoap-org:ws:2005:04:discovery</wsa:To>\
<wsa:Action SOAP-ENV:mustUnderstand="true">http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</wsa:Action>\
</SOAP-ENV:Header><SOAP-ENV:Body><wsdd:Probe><wsdd:Types>tdn:NetworkVideoTransmitter</wsdd:Types>\
<wsdd:Scopes></wsdd:Scopes></wsdd:Probe></SOAP-ENV:Body></SOAP-ENV:Envelope>"""


def test_the_probe_of_a_recorder_is_understood():
    probe = discovery.parse_probe(GSOAP)
    assert (probe.message_id, probe.types) == ("uuid:84ede3de", (discovery.CAMERA,))
    assert discovery.fits(probe, MATCH)


def test_a_camera_that_is_not_ours_is_read_and_tells_nothing():
    answer = discovery.encode_matches(
        "urn:uuid:9", "urn:uuid:1", MATCH.replace(scopes=("onvif://www.onvif.org/name/Other",)), (7, 1)
    )
    _, (match,) = discovery.parse_matches(answer)
    assert discovery.told(match) == {}


def test_an_answer_fits_one_packet():
    longest = {"state": "unclaimed", "serial": "K" * 64, "hardware": "h" * 16}
    match = MATCH.replace(
        endpoint="urn:uuid:" + "0" * 36,
        scopes=discovery.scopes("m" * 32, longest),
        addresses=("https://255.255.255.255:65535/onvif/device_service",),
    )
    assert (
        len(discovery.encode_matches("urn:uuid:" + "0" * 36, "urn:uuid:" + "1" * 36, match, (2**32 - 1, 2**32 - 1)))
        <= 1472
    )


plain = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=16)


@given(plain, st.dictionaries(st.sampled_from(discovery.FACTS), plain, min_size=1))
def test_what_a_camera_says_comes_back(model, facts):
    match = MATCH.replace(scopes=discovery.scopes(model, facts))
    answer = discovery.encode_matches("urn:uuid:9", "urn:uuid:1", match, (7, 1))
    assert discovery.parse_matches(answer) == ("urn:uuid:1", (match,))
    assert discovery.told(match) == {**facts, "model": model}


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("onvif://www.onvif.org/type", True),
        ("onvif://www.onvif.org/type/", True),
        ("ONVIF://www.ONVIF.org/type/video_encoder", True),
        ("onvif://www.onvif.org/type/video", False),
        ("onvif://www.onvif.org/TYPE", False),
        ("onvif://elsewhere.org/type", False),
        ("urn:camward:state:unclaimed", True),
        ("urn:camward:state", False),
    ],
)
def test_scopes_are_compared_by_whole_segments(wanted, found):
    assert discovery.fits(discovery.Probe("urn:uuid:1", (), (wanted,), ""), MATCH) is found


def test_other_rules_and_other_types_fit_nothing():
    assert not discovery.fits(discovery.Probe("urn:uuid:1", (), (), "urn:other"), MATCH)
    assert not discovery.fits(discovery.Probe("urn:uuid:1", ("{urn:printers}Printer",), (), ""), MATCH)


@pytest.mark.parametrize("body", [b"", b"<a/>", GSOAP.replace(b"/Probe<", b"/Bye<"), GSOAP * 5])
def test_what_is_no_probe_is_refused(body):
    with pytest.raises(FormatError):
        discovery.parse_probe(body)
