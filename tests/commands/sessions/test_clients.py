"""CLIENT: listing, closing, pausing and unblocking connections, and turning replies off."""

from __future__ import annotations

import pytest

from tests.support.oracles import Oracle
from tests.support.resp import NULL_ARRAY, Connection, ConnectionClosed, Error
from tests.support.servers import RunningServer
from tests.support.waiting import wait_until

FIELDS_OF_REDIS_7_2 = (
    "id addr laddr fd name age idle flags db sub psub ssub multi qbuf qbuf-free argv-mem "
    "multi-mem rbs rbp obl oll omem tot-mem events cmd user redir resp lib-name lib-ver"
)


def facts(line: bytes) -> dict[str, str]:
    return dict(fact.split("=", 1) for fact in line.decode().strip().split(" "))


def listed(client: Connection, *options: str | int) -> dict[int, dict[str, str]]:
    reply = client("CLIENT", "LIST", *options)
    text = reply if isinstance(reply, bytes) else reply.text
    return {int(facts(line)["id"]): facts(line) for line in text.splitlines()}


def wait_until_held(control: Connection, ident: int) -> None:
    """Wait until a client is blocked by a command or held by a pause."""
    wait_until(lambda: "b" in listed(control)[ident]["flags"], f"client {ident} being held")


# --- listing ----------------------------------------------------------------------------


def test_a_line_has_the_fields_of_redis_in_their_order(
    client: Connection, client3: Connection
) -> None:
    mine = client("CLIENT", "INFO")
    assert mine.endswith(b"\n")
    assert " ".join(facts(mine)) == FIELDS_OF_REDIS_7_2
    assert facts(mine)["fd"] != "-1"
    assert client3("CLIENT", "INFO").form == "txt"


def test_the_query_buffer_holds_the_requests_that_are_being_run(
    client: Connection, redis7: Oracle
) -> None:
    theirs = redis7.connect()
    alone = ("CLIENT", "INFO")
    pipeline = [alone, ("GET", "x" * 100), alone]
    for connection in (client, theirs):
        other = listed(connection)[connection("CLIENT", "ID")]
        assert other["qbuf"] == "26"
        assert facts(connection(*alone))["qbuf"] == "26"
        first, _, last = connection.pipeline(pipeline)
        assert facts(first)["qbuf"] == facts(last)["qbuf"] == "173"


def test_a_line_describes_the_state_of_its_client(
    server: RunningServer, client: Connection
) -> None:
    server.freeze()
    other = server.connect(resp=3)
    ident = other("CLIENT", "ID")
    other("CLIENT", "SETNAME", "worker")
    other("CLIENT", "SETINFO", "LIB-NAME", "redis-py")
    other("CLIENT", "SETINFO", "LIB-VER", "5.0")
    other("SELECT", 3)
    other("SUBSCRIBE", "a", "b")
    other.read()
    other("PSUBSCRIBE", "p*")
    other("MULTI")
    other("GET", "k")
    server.advance(7_000)
    seen = listed(client)[ident]
    assert seen["age"] == seen["idle"] == "7"
    assert seen["cmd"] == "get"
    assert (seen["name"], seen["lib-name"], seen["lib-ver"]) == ("worker", "redis-py", "5.0")
    assert (seen["db"], seen["sub"], seen["psub"], seen["multi"]) == ("3", "2", "1", "1")
    assert seen["resp"] == "3"
    assert seen["flags"] == "Px"


@pytest.mark.parametrize(
    ("requests", "flags"),
    [
        ([("PING",)], "N"),
        ([("MULTI",)], "x"),
        ([("CLIENT", "NO-EVICT", "ON")], "e"),
        ([("CLIENT", "NO-TOUCH", "ON")], "T"),
        ([("MONITOR",)], "O"),
        ([("SSUBSCRIBE", "s")], "P"),
    ],
)
def test_flags_show_what_a_client_is_doing(
    server: RunningServer, client: Connection, requests: list[tuple[str, ...]], flags: str
) -> None:
    other = server.connect()
    ident = other("CLIENT", "ID")
    for request in requests:
        other(*request)
    assert listed(client)[ident]["flags"] == flags


