"""The tool that makes the filters: the same list gives the same files, and another list is not taken for it."""

import hashlib
import io
import os
import tarfile
from pathlib import Path

import pytest

from agent.core import word_filter
from tests.tools import common_passwords

CORE = common_passwords.CORE
LIST = "\n".join(
    ["Sunshine", "sunshine", "SUNSHINE", "abc", "ｐａｓｓｗｏｒｄ", "herons and egrets", "x" * 65, "12345"]
).encode()


def test_words_are_folded_taken_once_and_in_the_lists_order() -> None:
    lines = LIST.decode().splitlines()
    assert common_passwords.words(lines, 10, 5) == ["sunshine", "password", "herons and egrets", "12345"]
    assert common_passwords.words(lines, 2, 6) == ["sunshine", "password"]


def test_the_same_list_gives_the_same_files() -> None:
    first = common_passwords.files(LIST)
    assert first == common_passwords.files(bytes(LIST))
    assert first != common_passwords.files(LIST + b"\nanother word")
    assert {word_filter.parse(body).source_sha256() for body in first.values()} == {hashlib.sha256(LIST).digest()}


def test_another_list_is_made_into_filters_only_when_asked_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "list").write_bytes(LIST)
    assert common_passwords.main([str(tmp_path / "list"), str(tmp_path)]) == 1
    assert "another list" in capsys.readouterr().err
    assert list(tmp_path.glob("*.fuse")) == []
    assert common_passwords.main(["--any-list", str(tmp_path / "list"), str(tmp_path)]) == 0
    assert {path.name for path in tmp_path.glob("*.fuse")} == set(common_passwords.MADE)
    assert common_passwords.main([]) == 2


@pytest.mark.parametrize("name", common_passwords.SOURCE_NAMES)
def test_the_list_is_found_in_an_archive(tmp_path: Path, name: str) -> None:
    with tarfile.open(tmp_path / "a.tgz", "w:gz") as archive:
        for inside, body in (("package/readme", b"no"), (f"package/data/{name}", LIST)):
            member = tarfile.TarInfo(inside)
            member.size = len(body)
            archive.addfile(member, io.BytesIO(body))
    assert common_passwords.read_list(tmp_path / "a.tgz") == LIST


def test_an_archive_without_the_list_says_so(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tgz", "w:gz"):
        pass
    with pytest.raises(SystemExit, match="holds none of"):
        common_passwords.read_list(tmp_path / "a.tgz")


def test_the_shipped_filters_are_what_the_list_gives_and_hold_every_word_of_it() -> None:
    """With the list at hand only (CAMWARD_COMMON_PASSWORDS names it); what is committed says which list that is."""
    given = os.environ.get("CAMWARD_COMMON_PASSWORDS")
    if given is None:
        for name in common_passwords.MADE:
            made = word_filter.parse((CORE / name).read_bytes())
            assert made.source_sha256().hex() == common_passwords.SOURCE_SHA256
        return
    body = common_passwords.read_list(Path(given))
    assert hashlib.sha256(body).hexdigest() == common_passwords.SOURCE_SHA256
    lines = body.decode().splitlines()
    for name, made in common_passwords.files(body).items():
        assert (CORE / name).read_bytes() == made
        shipped, (count, least, _) = word_filter.parse(made), common_passwords.MADE[name]
        words = common_passwords.words(lines, count, least)
        assert len(words) == count
        assert all(shipped.holds(hashlib.sha256(word.encode()).digest()) for word in words)
