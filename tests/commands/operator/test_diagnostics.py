"""SLOWLOG, COMMANDLOG and LATENCY. Errors are compared in tests/differential."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from commands.instance.latency import LatencyMonitor
from commands.instance.redaction import redacted
from tests.support.info import info
from tests.support.oracles import Oracle
from tests.support.resp import Connection, Map, Verbatim
from tests.support.servers import RunningServer
from tests.support.waiting import wait_until

NOW = 1_700_000_000


@pytest.fixture
def logging_all(server: RunningServer, client: Connection) -> Connection:
    server.freeze(NOW * 1000)
    client("CONFIG", "SET", "slowlog-log-slower-than", 0)
    client("SLOWLOG", "RESET")
    return client


def test_a_slowlog_entry_holds_request_time_and_client(logging_all: Connection) -> None:
    logging_all("CLIENT", "SETNAME", "me")
    logging_all("SET", "k", "x" * 200, *["more"] * 40)
    newest = logging_all("SLOWLOG", "GET", 1)[0]
    ident, at, microseconds, words, address, name = newest
    assert (at, name) == (NOW, b"me")
    assert ident > 0
    assert microseconds >= 0
    assert address.startswith(b"127.0.0.1:")
    assert words[:3] == [b"SET", b"k", b"x" * 128 + b"... (72 more bytes)"]
    assert len(words) == 32
    assert words[-1] == b"... (12 more arguments)"


def test_slowlog_get_returns_the_ten_newest_by_default(logging_all: Connection) -> None:
    for number in range(12):
        logging_all("ECHO", number)
    assert [entry[3][1] for entry in logging_all("SLOWLOG", "GET", 2)] == [b"11", b"10"]
    assert len(logging_all("SLOWLOG", "GET")) == 10
    assert len(logging_all("SLOWLOG", "GET", -1)) > 12


BLOCKED = ("BLPOP", "queue", 0)


@pytest.mark.parametrize(
    ("wait", "ending", "logged"),
    [
        (BLOCKED, ("RPUSH", "queue", "x"), ["RPUSH queue x", "BLPOP queue 0"]),
        (BLOCKED, ("CLIENT", "UNBLOCK", "ID"), ["BLPOP queue 0", "CLIENT UNBLOCK ID"]),
        (BLOCKED, ("SET", "queue", "x"), ["SET queue x"]),
        (
            ("XREAD", "BLOCK", 0, "STREAMS", "stream", "$"),
            ("XADD", "stream", "*", "a", "b"),
            ["XADD stream * a b", "XREAD BLOCK 0 STREAMS stream $"],
        ),
    ],
)
def test_a_blocking_command_is_logged_when_it_is_done(
    server: RunningServer,
    valkey: Oracle,
    logging_all: Connection,
    wait: tuple[str | int, ...],
    ending: tuple[str, ...],
    logged: list[str],
) -> None:
    def log(control: Connection, waiting: Connection, block: Callable[[], None]) -> list[str]:
        control("CONFIG", "SET", "slowlog-log-slower-than", 0)
        ident = waiting("CLIENT", "ID")
        control("SLOWLOG", "RESET")
        block()
        words = [str(ident) if word == "ID" else word for word in ending]
        control(*words)
        entries = [b" ".join(entry[3]).decode() for entry in control("SLOWLOG", "GET", -1)]
        found = [entry.replace(f" {ident}", " ID") for entry in reversed(entries)]
        return [entry for entry in found if entry.split()[0] in (wait[0], ending[0])]

    def block_theirs() -> None:
        theirs.send(*wait)
        wait_until(lambda: info(control, "blocked_clients") == "1", "the client waits")

    control, theirs, waiting = valkey.connect(), valkey.connect(), server.connect()
    assert log(control, theirs, block_theirs) == logged
    assert log(logging_all, waiting, lambda: server.block(waiting, *wait)) == logged


def test_a_wait_that_timed_out_is_logged(server: RunningServer, logging_all: Connection) -> None:
    server.freeze()
    waiting = server.connect()
    server.block(waiting, "BLPOP", "queue", 1)
    assert b"BLPOP" not in [entry[3][0] for entry in logging_all("SLOWLOG", "GET", -1)]
    server.advance(1000)
    waiting.read()
    assert b"BLPOP" in [entry[3][0] for entry in logging_all("SLOWLOG", "GET", -1)]


def test_slowlog_max_len_limits_the_log(logging_all: Connection) -> None:
    logging_all("CONFIG", "SET", "slowlog-max-len", 3)
    for _ in range(5):
        logging_all("PING")
    assert logging_all("SLOWLOG", "LEN") == 3


def test_the_slow_log_redacts_passwords(logging_all: Connection) -> None:
    logging_all("CONFIG", "SET", "timeout", 0, "MASTERAUTH", "secret")
    assert logging_all("SLOWLOG", "GET", 1)[0][3] == [
        b"CONFIG", b"SET", b"timeout", b"0", b"MASTERAUTH", b"(redacted)",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("request_", "shown"),
    [
        ("auth pw", "auth (redacted)"),
        ("AUTH u pw", "AUTH (redacted) (redacted)"),
        ("hello 2 auth u pw setname x", "hello 2 auth (redacted) (redacted) setname x"),
        ("hello 2 setname auth auth u pw", "hello 2 setname auth auth (redacted) (redacted)"),
        (
            "hello 2 auth u pw auth v pw2",
            "hello 2 auth (redacted) (redacted) auth (redacted) (redacted)",
        ),
        ("hello 2", "hello 2"),
        ("hello 2 auth", "hello 2 auth"),
        ("config get requirepass", "config get requirepass"),
        ("config set foo bar requirepass pw", "config set foo bar requirepass (redacted)"),
        ("config set requirepass", "config set requirepass"),
        ("acl setuser me >pw", "acl setuser (redacted) (redacted)"),
        ("acl list", "acl list"),
        ("migrate h 1 k 0 1 auth pw", "migrate h 1 k 0 1 auth (redacted)"),
        ("migrate h 1 k 0 1 auth2 u pw", "migrate h 1 k 0 1 auth2 (redacted) (redacted)"),
        ("migrate h 1 k 0 1 keys auth a", "migrate h 1 k 0 1 keys auth a"),
        ("migrate h 1 k 0 1 copy auth keys", "migrate h 1 k 0 1 copy auth (redacted)"),
        (
            "migrate h 1 k 0 1 auth pw auth pw2",
            "migrate h 1 k 0 1 auth (redacted) auth (redacted)",
        ),
        ("get auth", "get auth"),
    ],
)
def test_secrets_in_requests_are_redacted(request_: str, shown: str) -> None:
    assert b" ".join(redacted(request_.encode().split())).decode() == shown


def test_commandlog_records_large_requests_and_replies(
    server: RunningServer, client: Connection
) -> None:
    client("CONFIG", "SET", "commandlog-request-larger-than", 5000)
    client("CONFIG", "SET", "commandlog-reply-larger-than", 5000)
    client("RPUSH", "list", *["x" * 100] * 60)
    client("LRANGE", "list", 0, -1)
    client("SET", "small", "x")
    # A mistyped AUTH, say, whose password must not be shown.
    client("AUHT", "x" * 6000)
    requests = client("COMMANDLOG", "GET", 10, "large-request")
    replies = client("COMMANDLOG", "GET", -1, "LARGE-REPLY")
    assert [(entry[3][0], entry[2]) for entry in requests] == [(b"RPUSH", 6009)]
    assert [(entry[3][0], entry[2] > 6000) for entry in replies] == [(b"LRANGE", True)]
    assert client("COMMANDLOG", "LEN", "slow") == client("SLOWLOG", "LEN")
    assert client("COMMANDLOG", "RESET", "large-request") == "OK"
    assert client("COMMANDLOG", "LEN", "large-request") == 0
    assert client("COMMANDLOG", "LEN", "large-reply") == 1


_WITH_PASSWORDS = [
    "AUTH pw-secret",
    "AUTH user pw-secret",
    "HELLO 3 AUTH user pw-secret",
    "HELLO 3 SETNAME auth AUTH user pw-secret",
    "HELLO 3 AUTH user pw-secret AUTH user pw-secret",
    "CONFIG SET requirepass pw-secret",
    "AUTH pw-secret",
    "config set maxclients 100 requirepass pw-secret",
    "CONFIG SET masterauth pw-secret tls-key-file-pass pw-secret",
    "CONFIG SET primaryauth pw-secret unknown-setting 1",
    "ACL SETUSER user >pw-secret",
    "MIGRATE 127.0.0.1 1 key 0 10 AUTH pw-secret",
    "MIGRATE 127.0.0.1 1 key 0 10 COPY AUTH2 user pw-secret AUTH pw-secret",
    "MULTI",
    "AUTH pw-secret",
    "CONFIG SET requirepass pw-secret",
    "EXEC",
]


def test_no_log_of_requests_shows_passwords(
    server: RunningServer, client: Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not the slow log, the logs of large requests and replies, MONITOR, or the server's log."""
    client("CONFIG", "SET", "slowlog-log-slower-than", 0, "loglevel", "debug")
    for threshold in ("commandlog-request-larger-than", "commandlog-reply-larger-than"):
        client("CONFIG", "SET", threshold, 0)
    client("CONFIG", "SET", "latency-monitor-threshold", 1)
    watching = server.connect()
    monitor = server.connect()
    assert monitor("MONITOR") == "OK"
    for request in _WITH_PASSWORDS:
        client(*request.split())
    client("ECHO", "done")
    shown = [monitor.read()]
    while "done" not in shown[-1]:
        shown.append(monitor.read())
    watching("AUTH", "pw-secret")
    for kind in ("slow", "large-request", "large-reply"):
        entries = watching("COMMANDLOG", "GET", -1, kind)
        assert [b"AUTH", b"(redacted)"] in [entry[3] for entry in entries]
        shown.append(repr(entries))
    shown += [repr(watching("CLIENT", "LIST")), repr(watching("LATENCY", "LATEST"))]
    shown += [repr(watching("INFO", "ALL")), *capsys.readouterr()]
    assert [text for text in shown if "pw-secret" in text] == []


