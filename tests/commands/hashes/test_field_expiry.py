"""Expiry of hash fields as time passes, and error texts of Redis that differ from Valkey's."""

from tests.support.resp import Connection, Error
from tests.support.servers import RunningServer


def test_fields_expire_one_by_one(server: RunningServer, client: Connection) -> None:
    server.freeze()
    client("HSET", "h", "a", 1, "b", 2)
    assert client("HPEXPIRE", "h", 100, "FIELDS", 1, "a") == [1]
    assert client("HEXPIRE", "h", 10, "FIELDS", 1, "b") == [1]
    assert client("OBJECT", "ENCODING", "h") == b"listpackex"
    server.advance(99)
    assert client("HPTTL", "h", "FIELDS", 2, "a", "b") == [1, 9901]
    assert client("HTTL", "h", "FIELDS", 1, "b") == [10]
    server.advance(2)
    assert client("HGETALL", "h") == [b"b", b"2"]
    server.advance(10_000)
    assert client("EXISTS", "h") == 0


def test_setting_a_field_removes_its_expiry(server: RunningServer, client: Connection) -> None:
    server.freeze()
    client("HSETEX", "h", "PX", 100, "FIELDS", 2, "a", 1, "b", 2)
    client("HSET", "h", "a", 3)
    server.advance(200)
    assert client("HGETALL", "h") == [b"a", b"3"]


def test_errors_have_the_texts_of_redis(client: Connection) -> None:
    client("HSET", "h", "a", 1)
    for words, text in (
        ("HEXPIRE h -1 FIELDS 1 a", "ERR invalid expire time, must be >= 0"),
        (
            "HPEXPIREAT h 70368744177664 FIELDS 1 a",
            "ERR invalid expire time in 'hpexpireat' command",
        ),
        ("HEXPIRE h 1 FIELDS 0 a", "ERR Parameter `numFields` should be greater than 0"),
        ("HTTL h FIELDS 0 a", "ERR Number of fields must be a positive integer"),
        (
            "HTTL h FIELDS 2 a",
            "ERR The `numfields` parameter must match the number of arguments",
        ),
        (
            "HGETEX h nonsense FIELDS 1 a",
            "ERR Mandatory argument FIELDS is missing or not at the right position",
        ),
        (
            "HSETEX h EX 1 PX 1 FIELDS 1 a b",
            "ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified",
        ),
        ("HSETEX h nonsense FIELDS 1 a b", "ERR unknown argument: nonsense"),
    ):
        assert client(*words.split()) == Error(text), words
    assert client("HPTTL", "h", "FIELDS", 1, "a") == [-1]