def test_flags_show_that_a_watched_key_has_changed(
    server: RunningServer, client: Connection
) -> None:
    other = server.connect()
    ident = other("CLIENT", "ID")
    other("WATCH", "k")
    client("SET", "k", 1)
    assert listed(client)[ident]["flags"] == "d"


def test_the_last_command_of_a_pipeline_is_shown(server: RunningServer, client: Connection) -> None:
    other = server.connect()
    ident = other("CLIENT", "ID")
    assert listed(client)[ident]["cmd"] == "client|id"
    other.pipeline([("CLIENT", "ID"), ("SET", "k", 1), ("GET", "k")])
    assert listed(client)[ident]["cmd"] == "get"
    other.pipeline([("GET", "k"), ("CLIENT", "GETNAME")])
    assert listed(client)[ident]["cmd"] == "client|getname"


def test_client_list_filters_by_each_of_its_options(
    server: RunningServer, client: Connection
) -> None:
    server.freeze()
    mine = client("CLIENT", "ID")
    listener, idle = server.connect(), server.connect()
    ids = [listener("CLIENT", "ID"), idle("CLIENT", "ID")]
    listener("SUBSCRIBE", "news")
    idle("CLIENT", "SETNAME", "idle")
    idle("SELECT", 2)
    server.advance(60_000)
    everybody = {mine, *ids}
    assert set(listed(client)) == everybody
    assert set(listed(client, "TYPE", "pubsub")) == {ids[0]}
    assert set(listed(client, "TYPE", "normal", "SKIPME", "YES")) == {ids[1]}
    assert set(listed(client, "NOT-TYPE", "pubsub")) == {mine, ids[1]}
    assert set(listed(client, "ID", ids[0], mine, 999999)) == {mine, ids[0]}
    assert set(listed(client, "NOT-ID", ids[0], mine)) == {ids[1]}
    assert set(listed(client, "NAME", "idle")) == {ids[1]}
    assert set(listed(client, "DB", 2)) == {ids[1]}
    assert set(listed(client, "FLAGS", "P")) == {ids[0]}
    assert set(listed(client, "MAXAGE", 60)) == everybody
    assert set(listed(client, "MAXAGE", 61)) == set()
    assert set(listed(client, "IDLE", 60)) == set(ids)
    assert set(listed(client, "IP", "127.0.0.1", "NOT-NAME", "idle")) == {mine, ids[0]}
    assert set(listed(client, "USER", "default")) == everybody


# --- closing ----------------------------------------------------------------------------


def test_client_kill_accepts_a_bare_address(server: RunningServer, client: Connection) -> None:
    victim = server.connect()
    address = facts(victim("CLIENT", "INFO"))["addr"]
    assert client("CLIENT", "KILL", address) == "OK"
    assert victim.read_until_closed() == []
    assert client("CLIENT", "KILL", address) == Error("ERR No such client")


def test_client_kill_by_filter_spares_its_own_connection(
    server: RunningServer, client: Connection
) -> None:
    victims = [server.connect(), server.connect()]
    for victim in victims:
        victim("PING")
    assert client("CLIENT", "KILL", "TYPE", "normal") == 2
    for victim in victims:
        assert victim.read_until_closed() == []
    assert client("PING") == "PONG"


def test_client_kill_of_its_own_connection_is_answered_first(client: Connection) -> None:
    ident = client("CLIENT", "ID")
    client.send("CLIENT", "KILL", "ID", ident, "SKIPME", "no")
    client.send("PING")
    assert client.read_until_closed() == [1]


def test_a_killed_client_no_longer_waits_for_its_keys(
    server: RunningServer, client: Connection
) -> None:
    victim = server.connect()
    ident = victim("CLIENT", "ID")
    victim.send("BLPOP", "l", 0)
    wait_until_held(client, ident)
    assert client("CLIENT", "KILL", "ID", ident) == 1
    assert victim.read_until_closed() == []
    assert client("RPUSH", "l", "x") == 1
    assert client("LLEN", "l") == 1


