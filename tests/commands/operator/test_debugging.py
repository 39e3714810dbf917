"""DEBUG: its permission and its effects; replies and digests are compared in tests/differential."""

from __future__ import annotations

from time import monotonic

import pytest

from tests.storage.rdb.test_damage import PAYLOADS
from tests.support.resp import Connection, Error, Push
from tests.support.servers import Loop, RunningServer

NOW = 1_700_000_000_000


@pytest.mark.parametrize(("allowed", "works"), [("no", False), ("local", True), ("yes", True)])
def test_debug_is_allowed_according_to_its_setting(loop: Loop, allowed: str, works: bool) -> None:
    running = loop.start_server(enable_debug_command=allowed)
    try:
        reply = running.connect()("DEBUG", "SLEEP", 0)
    finally:
        running.close()
    if works:
        assert reply == "OK"
    else:
        assert isinstance(reply, Error)
        assert reply.text.startswith("ERR DEBUG command not allowed.")


def test_debug_sleep_delays_all_clients(server: RunningServer, client: Connection) -> None:
    other = server.connect()
    started = monotonic()
    client.send("DEBUG", "SLEEP", 0.05)
    client.send("PING")
    assert client.read() == "OK"
    assert other("PING") == "PONG"
    assert monotonic() - started >= 0.05


def test_digests_depend_on_deadlines_but_not_on_member_order(client: Connection) -> None:
    client("SADD", "a", "x", "y", "z")
    client("SADD", "b", "z", "y", "x")
    client("RPUSH", "c", "x", "y")
    client("RPUSH", "d", "y", "x")
    a, b, c, d, none = client("DEBUG", "DIGEST-VALUE", "a", "b", "c", "d", "none")
    assert a == b
    assert c != d
    assert none == "0" * 40
    before = client("DEBUG", "DIGEST")
    client("PEXPIRE", "a", 100000)
    assert client("DEBUG", "DIGEST-VALUE", "a") != [a]
    client("PERSIST", "a")
    assert client("DEBUG", "DIGEST") == before


def test_expired_keys_stay_while_active_expiry_is_off(
    server: RunningServer, client: Connection
) -> None:
    server.freeze(NOW)
    client("DEBUG", "SET-ACTIVE-EXPIRE", 0)
    client("SET", "a", "b", "PX", 10)
    server.advance(1000)
    assert client("DBSIZE") == 1
    assert client("DEBUG", "SET-ACTIVE-EXPIRE", 1) == "OK"
    assert server.instance.active_expire


def test_debug_object_describes_the_value(server: RunningServer, client: Connection) -> None:
    server.freeze(NOW)
    client("SET", "a", "hello")
    server.advance(5000)
    line = client("DEBUG", "OBJECT", "a")
    assert line.startswith("Value at:0x")
    assert " refcount:1 encoding:embstr serializedlength:6 " in line
    assert line.endswith("lru_seconds_idle:5")
    assert "serializedlength" not in client("DEBUG", "OBJECT", "a", "fast")
    client("RPUSH", "l", *["x" * 1000] * 20)
    assert " encoding:quicklist " in client("DEBUG", "OBJECT", "l")
    assert " ql_nodes:3 ql_avg_node:6.67 " in client("DEBUG", "OBJECT", "l")
    client("ZADD", "z", 1, "one", 2, "two")
    assert " encoding:listpack serializedlength:24 " in client("DEBUG", "OBJECT", "z")


def test_debug_protocol_push_sends_a_push_before_the_reply(
    client: Connection, client3: Connection
) -> None:
    assert client("DEBUG", "PROTOCOL", "push") == Error(
        "ERR RESP2 is not supported by this command"
    )
    client3.send("DEBUG", "PROTOCOL", "push")
    assert client3.read() == Push([b"server-cpu-usage", 42])
    assert client3.read() == b"Some real reply following the push reply"


def test_debug_populate_bounds_the_value_size(server: RunningServer, client: Connection) -> None:
    assert client("DEBUG", "POPULATE", 1, "k", 1 << 40) == Error(
        "ERR value is out of range, must be positive"
    )
    assert client("DEBUG", "POPULATE", 2, "k", 1000) == "OK"
    assert client("STRLEN", "k:1") == 1000


def test_debug_stringmatch_test_passes(client: Connection) -> None:
    assert client("DEBUG", "STRINGMATCH-TEST").endswith("test passed")


def test_switches_take_effect_in_the_instance(server: RunningServer, client: Connection) -> None:
    instance = server.instance
    before = instance.replication_id
    for word, value in (
        ("PAUSE-CRON", 1),
        ("SET-DISABLE-DENY-SCRIPTS", 1),
        ("SET-SKIP-CHECKSUM-VALIDATION", 1),
        ("DICT-RESIZING", 1),
        ("AOF-FLUSH-SLEEP", 1),
    ):
        assert client("DEBUG", word, value) == "OK"
    assert client("DEBUG", "CHANGE-REPL-ID") == "OK"
    assert instance.background_paused
    assert instance.scripts_may_call_all
    assert instance.skip_checksums
    assert instance.replication_id != before


def test_help_has_the_form_of_a_containers_help(client: Connection) -> None:
    lines = client("DEBUG", "HELP")
    assert lines[0] == "DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"
    assert "SLEEP <seconds>" in lines
    assert len(lines) > 30
    assert max(map(len, lines)) < 80


def test_config_rewrite_force_all_needs_a_config_file(client: Connection) -> None:
    assert client("DEBUG", "CONFIG-REWRITE-FORCE-ALL") == Error(
        "ERR CONFIG-REWRITE-FORCE-ALL failed: Bad address"
    )


def test_no_subcommand_fails_on_any_type_or_encoding(client: Connection) -> None:
    for name, payload in PAYLOADS.items():
        assert client("RESTORE", name, 0, payload) == "OK"
    client("PFADD", "hyperloglog", "a")
    client("SET", "expired", "x", "PX", 1)
    syntaxes = [line for line in client("DEBUG", "HELP")[1:] if not line.startswith(" ")]
    others = {"SLEEP", "POPULATE", "RELOAD", "LOADAOF", "STRINGMATCH-TEST"}
    subcommands = {syntax.split()[0] for syntax in syntaxes} - others
    assert {"OBJECT", "LISTPACK", "DIGEST-VALUE"} < subcommands
    for name in [*PAYLOADS, "hyperloglog", "expired", "missing"]:
        for subcommand in subcommands:
            for rest in ([], [0], ["fast"], ["x", "y"]):
                # An internal error would close the connection.
                client("DEBUG", subcommand, name, *rest)
        if name in PAYLOADS:
            assert client("DEBUG", "OBJECT", name).startswith("Value at:0x")
