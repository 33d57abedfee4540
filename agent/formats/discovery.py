"""WS-Discovery (SOAP over UDP, April 2005) as ONVIF uses it: the question of whoever looks for cameras, and the answer.

ONVIF Core Specification, section 7 (device discovery). Both sides of Camward read and write it here: the camera answers
a Probe with one ProbeMatches, the installer's tool reads the answers. Nothing in an answer is proven; it is where to
look.
"""

from agent.formats import percent, xml
from agent.formats.errors import FormatError
from agent.formats.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agent.formats.xml import Element

PORT = 3702
GROUP = "239.255.255.250"
MAX_PROBE_BYTES = 4096  # those of video recorders and of ONVIF's own tools have about 1 KiB
MAX_MATCHES_BYTES = 8192  # one datagram; a camera's answer has about 1.2 KiB, and some say more about themselves
MAX_ITEMS = 32  # matches in an answer, types and scopes in a match
MAX_TEXT_CHARS = 512

DEVICE = "{http://www.onvif.org/ver10/device/wsdl}Device"
CAMERA = "{http://www.onvif.org/ver10/network/wsdl}NetworkVideoTransmitter"
OUR_TYPES = (CAMERA, DEVICE)
ONVIF_SCOPE = "onvif://www.onvif.org/"
OUR_SCOPE = "urn:camward:"
FACTS = ("state", "serial", "hardware")
"""What a camera of ours says about itself in scopes of its own, `urn:camward:NAME:VALUE`."""

_SOAP = "http://www.w3.org/2003/05/soap-envelope"
_ADDRESSING = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
_DISCOVERY = "http://schemas.xmlsoap.org/ws/2005/04/discovery"
_EVERYBODY = "urn:schemas-xmlsoap-org:ws:2005:04:discovery"
_ANONYMOUS = _ADDRESSING + "/role/anonymous"
_RULE_PREFIX = _DISCOVERY + "/rfc3986"
_RULE_EQUAL = _DISCOVERY + "/strcmp0"
_RULES = ("", _RULE_PREFIX, _RULE_EQUAL)

_ENVELOPE = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<s:Envelope xmlns:s="' + _SOAP + '" xmlns:a="' + _ADDRESSING
    + '" xmlns:d="' + _DISCOVERY + '" xmlns:dn="http://www.onvif.org/ver10/network/wsdl" '
    'xmlns:tds="http://www.onvif.org/ver10/device/wsdl"><s:Header>'
)  # fmt: skip


class Probe(Value):
    """Who is there? `types` and `scopes` an answer has to have, all of them; `rule` says how scopes are compared."""

    FIELDS = ("message_id", "types", "scopes", "rule")
    message_id: str
    types: "tuple[str, ...]"
    scopes: "tuple[str, ...]"
    rule: str


class Match(Value):
    """One device: its name for ever (`urn:uuid:...`), what it is, what it says about itself, where it is reached."""

    FIELDS = ("endpoint", "types", "scopes", "addresses")
    endpoint: str
    types: "tuple[str, ...]"
    scopes: "tuple[str, ...]"
    addresses: "tuple[str, ...]"


def encode_probe(message_id: str) -> bytes:
    """The question for all cameras; `message_id` is `urn:uuid:...`, new for each question."""
    head = _head("Probe", message_id, _EVERYBODY, "")
    return (head + "<d:Probe><d:Types>dn:NetworkVideoTransmitter</d:Types></d:Probe></s:Body></s:Envelope>\n").encode()


def parse_probe(body: bytes) -> Probe:
    """Read a datagram that asks who is there.

    Raises:
        FormatError: it is no Probe.
    """
    header, content = _open(body, MAX_PROBE_BYTES, "Probe")
    types = content.child(_name("Types"))
    scopes = content.child(_name("Scopes"))
    message_id = _bounded(header.child_text("{" + _ADDRESSING + "}MessageID"))
    if not message_id:
        raise FormatError("a probe without a MessageID")
    return Probe(
        message_id,
        _few(types.names()) if types is not None else (),
        _words(scopes.text) if scopes is not None else (),
        _bounded(scopes.attributes.get("MatchBy", "")) if scopes is not None else "",
    )


def fits(probe: Probe, match: Match) -> bool:
    """Whether the device is one of those that were asked for (WS-Discovery, 5.1)."""
    if any(wanted not in match.types for wanted in probe.types) or probe.rule not in _RULES:
        return False
    return all(any(_scope_fits(wanted, own, probe.rule) for own in match.scopes) for wanted in probe.scopes)


def encode_matches(message_id: str, relates_to: str, match: Match, sequence: "tuple[int, int]") -> bytes:
    """The answer to the probe `relates_to`. Of the types only ours can be written.

    `sequence`: which run of the device this is, and which message of that run (WS-Discovery, 5.3 and 6).
    """
    types = " ".join(
        name for name, one in (("dn:NetworkVideoTransmitter", CAMERA), ("tds:Device", DEVICE)) if one in match.types
    )
    inner = "".join(
        "<d:" + name + ">" + xml.escape(text) + "</d:" + name + ">"
        for name, text in (
            ("Types", types),
            ("Scopes", " ".join(match.scopes)),
            ("XAddrs", " ".join(match.addresses)),
            ("MetadataVersion", "1"),
        )
    )
    return (
        _head("ProbeMatches", message_id, _ANONYMOUS, _related(relates_to, sequence))
        + "<d:ProbeMatches><d:ProbeMatch><a:EndpointReference><a:Address>"
        + xml.escape(match.endpoint)
        + "</a:Address></a:EndpointReference>"
        + inner
        + "</d:ProbeMatch></d:ProbeMatches></s:Body></s:Envelope>\n"
    ).encode()