# --- replies turned off -----------------------------------------------------------------


def test_replies_stay_off_until_they_are_turned_on(client: Connection) -> None:
    client.send_raw(b"CLIENT REPLY OFF\r\nSET k v\r\nNOSUCH\r\nCLIENT REPLY SKIP\r\nPING\r\n")
    assert client("CLIENT", "REPLY", "ON") == "OK"
    assert client("GET", "k") == b"v"


def test_one_reply_can_be_skipped(client: Connection) -> None:
    client.send_raw(b"CLIENT REPLY SKIP\r\nSET k v\r\nGET k\r\n")
    assert client.read() == b"v"
    client.send_raw(b"CLIENT REPLY SKIP\r\nNOSUCH\r\nPING\r\n")
    assert client.read() == "PONG"


def test_the_reply_of_a_blocking_command_can_be_skipped(
    server: RunningServer, client: Connection
) -> None:
    other = server.connect()
    ident = other("CLIENT", "ID")
    other.send_raw(b"CLIENT REPLY SKIP\r\nBLPOP l 0\r\nPING\r\n")
    wait_until_held(client, ident)
    client("RPUSH", "l", "x")
    assert other.read() == "PONG"


def test_messages_are_sent_while_replies_are_off(server: RunningServer, client: Connection) -> None:
    listener = server.connect(resp=3)
    listener("SUBSCRIBE", "news")
    listener.send("CLIENT", "REPLY", "OFF")
    listener.send("PING")
    wait_until(lambda: b"cmd=ping" in client("CLIENT", "LIST"), "the run of PING")
    client("PUBLISH", "news", "x")
    assert listener.read().items == [b"message", b"news", b"x"]


# --- pausing ----------------------------------------------------------------------------


def test_a_pause_of_writes_allows_reads(server: RunningServer, client: Connection) -> None:
    server.freeze()
    writer = server.connect()
    ident = writer("CLIENT", "ID")
    client("SET", "k", "before")
    client("CLIENT", "PAUSE", 1000, "WRITE")
    writer.send_raw(b"SET k after\r\nGET k\r\n")
    wait_until_held(client, ident)
    assert client("GET", "k") == b"before"
    server.advance(1000)
    assert [writer.read(), writer.read()] == ["OK", b"after"]


def test_a_full_pause_holds_all_requests(server: RunningServer, client: Connection) -> None:
    server.freeze()
    other = server.connect()
    other("PING")
    client("CLIENT", "PAUSE", 1000)
    other.send("PING")
    client.send("CLIENT", "UNPAUSE")
    assert other.is_silent()
    server.advance(1000)
    assert other.read() == "PONG"
    assert client.read() == "OK"


def test_a_pause_of_writes_can_be_ended(server: RunningServer, client: Connection) -> None:
    server.freeze()
    writer = server.connect()
    client("CLIENT", "PAUSE", 1_000_000, "WRITE")
    writer.send("SET", "k", 1)
    assert client("EXISTS", "k") == 0
    assert client("CLIENT", "UNPAUSE") == "OK"
    assert writer.read() == "OK"
    assert not server.call(lambda: bool(server.instance.guards))


@pytest.mark.parametrize(
    "request_",
    [
        ("EVAL", "return 1", 0),
        ("EVALSHA", "e0e1f9fabfc9d4800c877a703b823ac0578ff8db", 0),
        ("FCALL", "f", 0),
    ],
)
def test_a_pause_of_writes_holds_scripts_that_may_write(
    server: RunningServer, client: Connection, request_: tuple[str | int, ...]
) -> None:
    server.freeze()
    client("SCRIPT", "LOAD", "return 1")
    code = "redis.register_function{function_name='f', flags={'no-writes'}, callback="
    client("FUNCTION", "LOAD", f"#!lua name=lib\n{code}function() return 1 end}}")
    other = server.connect()
    ident = other("CLIENT", "ID")
    client("CLIENT", "PAUSE", 1000, "WRITE")
    assert client("EVAL_RO", "return 1", 0) == 1
    assert client("FCALL_RO", "f", 0) == 1
    other.send(*request_)
    wait_until_held(client, ident)
    server.advance(1000)
    assert other.read() == 1


