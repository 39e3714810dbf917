"""Reading logs: whole, cut anywhere, and damaged anywhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.aof.encoder import encode, timestamp
from storage.aof.errors import LogError, LogTruncated
from storage.aof.reader import LogReader

Request = list[bytes]

LOG: list[list[Request]] = [
    [[b"SELECT", b"0"]],
    [[b"SET", b"key", b"value"]],
    [[b"INCR", b"a"], [b"INCR", b"b"], [b"INCR", b"c"]],
    [[b"RPUSH", b"list", b"", b"\r\n", b"*1\r\n$4\r\nEXEC\r\n"]],
    [[b"FLUSHALL"]],
    [[b"SET", b"key", b"x" * 2000]],
    [[b"DEL", b"key"]],
]


def unit(requests: list[Request]) -> bytes:
    if len(requests) == 1:
        return encode(requests)
    return encode([[b"MULTI"], *requests, [b"EXEC"]])


def read(data: bytes) -> tuple[list[Request], LogReader, LogError | None]:
    reader = LogReader(data)
    found: list[Request] = []
    try:
        for batch in reader.batches():
            found += batch
    except LogError as error:
        return found, reader, error
    return found, reader, None


REQUESTS = [request for requests in LOG for request in requests]
DATA = b"".join(map(unit, LOG))


def test_a_log_is_read_completely() -> None:
    found, reader, error = read(DATA)
    assert (found, reader.whole, error) == (REQUESTS, len(DATA), None)


words = st.binary(max_size=40) | st.sampled_from([b"\r\n", b"$3\r\n", b"MULTI", b"*1\r\n"])
requests = st.lists(st.lists(words, min_size=2, max_size=6), max_size=30)


@given(requests)
def test_any_arguments_are_read_as_written(written: list[Request]) -> None:
    assert read(encode(written))[0] == written


def test_long_and_many_arguments() -> None:
    written = [
        [b"SET", b"k", b"v" * 300_000],
        [b"RPUSH", b"l", *[b"%d" % n for n in range(30_000)]],
    ]
    written += [[b"SET", b"k%d" % n, b"v"] for n in range(20_000)]
    assert read(encode(written))[0] == written


def test_annotations_set_the_timestamp_and_are_not_requests() -> None:
    data = (
        timestamp(1700000000) + DATA + timestamp(1700000009) + encode([[b"DEL", b"x"]]) + b"#?\r\n"
    )
    found, reader, error = read(data)
    assert found == [*REQUESTS, [b"DEL", b"x"]]
    assert reader.timestamp == 1700000009
    assert (reader.whole, error) == (len(data), None)


def test_a_cut_file_gives_all_complete_units_before_the_cut() -> None:
    ends = [0]
    for requests in LOG:
        ends.append(ends[-1] + len(unit(requests)))
    for cut in range(len(DATA)):
        found, reader, error = read(DATA[:cut])
        whole = max(n for n, end in enumerate(ends) if end <= cut)
        assert found == [request for requests in LOG[:whole] for request in requests], cut
        assert reader.whole == ends[whole], cut
        if cut in ends:
            assert error is None
        elif DATA[:cut].endswith(b"EXEC\r\n"):
            # After an encoded request inside an argument, it looks like a wrong length.
            assert type(error) is LogError
        else:
            assert type(error) is LogTruncated and error.whole == ends[whole], cut


def test_a_flipped_bit_never_loses_requests_before_it() -> None:
    """The bit causes an error, or is inside an argument."""
    for place in range(len(DATA)):
        before, _, _ = read(DATA[:place])
        for bit in range(8):
            damaged = bytearray(DATA)
            damaged[place] ^= 1 << bit
            found, reader, error = read(bytes(damaged))
            assert found[: len(before)] == before
            if error is None:
                assert reader.whole == len(DATA)
                # A new annotation hides one request; a broken MULTI or EXEC shows two more.
                assert abs(len(found) - len(REQUESTS)) <= 2
            else:
                assert error.whole == reader.whole <= len(DATA)


def test_a_length_past_the_end_is_damage_when_requests_follow() -> None:
    data = encode([[b"SET", b"a", b"1"], [b"SET", b"b", b"2"], [b"SET", b"c", b"3"]])
    second = data.index(b"$1\r\nb")
    damaged = data[:second] + b"$9999" + data[second + 2 :]
    found, _, error = read(damaged)
    assert found == [[b"SET", b"a", b"1"]]
    assert type(error) is LogError
    # If nothing follows, it may be an unfinished write.
    found, _, error = read(data[: data.index(b"$1\r\nc")] + b"$9999\r\nc")
    assert len(found) == 2 and type(error) is LogTruncated


@pytest.mark.parametrize(
    "data",
    [
        b"*-1\r\n", b"*0\r\n", b"*1\r\n:5\r\n", b"*1\r\n$-1\r\n", b"SET a b\r\n", b"\r\n", b"\0",
        b"*1\r\n*1\r\n$1\r\na\r\n", b"*1\r\n$4\r\nEXEC\r\n", b"*1\r\n$1\r\nabc", b"+OK\r\n",
        b"*1\n$1\na\n", b"#" + b"x" * 200, b"*99999999999999999999\r\n",
        encode([[b"MULTI"], [b"MULTI"]]),
    ],
)  # fmt: skip
def test_invalid_requests_are_damage(data: bytes) -> None:
    good = encode([[b"SET", b"a", b"b"]])
    found, reader, error = read(good + data)
    assert found == [[b"SET", b"a", b"b"]]
    assert type(error) is LogError
    assert reader.whole == len(good)


@pytest.mark.parametrize(
    "data",
    [
        b"*1000000000000\r\n", b"*2000000000\r\n$3\r\nSET\r\n", b"*1\r\n$999999999999\r\nab",
        b"*", b"*1", b"*1\r", b"*1\r\n", b"*1\r\n$", b"*1\r\n$3\r\nab", b"*1\r\n$3\r\nabc\r",
        b"#TS",
    ],
)  # fmt: skip
def test_false_lengths_cost_nothing_and_are_a_cut(data: bytes) -> None:
    _, reader, error = read(data)
    assert type(error) is LogTruncated and reader.whole == 0


def test_multi_and_exec_are_recognized_in_any_case() -> None:
    data = encode([[b"multi"], [b"SET", b"a", b"b"], [b"Exec"]])
    found, reader, error = read(data)
    assert (found, reader.whole, error) == ([[b"SET", b"a", b"b"]], len(data), None)


def test_transactions_are_not_parsed_repeatedly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Finding the offset of a transaction must not parse everything before it again."""
    parse_one = LogReader._parse_one
    parsed = 0

    def counting(self: LogReader, at: int) -> tuple[Request | None, int]:
        nonlocal parsed
        parsed += 1
        return parse_one(self, at)

    monkeypatch.setattr(LogReader, "_parse_one", counting)
    transactions = unit([[b"INCR", b"a"], [b"INCR", b"b"]]) * 2000
    requests, reader, error = read(transactions + encode([[b"MULTI"], [b"INCR", b"a"]]))
    assert len(requests) == 4000
    assert reader.whole == len(transactions)
    assert isinstance(error, LogTruncated)
    assert parsed < 20_000