# --- the latency monitor ----------------------------------------------------------------


def test_the_latency_monitor_records_slow_commands(
    server: RunningServer, client: Connection
) -> None:
    server.freeze(NOW * 1000)
    client("CONFIG", "SET", "latency-monitor-threshold", 1)
    client("DEBUG", "SLEEP", 0.003)
    ((name, at, latest, worst),) = client("LATENCY", "LATEST")
    assert (name, at) == (b"command", NOW)
    assert latest == worst >= 3
    assert client("LATENCY", "HISTORY", "command") == [[NOW, latest]]
    assert client("LATENCY", "RESET", "command", "other") == 1
    assert client("LATENCY", "LATEST") == []


def test_the_latency_monitor_keeps_the_worst_sample_of_a_second() -> None:
    monitor = LatencyMonitor()
    monitor.follow_threshold(5)
    for at, milliseconds in ((1, 7), (1, 9), (1, 6), (2, 4), (3, 8)):
        monitor.record("event", milliseconds, at)
    event = monitor.events["event"]
    assert list(event.samples) == [(1, 9), (3, 8)]
    assert event.worst_ms == 9


def test_the_latency_monitor_keeps_a_limited_number_of_samples() -> None:
    monitor = LatencyMonitor()
    monitor.follow_threshold(1)
    for second in range(1000):
        monitor.record("event", 5, second)
    assert len(monitor.events["event"].samples) == 160


