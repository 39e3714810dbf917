"""redis-cli works with the server in all its modes."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.resp import Connection, Error, request
from tests.support.servers import Loop, RunningServer
from tests.support.terminal import Terminal

CLI = shutil.which("redis-cli")
if CLI is None:
    pytest.skip("there is no redis-cli on PATH", allow_module_level=True)


def run(server: RunningServer, *words: str, given: bytes = b"") -> str:
    """Run redis-cli to a successful end; return its output."""
    assert CLI is not None
    done = subprocess.run(
        [CLI, "-p", str(server.port), *words], input=given, capture_output=True, timeout=30
    )
    assert done.stderr == b""
    assert done.returncode == 0, done.stdout
    return done.stdout.decode()


def terminal(server: RunningServer, *words: str) -> Terminal:
    assert CLI is not None
    return Terminal(CLI, "-p", str(server.port), *words)


@pytest.fixture
def filled(client: Connection) -> Connection:
    """A client of a server with a key of each type and a hundred others."""
    client.pipeline(
        [
            ("SET", "string", "x" * 50),
            ("RPUSH", "list", "a", "b", "c"),
            ("SADD", "set", "a", "b"),
            ("ZADD", "zset", 1, "a", 2.5, "b"),
            ("HSET", "hash", "a", 1, "b", 2),
            ("XADD", "stream", "1-1", "a", "b"),
            *(("SET", f"key:{number}", number) for number in range(100)),
        ]
    )
    return client


def test_commands_and_output_formats(server: RunningServer, filled: Connection) -> None:
    assert run(server, "PING") == "PONG\n"
    assert run(server, "--no-raw", "ZRANGE", "zset", "0", "-1", "WITHSCORES") == (
        '1) "a"\n2) "1"\n3) "b"\n4) "2.5"\n'
    )
    assert run(server, "-3", "--no-raw", "HGETALL", "hash") == ('1# "a" => "1"\n2# "b" => "2"\n')
    assert run(server, "-3", "--no-raw", "ZSCORE", "zset", "b") == "(double) 2.5\n"
    assert run(server, "--no-raw", "GET", "nothing") == "(nil)\n"
    assert run(server, "--no-raw", "LPUSH", "string", "x") == (
        "(error) WRONGTYPE Operation against a key holding the wrong kind of value\n"
    )
    assert run(server, "--json", "HGETALL", "hash") == '{"a":"1","b":"2"}\n'
    assert run(server, "--csv", "LRANGE", "list", "0", "-1") == '"a","b","c"\n'
    assert run(server, "-r", "3", "INCR", "counter") == "1\n2\n3\n"
    assert run(server, "-n", "3", "DBSIZE") == "0\n"
    assert run(server, "-x", "SET", "given", given=b"from outside") == "OK\n"
    assert filled("GET", "given") == b"from outside"


def test_commands_from_standard_input(server: RunningServer) -> None:
    lines = b'SET a "x y"\nGET a\n\nMULTI\nINCR n\nEXEC\nnosuch\n'
    assert run(server, given=lines).splitlines()[:5] == ["OK", "x y", "OK", "QUEUED", "1"]


def test_authentication(server: RunningServer, client: Connection) -> None:
    client("CONFIG", "SET", "requirepass", "secret")
    assert run(server, "-a", "secret", "--no-auth-warning", "PING") == "PONG\n"
    assert run(server, "--user", "default", "--pass", "secret", "--no-auth-warning", "PING")
    assert "NOAUTH" in run(server, "PING")


def test_unix_sockets(loop: Loop, tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    server = loop.start_server(unixsocket=path)
    try:
        assert run(server, "-s", path, "PING") == "PONG\n"
    finally:
        server.close()


def test_scanning(server: RunningServer, filled: Connection) -> None:
    expected = sorted(key.decode() for key in filled("KEYS", "*"))
    assert sorted(run(server, "--scan").split()) == expected
    assert len(run(server, "--scan", "--pattern", "key:1*").split()) == 11
    assert run(server, "--quoted-pattern", '"h\\x61sh"', "--scan") == "hash\n"


@pytest.mark.parametrize("option", ["--bigkeys", "--memkeys"])
def test_big_keys(server: RunningServer, filled: Connection, option: str) -> None:
    report = run(server, option)
    assert "Sampled 106 keys in the keyspace!" in report
    summary = report[report.index("summary") :]
    for kind in ("string", "list", "set", "zset", "hash", "stream"):
        assert f"found '\"{kind}\"'" in summary
    assert ("has 3 items" in summary) == (option == "--bigkeys")


def test_hot_keys(server: RunningServer, filled: Connection) -> None:
    assert CLI is not None
    done = subprocess.run(
        [CLI, "-p", str(server.port), "--hotkeys"], capture_output=True, timeout=30
    )
    assert b"An LFU maxmemory policy is not selected" in done.stderr
    filled("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu", "lfu-log-factor", 0)
    filled.pipeline([("GET", "key:7")] * 200)
    report = run(server, "--hotkeys")
    assert 'hot key found with counter: 205\tkeyname: "key:7"' in report


def test_mass_insertion(server: RunningServer, client: Connection) -> None:
    data = b"".join(request(["SET", f"key:{number}", "x" * 20]) for number in range(20_000))
    assert run(server, "--pipe", given=data).endswith("errors: 0, replies: 20000\n")
    assert client("DBSIZE") == 20_000
    inline = b"SET a 1\r\nINCR a\r\n"
    assert run(server, "--pipe", given=inline).endswith("errors: 0, replies: 2\n")
    assert client("GET", "a") == b"2"


def test_mass_insertion_counts_errors(server: RunningServer) -> None:
    assert CLI is not None
    done = subprocess.run(
        [CLI, "-p", str(server.port), "--pipe"],
        input=request(["SET", "a", "x"]) + request(["INCR", "a"]) + request(["NOSUCH"]),
        capture_output=True,
        timeout=30,
    )
    assert done.stdout.endswith(b"errors: 2, replies: 3\n")
    assert done.returncode == 1


def test_statistics(server: RunningServer, filled: Connection) -> None:
    with terminal(server, "--stat", "-i", "0.05") as screen:
        screen.wait_for(r"keys +mem +clients +blocked +requests +connections")
        row = r"\n106 +\S+ +2 +0 +(\d+) \(\+\d+\) +2"
        requests = [int(screen.wait_for(row)[1]) for _ in range(3)]
        assert requests[0] < requests[1] < requests[2]


def test_latency(server: RunningServer) -> None:
    with terminal(server, "--latency", "-i", "0.1") as screen:
        found = screen.wait_for(r"min: (\d+), max: (\d+), avg: ([0-9.]+) \((\d+) samples\)")
        assert int(found[1]) <= float(found[3]) <= int(found[2])
        screen.wait_for(r"\(([3-9]|\d\d+) samples\)")
        screen.interrupt()


def test_monitoring(server: RunningServer, client: Connection) -> None:
    with terminal(server, "MONITOR") as screen:
        screen.wait_for(r"OK\n")
        client("SET", "a", "x\ny")
        screen.wait_for(r'\d+\.\d{6} \[0 127\.0\.0\.1:\d+\] "SET" "a" "x\\ny"\n')


@pytest.mark.parametrize("option", ["-2", "-3"])
def test_subscribing(server: RunningServer, client: Connection, option: str) -> None:
    with terminal(server, option, "SUBSCRIBE", "news", "more") as screen:
        screen.wait_for(r'1\) "subscribe"\n2\) "news"\n3\) \(integer\) 1\n')
        screen.wait_for(r'1\) "subscribe"\n2\) "more"\n3\) \(integer\) 2\n')
        assert client("PUBLISH", "more", "hello") == 1
        screen.wait_for(r'1\) "message"\n2\) "more"\n3\) "hello"\n')
    with terminal(server, option, "PSUBSCRIBE", "n*") as screen:
        screen.wait_for(r'1\) "psubscribe"\n2\) "n\*"\n3\) \(integer\) 1\n')
        client("PUBLISH", "news", "hello")
        screen.wait_for(r'1\) "pmessage"\n2\) "n\*"\n3\) "news"\n4\) "hello"\n')


def test_an_interactive_session(server: RunningServer, filled: Connection) -> None:
    """The prompt follows changes of protocol and database, a transaction and a subscription."""
    prompt = rf"127\.0\.0\.1:{server.port}"
    with terminal(server) as screen:
        # A warning about the replies of COMMAND DOCS would be shown before the prompt.
        assert screen.wait_for(f"{prompt}> ").start() == 0
        screen.type("HELLO 3")
        screen.wait_for(r'1# "server" => "redis"\n2# "version" => "[\d.]+"\n')
        screen.wait_for(r'3# "proto" => \(integer\) 3\n')
        screen.wait_for(f"{prompt}> ")
        screen.type("HGETALL hash")
        screen.wait_for(r'1# "a" => "1"\n2# "b" => "2"\n')
        screen.type("SMEMBERS set")
        screen.wait_for(r'1~ "a"\n2~ "b"\n|1~ "b"\n2~ "a"\n')
        screen.type("MULTI")
        screen.wait_for(rf"OK\n{prompt}\(TX\)> ")
        screen.type("INCR n")
        screen.wait_for("QUEUED\n")
        screen.type("EXEC")
        screen.wait_for(r"1\) \(integer\) 1\n")
        screen.type("SELECT 3")
        screen.wait_for(rf"OK\n{prompt}\[3\]> ")
        screen.type("HELLO 2")
        screen.wait_for(r"6\) \(integer\) 2\n")
        screen.type("RESET")
        screen.wait_for(rf"RESET\n{prompt}> ")
        screen.type("SUBSCRIBE news")
        screen.wait_for(r'1\) "subscribe"\n2\) "news"\n3\) \(integer\) 1\n')
        filled("PUBLISH", "news", "hello")
        screen.wait_for(r'1\) "message"\n2\) "news"\n3\) "hello"\n')


def test_help_in_an_interactive_session(server: RunningServer, client3: Connection) -> None:
    """redis-cli builds its help from COMMAND DOCS."""
    assert not isinstance(client3("COMMAND", "DOCS"), Error)
    with terminal(server) as screen:
        screen.wait_for("> ")
        screen.type("help set")
        shown = screen.wait_for(r"SET key value[^\n]*\n(?:.|\n)*?group: string\n")[0]
        assert "[NX|XX" in shown
        assert "EX seconds|PX milliseconds|EXAT" in shown
        screen.type("help @hash")
        screen.wait_for(r"HGETALL key\n")
        screen.type("help client list")
        screen.wait_for(r"CLIENT LIST \[TYPE NORMAL\|MASTER\|REPLICA\|PUBSUB\]")
