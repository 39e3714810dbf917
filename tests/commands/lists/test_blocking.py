"""Arguments of blocking list commands; blocking: tests/server/execution/test_blocking.py."""

from __future__ import annotations

import pytest

from tests.support.resp import NULL_ARRAY, Connection, Error


@pytest.mark.parametrize("timeout", ["-1", "-0.001", "-inf"], ids=["whole", "fraction", "infinite"])
def test_a_negative_timeout_is_an_error(client: Connection, timeout: str) -> None:
    assert client("BLPOP", "k", timeout) == Error("ERR timeout is negative")


@pytest.mark.parametrize("timeout", ["inf", "1e300", "1e309", "0x1p16383", "9223372036854775"])
def test_a_timeout_that_overflows_is_an_error(client: Connection, timeout: str) -> None:
    assert client("BRPOP", "k", timeout) == Error("ERR timeout is out of range")


@pytest.mark.parametrize("timeout", ["1e99999", "-1e99999", "1e-5000", "9" * 5000, "nan"])
def test_a_timeout_beyond_long_doubles_is_an_error(client: Connection, timeout: str) -> None:
    expected = Error("ERR timeout is not a float or out of range")
    assert client("BLPOP", "k", timeout) == expected


def test_a_tiny_timeout_ends(client: Connection) -> None:
    assert client("BLPOP", "k", "1e-400") == NULL_ARRAY


def test_a_failed_request_removes_no_element(client: Connection) -> None:
    client("RPUSH", "k", "a")
    client("SET", "s", "text")
    for words in [
        ("BLPOP", "k", "x"),
        ("BLPOP", "s", "k", 0),
        ("BLMOVE", "k", "s", "LEFT", "LEFT", 0),
        ("BLMOVE", "k", "j", "LEFT", "DOWN", 0),
        ("BRPOPLPUSH", "k", "s", 0),
        ("BLMPOP", 0, 1, "k", "LEFT", "COUNT", 0),
    ]:
        assert isinstance(client(*words), Error), words
    assert client("LRANGE", "k", 0, -1) == [b"a"]
