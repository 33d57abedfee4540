"""How an assigned release may be fetched: the director's `x-camward-delivery`, signed with its targets.

It says nothing about what is installed: that is the release's tree, signed by the image repository. Whoever signs a bad
delivery costs the camera requests that lead to nothing. Members we do not know are ignored, so that a later server can
add some; a `v` we do not know is refused.
"""

from agent.formats import base64, fields
from agent.formats.errors import FormatError
from agent.formats.segments import MAX_INDEX_BYTES
from agent.formats.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_SOURCES = 8  # a site's neighbours and some mirrors; more would only be tried in vain one after the other
MAX_URL_CHARS = 256
DEVICE_ID_CHARS = 26
MAX_ARTIFACT_BYTES = 0xFFFFFFFF  # as much as the largest slot
HASH_BYTES = 32
MAX_KEY_CHARS = 512  # an encapsulated P-256 point and a wrapped key, in Base64
INSTALL_NOW = "now"


class Source(Value):
    """Where targets can be had beside the operator's server.

    Fields:
        url: `https://HOST[:PORT]`.
        device: empty for a mirror, whose certificate the fleet's CA has signed for HOST; else the id of a camera.
    """

    FIELDS = ("url", "device")
    url: str
    device: str


class Artifact(Value):
    """A segment artifact (agent.formats.segments), fetched as `/targets/SHA256.NAME`.

    Fields:
        origin: tree root (hexadecimal) of the release whose slot its segments build on; empty when on none.
        name, length_bytes, sha256: of the whole file.
        index_length_bytes, index_sha256: of its index, the file's first bytes.
        enc, sealed: the content key, wrapped for this camera (HPKE); empty when the artifact is not encrypted.
    """

    FIELDS = (
        "origin", "name", "length_bytes", "sha256", "index_length_bytes", "index_sha256", "enc", "sealed",
    )  # fmt: skip
    origin: str
    name: str
    length_bytes: int
    sha256: str
    index_length_bytes: int
    index_sha256: str
    enc: bytes
    sealed: bytes


class Delivery(Value):
    """The whole object; `install_now`: windows and postponement do not count."""

    FIELDS = ("install_now", "sources", "artifact")
    install_now: bool
    sources: "tuple[Source, ...]"
    artifact: "Artifact | None"


PLAIN = Delivery(False, (), None)
"""What no `x-camward-delivery` says."""


def parse(value: "Any") -> Delivery:
    """Read the object.

    Raises:
        FormatError: it is not what this module describes.
    """
    source = fields.as_object(value, "the delivery")
    fields.integer(source, "v", 1, 1)
    now = "install" in source and fields.choice(source, "install", (INSTALL_NOW,)) == INSTALL_NOW
    listed = fields.array(source, "sources", MAX_SOURCES) if "sources" in source else []
    artifact = _artifact(fields.obj(source, "artifact")) if "artifact" in source else None
    return Delivery(now, tuple(_source(item) for item in listed), artifact)


def as_json(delivery: Delivery) -> "dict[str, Any]":
    """The object that `parse` reads, without members that say what absence says as well."""
    found: "dict[str, Any]" = {"v": 1}
    if delivery.install_now:
        found["install"] = INSTALL_NOW
    if delivery.sources:
        found["sources"] = [
            {"url": one.url, "device": one.device} if one.device else {"url": one.url} for one in delivery.sources
        ]
    artifact = delivery.artifact
    if artifact is not None:
        found["artifact"] = {
            "from": artifact.origin,
            "name": artifact.name,
            "length": artifact.length_bytes,
            "sha256": artifact.sha256,
            "index_length": artifact.index_length_bytes,
            "index_sha256": artifact.index_sha256,
        }
        if artifact.enc:
            key = {"enc": base64.encode(artifact.enc), "sealed": base64.encode(artifact.sealed)}
            found["artifact"]["key"] = key
    return found


def _source(item: "Any") -> Source:
    source = fields.as_object(item, "a source")
    url = fields.text(source, "url", MAX_URL_CHARS)
    if not url.startswith("https://") or any(not "!" <= character <= "~" for character in url):
        raise FormatError("a source is no https URL")
    device = fields.name(source, "device", DEVICE_ID_CHARS) if "device" in source else ""
    return Source(url.rstrip("/"), device)


def _artifact(source: "dict[str, Any]") -> Artifact:
    origin = fields.text(source, "from")
    if origin:
        fields.as_hex(origin, "from", HASH_BYTES)
    enc = sealed = b""
    if "key" in source:
        key = fields.obj(source, "key")
        enc = base64.decode(fields.text(key, "enc", MAX_KEY_CHARS))
        sealed = base64.decode(fields.text(key, "sealed", MAX_KEY_CHARS))
        if not enc or not sealed:
            raise FormatError("the artifact's key is empty")
    artifact = Artifact(
        origin=origin,
        name=fields.name(source, "name"),
        length_bytes=fields.integer(source, "length", 1, MAX_ARTIFACT_BYTES),
        sha256=fields.hexadecimal(source, "sha256", HASH_BYTES),
        index_length_bytes=fields.integer(source, "index_length", 1, MAX_INDEX_BYTES),
        index_sha256=fields.hexadecimal(source, "index_sha256", HASH_BYTES),
        enc=enc,
        sealed=sealed,
    )
    if artifact.index_length_bytes > artifact.length_bytes:
        raise FormatError("the artifact's index is longer than the artifact")
    return artifact
