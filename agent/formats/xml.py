"""A small part of XML 1.0 with namespaces, for both interpreters: elements, attributes, text. Bounded, strict, pure.

Everything that attacks are made of is refused by its first characters: document types, entities beyond the five of XML,
comments, CDATA sections, processing instructions. Names are ASCII. What is read here, any XML parser reads the same.
Prefixes stay known, because WS-Discovery writes qualified names as text.
"""

from agent.formats.errors import FormatError
from agent.formats.json import check_utf8
from agent.formats.value import Value

MAX_DEPTH = 16  # envelopes of ours are 6 deep
MAX_ELEMENTS = 256
MAX_ATTRIBUTES = 32  # of one element, namespaces included; gSOAP declares about 20 on its envelopes
XML = "http://www.w3.org/XML/1998/namespace"

_SPACE = " \t\r\n"
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"
_NAME = _LETTERS + "0123456789.-"
_QUALIFIED = _NAME + ":"
_DECLARED = ("version", "encoding", "standalone")  # in this order (XML 1.0, 2.8)
_ENTITIES = {"lt": "<", "gt": ">", "amp": "&", "quot": '"', "apos": "'"}
_MAX_DECLARATION_CHARS = 100


class Element(Value):
    """One element. Names are `{namespace}local`, or `local` in none.

    `text` is all of its own text, put together. `prefixes` maps the prefixes in scope to their namespaces.
    """

    FIELDS = ("name", "attributes", "text", "children", "prefixes")
    name: str
    attributes: "dict[str, str]"
    text: str
    children: "tuple[Element, ...]"
    prefixes: "dict[str, str]"

    def child(self, name: str) -> "Element | None":
        """The first child of this name."""
        for one in self.children:
            if one.name == name:
                return one
        return None

    def child_text(self, name: str) -> str:
        """The text of the first child of this name without the space around it; empty when there is none."""
        found = self.child(name)
        return found.text.strip(_SPACE) if found is not None else ""

    def names(self) -> "tuple[str, ...]":
        """The text as a list of qualified names, each as `{namespace}local`.

        Raises:
            FormatError: one of them is none, or has a prefix that is not declared.
        """
        return tuple([_resolve(word, self.prefixes, True) for word in words(self.text)])


def parse(body: bytes, max_bytes: int) -> Element:
    """Read one document; the result is its root.

    Raises:
        FormatError: it is longer than `max_bytes`, or no such XML.
    """
    if len(body) > max_bytes:
        raise FormatError("the XML is longer than " + str(max_bytes) + " bytes")
    check_utf8(body)
    return _Reader(str(body, "utf-8")).document()


def words(text: str) -> "list[str]":
    """The text cut at XML's white space (str.split cuts at other spaces as well, on CPython alone)."""
    for space in "\t\r\n":
        text = text.replace(space, " ")
    return [word for word in text.split(" ") if word]


def escape(text: str) -> str:
    """The text as the content of an element or of an attribute in double quotes."""
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;")):
        text = text.replace(character, entity)
    return text


class _Open:
    """An element whose end has not come yet."""

    def __init__(self, tag: str, name: str, attributes: "dict[str, str]", prefixes: "dict[str, str]") -> None:
        self.tag = tag
        self.name = name
        self.attributes = attributes
        self.prefixes = prefixes
        self.texts: "list[str]" = []
        self.children: "list[Element]" = []

    def close(self) -> Element:
        return Element(self.name, self.attributes, "".join(self.texts), tuple(self.children), self.prefixes)


