"""The director's word on how a release may be fetched."""

import pytest

from agent.formats import delivery
from agent.formats.delivery import Artifact, Delivery, Source
from agent.formats.errors import FormatError

ARTIFACT = Artifact("ab" * 32, "a.delta", 500, "cd" * 32, 100, "ef" * 32, b"", b"")
FULL = Delivery(
    True,
    (Source("https://mirror.example:8443", ""), Source("https://192.0.2.7:8446", "abcd")),
    ARTIFACT.replace(origin="", enc=b"point", sealed=b"key"),
)


@pytest.mark.parametrize("value", [delivery.PLAIN, FULL, Delivery(False, (), ARTIFACT)])
def test_what_is_written_reads_the_same(value):
    assert delivery.parse(delivery.as_json(value)) == value


def test_unknown_members_are_left_for_later_servers():
    assert delivery.parse({"v": 1, "more": 5}) == delivery.PLAIN


def test_slash_at_the_end_of_a_url_is_dropped():
    assert delivery.parse({"v": 1, "sources": [{"url": "https://a/"}]}).sources == (Source("https://a", ""),)


def changed(**changes):
    made = delivery.as_json(FULL)
    for path, value in changes.items():
        place, _, name = path.rpartition("__")
        holder = made
        for step in place.split("__") if place else ():
            holder = holder[step]
        holder[name] = value
    return made


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        {},
        {"v": 2},
        changed(install="later"),
        changed(sources=[{"url": "http://a"}]),
        changed(sources=[{"url": "https://a b"}]),
        changed(sources=[{"url": "https://ä"}]),
        changed(sources=[{"url": "https://" + "a" * 300}]),
        changed(sources=[{"url": "https://a", "device": ""}]),
        changed(sources=[{"url": "https://a"}] * 9),
        changed(artifact__name="../x"),
        changed(artifact__length=0),
        changed(artifact__index_length=501),
        changed(artifact__index_sha256="AB" * 32),
        changed(**{"artifact__from": "ab"}),
        changed(artifact__key={"enc": "", "sealed": "YQ=="}),
        changed(artifact__key={"enc": "YQ=="}),
        changed(artifact__key={"enc": "not base64", "sealed": "YQ=="}),
    ],
)
def test_wrong_ones_are_refused(wrong):
    with pytest.raises(FormatError):
        delivery.parse(wrong)