def test_a_second_pause_never_shortens_the_first(server: RunningServer, client: Connection) -> None:
    server.freeze()
    writer = server.connect()
    client("CLIENT", "PAUSE", 5000, "WRITE")
    client("CLIENT", "PAUSE", 10, "WRITE")
    server.advance(11)
    writer.send("SET", "k", 1)
    assert writer.is_silent()
    server.advance(5000)
    assert writer.read() == "OK"


def test_a_pause_of_writes_holds_transactions_that_write(
    server: RunningServer, client: Connection
) -> None:
    server.freeze()
    reader, writer = server.connect(), server.connect()
    writer.pipeline([("MULTI",), ("SET", "k", 1)])
    client("CLIENT", "PAUSE", 1000, "WRITE")
    writer.send("EXEC")
    assert reader.pipeline([("MULTI",), ("GET", "k"), ("EXEC",)])[2] == [None]
    server.advance(1000)
    assert writer.read() == ["OK"]


def test_keys_are_not_removed_by_expiry_during_a_pause(
    server: RunningServer, client: Connection
) -> None:
    server.freeze()
    client("SET", "k", 1, "PX", 100)
    client("CLIENT", "PAUSE", 1000, "WRITE")
    server.advance(500)
    assert client("GET", "k") is None
    assert client("DBSIZE") == 1
    server.advance(501)
    assert client("GET", "k") is None
    assert client("DBSIZE") == 0


# --- blocked clients --------------------------------------------------------------------


def test_client_unblock_ends_a_wait_like_its_timeout_or_with_an_error(
    server: RunningServer, client: Connection
) -> None:
    other = server.connect()
    ident = other("CLIENT", "ID")
    for words, ended in (
        ((), NULL_ARRAY),
        (("TIMEOUT",), NULL_ARRAY),
        (("ERROR",), Error("UNBLOCKED client unblocked via CLIENT UNBLOCK")),
    ):
        other.send("BLPOP", "a", 0)
        wait_until_held(client, ident)
        assert client("CLIENT", "UNBLOCK", ident, *words) == 1
        assert other.read() == ended
        assert client("CLIENT", "UNBLOCK", ident, *words) == 0


def test_client_unblock_does_not_release_a_paused_client(
    server: RunningServer, client: Connection
) -> None:
    server.freeze()
    other = server.connect()
    ident = other("CLIENT", "ID")
    client("CLIENT", "PAUSE", 1000, "WRITE")
    other.send("SET", "k", 1)
    wait_until_held(client, ident)
    assert client("CLIENT", "UNBLOCK", ident) == 0


def test_wait_and_waitaof_return_at_their_timeout(
    server: RunningServer, client: Connection
) -> None:
    server.freeze()
    other = server.connect()
    ident = other("CLIENT", "ID")
    for request, reply in ((("WAIT", 1, 1000), 0), (("WAITAOF", 0, 1, 1000), [0, 0])):
        other.send(*request)
        wait_until_held(client, ident)
        server.advance(999)
        assert "b" in listed(client)[ident]["flags"]
        server.advance(1)
        assert other.read() == reply


def test_wait_can_be_unblocked(server: RunningServer, client: Connection) -> None:
    other = server.connect()
    ident = other("CLIENT", "ID")
    other.send("WAIT", 1, 0)
    wait_until_held(client, ident)
    assert client("CLIENT", "UNBLOCK", ident) == 1
    assert other.read() == 0


def test_a_closed_connection_is_no_longer_listed(server: RunningServer, client: Connection) -> None:
    other = server.connect()
    ident = other("CLIENT", "ID")
    other.send("QUIT")
    assert other.read_until_closed() == ["OK"]
    assert ident not in listed(client)
    with pytest.raises(ConnectionClosed):
        other.read()