class _Reader:
    def __init__(self, source: str) -> None:
        self._source = source
        self._at = 0
        self._elements = 0

    def document(self) -> Element:
        self._declaration()
        stack: "list[_Open]" = []
        while True:
            start = self._source.find("<", self._at)
            text = self._source[self._at : start if start >= 0 else len(self._source)]
            if not stack and text.strip(_SPACE):
                raise FormatError("text outside the root element")
            if start < 0:
                raise FormatError("the XML ends too early")
            if text and stack:
                stack[-1].texts.append(_plain(text, "]]>"))
            self._at = start + 1
            if self._source[self._at : self._at + 1] == "/":
                done = self._end(stack)
            else:
                done = self._begin(stack)
            if done is not None:
                if self._source[self._at :].strip(_SPACE):
                    raise FormatError("something behind the root element")
                return done

    def _declaration(self) -> None:
        """A byte order mark and an XML declaration, both of which may be absent."""
        source = self._source
        if source[:1] == "\ufeff":
            self._at = 1
        if source[self._at : self._at + 5] != "<?xml" or source[self._at + 5 : self._at + 6] not in _SPACE:
            return
        end = source.find("?>", self._at)
        if not 0 <= end - self._at <= _MAX_DECLARATION_CHARS:
            raise FormatError("no XML declaration")
        self._at += 5
        told: "dict[str, str]" = {}
        left: "tuple[str, ...]" = _DECLARED
        while True:
            before = self._at
            if self._skip() == end:
                break
            spaced = self._at > before
            name, value = self._attribute()
            if name not in left or not spaced:
                raise FormatError("no XML declaration")
            left = left[left.index(name) + 1 :]
            told[name] = value
        if told.get("version") != "1.0" or told.get("encoding", "utf-8").lower() != "utf-8":
            raise FormatError("neither XML 1.0 nor UTF-8")
        if told.get("standalone", "no") not in ("yes", "no"):
            raise FormatError("no XML declaration")
        self._at = end + 2

    def _begin(self, stack: "list[_Open]") -> "Element | None":
        self._elements += 1
        if self._elements > MAX_ELEMENTS or len(stack) >= MAX_DEPTH:
            raise FormatError("too many elements, or too deep")
        tag = self._word()
        prefixes, attributes = self._attributes(stack[-1].prefixes if stack else {"xml": XML})
        one = _Open(tag, _resolve(tag, prefixes, True), attributes, prefixes)
        if self._take("/>"):
            return self._closed(stack, one)
        if not self._take(">"):
            raise FormatError("a tag that does not end")
        stack.append(one)
        return None

    def _end(self, stack: "list[_Open]") -> "Element | None":
        self._at += 1
        tag = self._word()
        self._skip()
        if not self._take(">") or not stack or stack[-1].tag != tag:
            raise FormatError("an end tag in the wrong place")
        return self._closed(stack, stack.pop())

    def _closed(self, stack: "list[_Open]", one: _Open) -> "Element | None":
        """The root, once it has ended; every other element goes to its parent."""
        if not stack:
            return one.close()
        stack[-1].children.append(one.close())
        return None

    def _attributes(self, inherited: "dict[str, str]") -> "tuple[dict[str, str], dict[str, str]]":
        """The prefixes in scope, and the attributes that declare none."""
        found: "dict[str, str]" = {}
        prefixes = inherited
        while True:
            before = self._at
            if self._source[self._skip() : self._at + 1] in (">", "/", ""):
                break
            if self._at == before:
                raise FormatError("no space before an attribute")
            name, value = self._attribute()
            if name in found or len(found) >= MAX_ATTRIBUTES:
                raise FormatError("an attribute twice, or too many")
            found[name] = value
        for name in found:
            if name == "xmlns" or name[:6] == "xmlns:":
                if prefixes is inherited:
                    prefixes = dict(inherited)
                _declare(prefixes, name[6:], found[name])
        attributes: "dict[str, str]" = {}
        for name, value in found.items():
            if name != "xmlns" and name[:6] != "xmlns:":
                full = _resolve(name, prefixes, False)
                if full in attributes:
                    raise FormatError("an attribute twice")
                attributes[full] = value
        return prefixes, attributes

    def _attribute(self) -> "tuple[str, str]":
        name = self._word()
        self._skip()
        if not self._take("="):
            raise FormatError("an attribute without a value")
        self._skip()
        quote = self._source[self._at : self._at + 1]
        end = self._source.find(quote, self._at + 1) if quote in ("'", '"') else -1
        if end < 0:
            raise FormatError("an attribute without a value")
        value = self._source[self._at + 1 : end]
        self._at = end + 1
        value = value.replace(
            "\r\n", " "
        )  # a line's end is one space (XML 1.0, 2.11), each other space as well (3.3.3)
        for space in "\t\r\n":
            value = value.replace(space, " ")
        return name, _plain(value, "<")

    def _word(self) -> str:
        start = self._at
        while self._at < len(self._source) and self._source[self._at] in _QUALIFIED:
            self._at += 1
        return self._source[start : self._at]

    def _skip(self) -> int:
        while self._at < len(self._source) and self._source[self._at] in _SPACE:
            self._at += 1
        return self._at

    def _take(self, text: str) -> bool:
        if self._source[self._at : self._at + len(text)] != text:
            return False
        self._at += len(text)
        return True


def _declare(prefixes: "dict[str, str]", prefix: str, namespace: str) -> None:
    """Namespaces in XML 1.0, section 3: no prefix is taken back, and the two reserved ones stay what they are."""
    if prefix in ("xml", "xmlns") or (prefix and not (namespace and _is_name(prefix))):
        raise FormatError("no namespace")
    if namespace in (XML, "http://www.w3.org/2000/xmlns/") or "}" in namespace:  # `}` ends it in our names
        raise FormatError("a namespace that nothing can be in")
    prefixes[prefix] = namespace


def _resolve(word: str, prefixes: "dict[str, str]", default: bool) -> str:
    """`{namespace}local` of a qualified name; `default`: whether one without a prefix is in the default namespace."""
    first, colon, rest = word.partition(":")
    prefix, local = (first, rest) if colon else ("", first)
    if not _is_name(local) or (colon and prefix not in prefixes) or (colon and not prefix):
        raise FormatError("no name")
    namespace = prefixes.get(prefix, "") if colon or default else ""
    return "{" + namespace + "}" + local if namespace else local


def _is_name(text: str) -> bool:
    return bool(text) and text[0] in _LETTERS and all(character in _NAME for character in text)


def _plain(text: str, forbidden: str) -> str:
    """The text with its references replaced.

    Raises:
        FormatError: an unknown reference, a character that XML has not, or `forbidden` in it.
    """
    if forbidden in text:
        raise FormatError("a character in the wrong place")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    pieces = text.split("&")
    found = [pieces[0]]
    for piece in pieces[1:]:
        name, semicolon, rest = piece.partition(";")
        if not semicolon:
            raise FormatError("a reference that does not end")
        found.append(_referred(name) + rest)
    plain = "".join(found)
    for character in plain:
        if not _is_character(ord(character)):
            raise FormatError("a character that XML has not")
    return plain


def _referred(name: str) -> str:
    if name in _ENTITIES:
        return _ENTITIES[name]
    digits, base, known = (name[2:], 16, "0123456789abcdefABCDEF") if name[:2] == "#x" else (name[1:], 10, "0123456789")
    if name[:1] != "#" or not 0 < len(digits) <= 8 or any(digit not in known for digit in digits):
        raise FormatError("an unknown reference")
    number = int(digits, base)
    if not _is_character(number):
        raise FormatError("a character that XML has not")
    return chr(number)


def _is_character(number: int) -> bool:
    """XML 1.0, 2.2."""
    if number < 0x20:
        return number in (0x9, 0xA, 0xD)
    return number <= 0xD7FF or 0xE000 <= number <= 0xFFFD or 0x10000 <= number <= 0x10FFFF
