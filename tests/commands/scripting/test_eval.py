"""EVAL and its relatives: what is logged and counted, and scripts as clients meet them."""

from __future__ import annotations

import pytest

from tests.support.offline import Offline
from tests.support.resp import NULL_ARRAY, Connection, Error
from tests.support.servers import RunningServer

NOW = 1_700_000_000_000
ONE = "e0e1f9fabfc9d4800c877a703b823ac0578ff8db"


@pytest.fixture
def session() -> Offline:
    return Offline(NOW)


def test_a_script_is_logged_as_the_commands_that_wrote(session: Offline) -> None:
    logged = session.logged(
        b"EVAL",
        b"redis.call('set', KEYS[1], ARGV[1], 'EX', 10) redis.call('get', 'x')"
        b" redis.call('incr', 'n') redis.pcall('incr', KEYS[1])",
        b"1", b"k", b"v",
    )  # fmt: skip
    assert logged == [[b"SET", b"k", b"v", b"PXAT", b"%d" % (NOW + 10_000)], [b"incr", b"n"]]


@pytest.mark.parametrize(
    "script", [b"return redis.call('get', 'k')", b"return redis.call('del', 'k')"]
)
def test_a_script_that_writes_nothing_is_not_logged(session: Offline, script: bytes) -> None:
    assert session.logged(b"EVAL", script, b"0") == []


def test_what_a_script_wrote_before_its_error_stays_and_is_logged(session: Offline) -> None:
    logged = session.logged(b"EVAL", b"redis.call('set', 'k', 1) error('boom')", b"0")
    assert logged == [[b"set", b"k", b"1"]]
    assert session("GET", "k") == b"1"


def test_a_script_in_a_transaction_is_logged_with_it(session: Offline) -> None:
    session("MULTI")
    session("SET", "a", 1)
    session("EVAL", "return redis.call('incr', 'a')", 0)
    assert session.logged(b"EXEC") == [[b"SET", b"a", b"1"], [b"incr", b"a"]]


def test_domain_commands_can_be_called(session: Offline) -> None:
    ident = session("EVAL", "return redis.call('job.submit', 'p', 'train', 't', '{}')", 0)
    assert session("JOB.GET", "p", ident) is not None
    row = session("EVAL", "return redis.call('job.claim', 'p', 'w')", 0)
    assert ident in row
    assert session("EVAL", "return redis.call('job.claim', 'p', 'w', 'block', 0)", 0) is None


def test_blocking_commands_do_not_wait(client: Connection) -> None:
    assert client("EVAL", "return redis.call('blpop', 'none', 0)", 0) is None
    assert client("EVAL", "return redis.call('xread', 'block', 0, 'streams', 's', '$')", 0) is None


def test_waiting_clients_are_served_after_the_script(
    server: RunningServer, client: Connection
) -> None:
    waiting = server.connect()
    server.block(waiting, "BLPOP", "q", 0)
    script = "redis.call('rpush', 'q', 'a') redis.call('del', 'q') redis.call('rpush', 'q', 'b')"
    client("EVAL", script, 0)
    assert waiting.read() == [b"q", b"b"]
    server.block(waiting, "BLPOP", "q", 0)
    client("EVAL", "redis.call('rpush', 'q', 'a') redis.call('del', 'q')", 0)
    assert server.blocked_clients() == 1


def test_time_stands_still_in_a_script(server: RunningServer, client: Connection) -> None:
    script = """
        local before = redis.call('time')
        redis.call('set', 'k', 'v', 'px', 1)
        for i = 1, 3000000 do end
        local after = redis.call('time')
        return {redis.call('get', 'k'), before[1] == after[1] and before[2] == after[2]}
    """
    assert client("EVAL", script, 0) == [b"v", 1]


def test_a_script_sees_and_writes_the_database_of_its_client(client: Connection) -> None:
    client("SELECT", 2)
    client("EVAL", "redis.call('set', 'in2', 1) redis.call('select', 5)", 0)
    assert client("EXISTS", "in2") == 1
    client("SELECT", 5)
    assert client("EXISTS", "in2") == 0


def test_scripts_of_eval_are_kept_up_to_a_limit(client: Connection) -> None:
    loaded = client("SCRIPT", "LOAD", "return 'kept'")
    first = "return 1"
    client("EVAL", first, 0)
    assert client("SCRIPT", "EXISTS", ONE) == [1]
    client.pipeline([("EVAL", f"return {number}", 0) for number in range(2, 502)])
    assert client("SCRIPT", "EXISTS", ONE, loaded) == [0, 1]
    assert b"number_of_cached_scripts:501" in client("INFO", "memory")


def test_flush_forgets_scripts_and_their_memory(client: Connection) -> None:
    client("SCRIPT", "LOAD", "return 1")
    assert b"used_memory_lua:0\r\n" not in client("INFO", "memory")
    client("SCRIPT", "FLUSH")
    assert client("EVALSHA", ONE, 0).code == "NOSCRIPT"
    assert b"used_memory_lua:0\r\n" in client("INFO", "memory")


def test_statistics_count_scripts_and_their_commands(client: Connection) -> None:
    client("EVAL", "redis.call('set', 'k', 1) redis.call('set', 'k', 2)", 0)
    info = client("INFO", "commandstats")
    assert b"cmdstat_eval:calls=1," in info
    assert b"cmdstat_set:calls=2," in info


def test_the_debugger_is_refused(client: Connection) -> None:
    assert client("SCRIPT", "DEBUG", "YES") == Error("ERR Redkeep has no debugger for scripts")


def test_keys_of_scripts_are_found(client: Connection) -> None:
    assert client("COMMAND", "GETKEYS", "EVAL", "return 1", 2, "a", "b", "c") == [b"a", b"b"]


def test_a_script_that_fails_in_a_pipeline_fails_alone(client: Connection) -> None:
    replies = client.pipeline([("SET", "k", 1), ("EVAL", "error('x')", 0), ("GET", "k")])
    assert replies[0] == "OK" and replies[2] == b"1"
    assert replies[1].text.startswith("ERR user_script:1: x script: ")


def test_replies_of_random_picks(client: Connection) -> None:
    client("SADD", "s", "a")
    assert client("EVAL", "return redis.call('srandmember', 's', -3)", 0) == [b"a"] * 3
    client("HSET", "h", "f", "v")
    script = "return redis.call('hrandfield', 'h', -2, 'withvalues')"
    assert client("EVAL", script, 0) == [b"f", b"v", b"f", b"v"]
    assert client("EVAL", "return redis.call('srandmember', 'none', 3)", 0) == []
    assert client("EVAL", "return redis.call('lpop', 'none', 3)", 0) in (None, NULL_ARRAY)
