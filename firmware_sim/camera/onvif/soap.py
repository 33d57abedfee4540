"""SOAP 1.2 envelopes of the ONVIF device service: bytes <-> values, bounded. Pure.

XML attacks are cut off before the parser sees them: no declaration of any kind (`<!`), no processing instruction,
UTF-8 alone, bounded bytes, depth and elements.
"""

import re
from html import escape
from typing import NamedTuple
from xml.etree import ElementTree

MAX_ENVELOPE_BYTES = 16_384
"""A CreateUsers with eight users takes about 3 KiB."""

MAX_DEPTH = 16
MAX_ELEMENTS = 256

ENVELOPE = "http://www.w3.org/2003/05/soap-envelope"
DEVICE = "http://www.onvif.org/ver10/device/wsdl"
SCHEMA = "http://www.onvif.org/ver10/schema"
ERROR = "http://www.onvif.org/ver10/error"

_DECLARATION = re.compile(rb"\A(?:\xef\xbb\xbf)?\s*<\?xml[^?>]{0,100}\?>", re.DOTALL)
_ENCODING = re.compile(rb"""encoding\s*=\s*["']utf-8["']""", re.IGNORECASE)


class SoapError(Exception):
    """The body is no SOAP request that this service reads; becomes a ter:WellFormed fault."""


class Fault(NamedTuple):
    """A SOAP fault.

    Attributes:
        status: HTTP status.
        sender: True when the client is at fault.
        subcodes: ONVIF subcodes from the general to the special, without prefix.
        reason: English text for people.
    """

    status: int
    sender: bool
    subcodes: tuple[str, ...]
    reason: str


class Message(NamedTuple):
    """A request.

    Attributes:
        operation: the one child of the SOAP body.
        header: the SOAP header, None when absent.
    """

    operation: ElementTree.Element
    header: ElementTree.Element | None


def parse_request(data: bytes) -> Message:
    """The operation that is asked for, and the header that came with it.

    Raises:
        SoapError: anything but a well-formed SOAP 1.2 envelope within the limits, with exactly one operation.
    """
    if len(data) > MAX_ENVELOPE_BYTES:
        raise SoapError("the envelope is too long")
    declaration = _DECLARATION.match(data)
    rest = data[declaration.end() :] if declaration else data
    if declaration and b"encoding" in declaration[0] and not _ENCODING.search(declaration[0]):
        raise SoapError("the envelope must be UTF-8")
    if b"<!" in rest or b"<?" in rest or b"\x00" in data:
        raise SoapError("document types, entities, comments and processing instructions are not accepted")
    try:
        rest.decode("utf-8")
        root = ElementTree.fromstring(rest, ElementTree.XMLParser(target=_BoundedBuilder()))  # noqa: S314  bounded above
    except (UnicodeDecodeError, ElementTree.ParseError) as error:
        raise SoapError("the envelope is not well formed") from error
    body = root.find(f"{{{ENVELOPE}}}Body") if root.tag == f"{{{ENVELOPE}}}Envelope" else None
    if body is None or len(body) != 1:
        raise SoapError("this is no SOAP 1.2 envelope with one operation")
    return Message(body[0], root.find(f"{{{ENVELOPE}}}Header"))


class _BoundedBuilder(ElementTree.TreeBuilder):
    """Builds the tree and gives up at the limits, so that no tree beyond them ever exists."""

    def __init__(self) -> None:
        super().__init__()
        self._depth = 0
        self._elements = 0

    def start(self, tag: str, attrs: dict[str, str]) -> ElementTree.Element:
        self._depth += 1
        self._elements += 1
        if self._depth > MAX_DEPTH or self._elements > MAX_ELEMENTS:
            raise SoapError("the envelope is nested too deeply or has too many elements")
        return super().start(tag, attrs)

    def end(self, tag: str) -> ElementTree.Element:
        self._depth -= 1
        return super().end(tag)


def envelope(content: str) -> bytes:
    """A response envelope around the XML of its body, which may use the prefixes tds, tt and ter.

    Raises:
        Nothing: text always encodes.
    """
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<env:Envelope xmlns:env="{ENVELOPE}" xmlns:tds="{DEVICE}" '
        f'xmlns:tt="{SCHEMA}" xmlns:ter="{ERROR}"><env:Body>{content}</env:Body></env:Envelope>\n'
    ).encode()


def fault_envelope(fault: Fault) -> bytes:
    """The envelope of a fault (SOAP 1.2 part 1, section 5.4).

    Raises:
        Nothing: the reason is escaped.
    """
    subcode = ""
    for name in reversed(fault.subcodes):
        subcode = f"<env:Subcode><env:Value>ter:{name}</env:Value>{subcode}</env:Subcode>"
    code = "Sender" if fault.sender else "Receiver"
    return envelope(
        f"<env:Fault><env:Code><env:Value>env:{code}</env:Value>{subcode}</env:Code>"
        f'<env:Reason><env:Text xml:lang="en">{escape(fault.reason)}</env:Text></env:Reason></env:Fault>'
    )


def child_text(element: ElementTree.Element, name: str) -> str:
    """The text of a child in the ONVIF schema namespace, empty when absent.

    Raises:
        Nothing: absence is the empty text.
    """
    return (element.findtext(f"{{{SCHEMA}}}{name}") or "").strip()