def parse_matches(body: bytes) -> "tuple[str, tuple[Match, ...]]":
    """Read an answer: the MessageID of the question, and the devices.

    Raises:
        FormatError: it is no answer to a probe.
    """
    header, content = _open(body, MAX_MATCHES_BYTES, "ProbeMatches")
    found = [_match(one) for one in content.children if one.name == _name("ProbeMatch")]
    if len(found) > MAX_ITEMS:
        raise FormatError("too many matches")
    return _bounded(header.child_text("{" + _ADDRESSING + "}RelatesTo")), tuple(found)


def scopes(model: str, facts: "dict[str, str]") -> "tuple[str, ...]":
    """What a camera of ours says about itself: what ONVIF asks for, and those of FACTS that are given."""
    own = [ONVIF_SCOPE + "type/video_encoder"]
    own += [ONVIF_SCOPE + what + "/" + percent.encode(model) for what in ("hardware", "name")]
    return tuple(own + [OUR_SCOPE + name + ":" + percent.encode(facts[name]) for name in FACTS if name in facts])


def told(match: Match) -> "dict[str, str]":
    """What a camera of ours says about itself: FACTS, and `model`; empty for any other device.

    Raises:
        FormatError: a value that `scopes` does not write.
    """
    found = {}
    for scope in match.scopes:
        if scope[: len(OUR_SCOPE)] == OUR_SCOPE:
            name, colon, value = scope[len(OUR_SCOPE) :].partition(":")
            if colon and name in FACTS:
                found[name] = percent.decode(value)
    model = ONVIF_SCOPE + "name/"
    for scope in match.scopes:
        if found and scope[: len(model)] == model:
            found["model"] = percent.decode(scope[len(model) :])
    return found


def _related(relates_to: str, sequence: "tuple[int, int]") -> str:
    number = 'InstanceId="' + str(sequence[0]) + '" MessageNumber="' + str(sequence[1]) + '"'
    return "<a:RelatesTo>" + xml.escape(relates_to) + "</a:RelatesTo><d:AppSequence " + number + "/>"


def _head(action: str, message_id: str, to: str, more: str) -> str:
    return (
        _ENVELOPE + "<a:Action>" + _DISCOVERY + "/" + action + "</a:Action><a:MessageID>" + xml.escape(message_id)
        + "</a:MessageID>" + more + "<a:To>" + to + "</a:To></s:Header><s:Body>"
    )  # fmt: skip


def _open(body: bytes, max_bytes: int, action: str) -> "tuple[Element, Element]":
    """Header and content of an envelope with this action.

    Raises:
        FormatError: it is another one, or none.
    """
    root = xml.parse(body, max_bytes)
    header, inner = root.child("{" + _SOAP + "}Header"), root.child("{" + _SOAP + "}Body")
    if root.name != "{" + _SOAP + "}Envelope" or header is None or inner is None or len(inner.children) != 1:
        raise FormatError("no SOAP envelope with header and one content")
    if header.child_text("{" + _ADDRESSING + "}Action") != _DISCOVERY + "/" + action or inner.children[0].name != _name(
        action
    ):
        raise FormatError("another action than " + action)
    return header, inner.children[0]


def _match(one: "Element") -> Match:
    reference, types = one.child("{" + _ADDRESSING + "}EndpointReference"), one.child(_name("Types"))
    endpoint = _bounded(reference.child_text("{" + _ADDRESSING + "}Address")) if reference is not None else ""
    if not endpoint:
        raise FormatError("a match without an endpoint")
    return Match(
        endpoint,
        _few(types.names()) if types is not None else (),
        _words(one.child_text(_name("Scopes"))),
        _words(one.child_text(_name("XAddrs"))),
    )


def _scope_fits(wanted: str, own: str, rule: str) -> bool:
    """Equal, or by RFC 3986: scheme and host whatever their case, and the path's segments from the left."""
    if rule == _RULE_EQUAL or wanted == own:
        return wanted == own
    asked, offered = wanted.split("/"), own.split("/")
    while len(asked) > 3 and not asked[-1]:
        asked.pop()
    ours = [_fold(part) for part in offered[:3]] + offered[3 : len(asked)]
    return "//" in wanted and [_fold(part) for part in asked[:3]] + asked[3:] == ours


def _fold(text: str) -> str:
    """Lower case in ASCII: the interpreters disagree about the rest."""
    return "".join(chr(ord(one) + 32) if "A" <= one <= "Z" else one for one in text)


def _name(local: str) -> str:
    return "{" + _DISCOVERY + "}" + local


def _words(text: str) -> "tuple[str, ...]":
    return _few(tuple([_bounded(word) for word in xml.words(text)]))


def _few(items: "tuple[str, ...]") -> "tuple[str, ...]":
    if len(items) > MAX_ITEMS:
        raise FormatError("too many items")
    return items


def _bounded(text: str) -> str:
    if len(text) > MAX_TEXT_CHARS:
        raise FormatError("a text that is too long")
    return text
