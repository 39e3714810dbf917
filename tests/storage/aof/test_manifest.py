"""The manifest: parsing, formatting, changes, and damage."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.aof.errors import ManifestError
from storage.aof.manifest import BASE, INCREMENT, LogFile, Manifest, adopt

TEXT = (
    "file appendonly.aof.2.base.rdb seq 2 type b\n"
    "file appendonly.aof.1.incr.aof seq 1 type h\n"
    "file appendonly.aof.2.incr.aof seq 2 type i\n"
    "file appendonly.aof.3.incr.aof seq 3 type i\n"
)


def test_formatting_inverts_parsing() -> None:
    manifest = Manifest.parse("appendonly.aof", TEXT)
    assert manifest.format() == TEXT
    assert [file.name for file in manifest.files] == [
        "appendonly.aof.2.base.rdb", "appendonly.aof.2.incr.aof", "appendonly.aof.3.incr.aof",
    ]  # fmt: skip


def test_comments_and_unknown_keys_are_ignored() -> None:
    text = "# mine\nfile a.1.incr.aof seq 1 type i startoffset 5\n"
    assert Manifest.parse("a", text).increments == (LogFile("a.1.incr.aof", 1, INCREMENT),)


def test_a_rewrite_ends_with_one_base_and_the_newest_increment() -> None:
    manifest = Manifest("log").with_increment().with_base("rdb", keep=1)
    manifest = manifest.with_increment()
    rewritten = manifest.with_base("rdb", keep=1)
    assert rewritten.format() == (
        "file log.2.base.rdb seq 2 type b\n"
        "file log.1.base.rdb seq 1 type h\n"
        "file log.1.incr.aof seq 1 type h\n"
        "file log.2.incr.aof seq 2 type i\n"
    )
    assert rewritten.without_history().format() == (
        "file log.2.base.rdb seq 2 type b\nfile log.2.incr.aof seq 2 type i\n"
    )


def test_sequence_numbers_continue_after_parsing() -> None:
    manifest = Manifest.parse("appendonly.aof", TEXT).with_increment().with_base("aof", keep=1)
    assert manifest.base == LogFile("appendonly.aof.3.base.aof", 3, BASE)
    assert manifest.increments == (LogFile("appendonly.aof.4.incr.aof", 4, INCREMENT),)


def test_a_log_of_one_file_is_adopted_as_base() -> None:
    assert adopt("appendonly.aof").format() == "file appendonly.aof seq 1 type b\n"


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=30))
def test_any_file_name_can_be_quoted(name: str) -> None:
    if "/" in name or name in (".", "..") or "\0" in name:
        return
    file = LogFile(name, 1, BASE)
    assert Manifest.parse("log", file.line()).base == file


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", 1),
        ("\n", 1),
        ("file a seq 1 type b\n\nfile b seq 1 type i\n", 2),
        ("file a seq 1 type b\n  \nfile b seq 1 type i\n", 2),
        ("file a seq 1 type b file b seq 1 type i\n", 1),
        ("file a seq 1 type b\rfile b seq 1 type i\n", 1),
        ("file a seq 1 type bfile b seq 1 type i\n", 1),
        ("file a seq 1 type b\x0bfile b seq 1 type i\n", 1),
        ("file a seq 1 type b\xa0file b seq 1 type i\n", 1),
        ("file a seq 1 type b seq 1\n", 1),
        ("file a seq 1 type b\nfile a seq 1 type i\n", 2),
        ("file a seq 1 type h\nfile a seq 1 type i\n", 2),
        ("file log.manifest seq 1 type h\n", 1),
        ("file a seq 1 type b\nfile b seq 1 type i\nfile c seq 3 type i\n", 3),
        ("file a seq 2 type i\nfile b seq 3 type i\n", 3),
        ("file a seq 1 type b\n\0", 2),
        ("file a seq 1 type h\n", 2),
        ("file a seq 1 type h\nfile b seq 1 type i\n", 3),
        ("file a.base.rdb seq 1 type b\nfile b.base.rdb seq 1 type h\n", 3),
        ("file a seq 1 type b\nfile b seq 1 type i\nfile c.incr.aof seq 2 type h\n", 4),
        ("file a\0b seq 1 type b\n", 1),
        ("file a seq 1 type bb\n", 1),
        ("file a seq +1 type b\n", 1),
        ('file "a"seq 1 type b\n', 1),
        ("file a seq 1 type b" + " " * 1005 + "\n", 1),
        ("file " + "\u00e9" * 600 + " seq 1 type b\n", 1),
        ("# only words\n", 2),
        ("file a seq 1 type b\nfile b seq 2 type b\n", 2),
        ("file a seq 1 type i\nfile b seq 1 type i\n", 2),
        ("file a seq 2 type i\nfile b seq 1 type i\n", 2),
        ("file a seq 1 type x\n", 1),
        ("file a seq one type i\n", 1),
        ("file a seq 0 type i\n", 1),
        ("file a seq 1\n", 1),
        ("file a seq 1 type\n", 1),
        ("file ../a seq 1 type i\n", 1),
        ("file .. seq 1 type i\n", 1),
        ('file "a seq 1 type i\n', 1),
        ("file a seq 1 type i", 1),
        ("file " + "a" * 2000 + " seq 1 type i\n", 1),
        ("file a seq 99999999999999999999999 type i\n", 1),
    ],
)
def test_errors_have_the_line_number(text: str, line: int) -> None:
    with pytest.raises(ManifestError) as refused:
        Manifest.parse("log", text)
    assert refused.value.line == line


def test_a_flipped_bit_is_refused_or_gives_another_manifest() -> None:
    for place in range(len(TEXT)):
        for bit in range(8):
            damaged = bytearray(TEXT.encode())
            damaged[place] ^= 1 << bit
            text = damaged.decode("utf-8", "surrogateescape")
            try:
                manifest = Manifest.parse("appendonly.aof", text)
            except ManifestError as error:
                assert 1 <= error.line <= 6
            else:
                assert Manifest.parse("appendonly.aof", manifest.format()) == manifest