def test_latency_graph_scales_between_lowest_and_highest_sample(
    server: RunningServer, client3: Connection
) -> None:
    server.freeze(NOW * 1000)
    client3("CONFIG", "SET", "latency-monitor-threshold", 1)
    monitor = server.instance.latency
    for ago, milliseconds in ((7200, 10), (90, 80), (5, 40)):
        server.call(monitor.record, "event", milliseconds, NOW - ago)
    graph = client3("LATENCY", "GRAPH", "event")
    assert isinstance(graph, Verbatim)
    assert graph.text.decode().split("\n") == [
        "event - high 80 ms, low 10 ms (all time high 80 ms)",
        "-" * 80,
        " # ",
        " # ",
        " ##",
        "_##",
        "   ",
        "215",
        "hms",
        "",
    ]


def test_latency_doctor_reports_the_recorded_events(
    server: RunningServer, client: Connection
) -> None:
    assert b"latency-monitor-threshold" in client("LATENCY", "DOCTOR")
    client("CONFIG", "SET", "latency-monitor-threshold", 20)
    assert b"20 ms" in client("LATENCY", "DOCTOR")
    server.call(server.instance.latency.record, "expire-cycle", 50, NOW)
    assert b"expire-cycle: 1 samples, mean 50 ms, worst 50 ms" in client("LATENCY", "DOCTOR")


def test_latency_histograms_are_cumulative(client3: Connection) -> None:
    for _ in range(5):
        client3("GET", "a")
    client3("CONFIG", "GET", "port")
    both = client3("LATENCY", "HISTOGRAM", "GET", "config")
    assert [name for name, _ in both.items] == [b"get", b"config|get"]
    facts = both[b"get"]
    assert isinstance(facts, Map)
    assert facts[b"calls"] == 5
    buckets = facts[b"histogram_usec"].items
    assert buckets[-1][1] == 5
    assert [count for _, count in buckets] == sorted(count for _, count in buckets)
    assert all(limit & (limit - 1) == 0 for limit, _ in buckets)


def test_there_are_no_histograms_without_latency_tracking(client3: Connection) -> None:
    client3("CONFIG", "SET", "latency-tracking", "no")
    assert client3("LATENCY", "HISTOGRAM") == Map([])
    assert client3("INFO", "latencystats") == Verbatim("txt", b"# Latencystats\r\n")
