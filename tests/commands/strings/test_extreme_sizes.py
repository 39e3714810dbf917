"""Strings of extreme sizes: refused as Redis refuses them, and made without copies."""

from __future__ import annotations

import pytest

from tests.support.memory import peak_memory
from tests.support.oracles import Oracle
from tests.support.resp import Connection

MEGABYTE = 1 << 20


@pytest.mark.parametrize("length", [511, 512])
@pytest.mark.parametrize("options", [[], ["LEN"], ["IDX"]])
def test_lcs_of_long_strings_is_refused(
    client: Connection, valkey: Oracle, length: int, options: list[str]
) -> None:
    for run in (client, valkey):
        run("CONFIG", "SET", "proto-max-bulk-len", MEGABYTE)
        run("SET", "a", "a" * 511)
        run("SET", "b", "b" * length)
    assert client("LCS", "a", "b", *options) == valkey("LCS", "a", "b", *options)


@pytest.mark.parametrize("start", [b"", b"x" * 1000])
@pytest.mark.parametrize(
    "words",
    [
        ("SETRANGE", "k", 64 * MEGABYTE, "x"),
        ("SETBIT", "k", 8 * 64 * MEGABYTE, 1),
        ("BITFIELD", "k", "SET", "u8", 8 * 64 * MEGABYTE, 1),
    ],
    ids=lambda words: words[0],
)
def test_padding_takes_the_memory_of_the_string(
    client: Connection, words: tuple[str | int, ...], start: bytes
) -> None:
    if start:
        client("SET", "k", start)
    with peak_memory() as peak:
        client(*words)
    assert client("STRLEN", "k") == 64 * MEGABYTE + 1
    # A buffer that grows is a little larger than its contents.
    assert peak.bytes < 80 * MEGABYTE


@pytest.mark.parametrize("operation", ["AND", "OR", "XOR", "NOT"])
def test_combining_takes_the_memory_of_the_result(client: Connection, operation: str) -> None:
    client("SETRANGE", "a", 16 * MEGABYTE, "x")
    client("SETRANGE", "b", 15 * MEGABYTE, "y")
    sources = ["a"] if operation == "NOT" else ["a", "b", "a"]
    with peak_memory() as peak:
        client("BITOP", operation, "d", *sources)
    assert client("STRLEN", "d") == 16 * MEGABYTE + 1
    assert peak.bytes < 40 * MEGABYTE


@pytest.mark.parametrize("operation", ["AND", "OR", "XOR"])
def test_combining_long_strings_of_several_lengths(
    client: Connection, valkey: Oracle, operation: str
) -> None:
    for run in (client, valkey):
        for key, pattern, length in (("a", b"\x0f\xf1", 200_000), ("b", b"abc", 100_001)):
            run("SET", key, (pattern * length)[:length])
        run("SET", "c", b"z" * (1 << 16))
        run("BITOP", operation, "d", "a", "none", "b", "c")
    assert client("GET", "d") == valkey("GET", "d")


def test_counting_many_hyperloglogs_takes_little_memory(client: Connection) -> None:
    client("PFADD", "h", *range(100))
    with peak_memory() as peak:
        assert client("PFCOUNT", *["h"] * 2000) == client("PFCOUNT", "h")
    assert peak.bytes < 5 * MEGABYTE
