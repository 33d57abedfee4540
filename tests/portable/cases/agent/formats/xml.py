from agent.formats import xml
from agent.formats.errors import FormatError


def xml_ascii(text):
    """The interpreters write other characters differently."""
    return [ord(one) for one in text]


def tell(element, depth=0):
    print(" " * depth + element.name, sorted(element.attributes.items()), xml_ascii(element.text))
    for one in element.children:
        tell(one, depth + 1)


GOOD = '<?xml version="1.0" encoding="utf-8"?>\n'
GOOD += '<a xmlns="u:1" xmlns:p="u:2" p:x="1&amp;2" y="\t&#x9;"> 川&lt;<p:b/> &#65; </a>\n'
root = xml.parse(GOOD.encode(), 500)
tell(root)
print(root.child("{u:2}b") is not None, root.child("c"), repr(root.child_text("{u:2}b")))
print(xml.parse(b'<a xmlns:p="u:2">p:b c\n</a>', 100).names(), xml.words("a\xa0b\tc  d\n"))
print(xml.escape('<a b="c">&'))
for bad in (
    "",
    "a",
    "<a>",
    "<a></b>",
    "<a/><b/>",
    "<a><!-- x --></a>",
    "<!DOCTYPE a><a/>",
    "<a>&b;</a>",
    "<a>&#0;</a>",
    "<a b=c/>",
    '<a b="1" b="2"/>',
    '<a b="1"c="2"/>',
    "<p:a/>",
    '<a xmlns:p=""/>',
    '<a xmlns:xml="u"/>',
    "<?xml version='1.1'?><a/>",
    '<?xml version="1.0" encoding="utf-16"?><a/>',
    "<a>\x01</a>",
    "<a>]]></a>",
    "<a b='<'/>",
    "<1/>",
    "<a:b:c/>",
    "<a &#65;/>",
    "<a>" * 17,
    "<a>" + "<b/>" * 256 + "</a>",
    "<a " + " ".join("a" + str(n) + "=''" for n in range(33)) + "/>",
    "<a></a >x",
    "<a/ >",
):
    try:
        tell(xml.parse(bad.encode(), 5000))
    except FormatError as error:
        print(bad[:30], error)
for body in (b"<a>\xff</a>", b"\xef\xbb\xbf<a/>", b" " * 501):
    try:
        tell(xml.parse(body, 500))
    except FormatError as error:
        print(error)
