"""INFO: its sections, its fields and their values."""

from __future__ import annotations

import os
import platform

import pytest

from commands.instance.statistics import Rate
from tests.support.info import info_fields
from tests.support.oracles import Oracle
from tests.support.resp import Connection, Error, Verbatim
from tests.support.servers import RunningServer

NOW = 1_700_000_000_000


def titles(text: bytes) -> list[str]:
    return [line[2:] for line in text.decode().splitlines() if line.startswith("# ")]


DEFAULT = (
    "Server Clients Memory Persistence Stats Replication CPU Modules Errorstats Cluster "
    "Keyspace Redkeep"
)
ALL = DEFAULT.replace("Errorstats", "Commandstats Errorstats Latencystats")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("", DEFAULT),
        ("default", DEFAULT),
        ("ALL", ALL),
        ("everything", ALL),
        ("cpu server SERVER", "Server CPU"),
        ("default commandstats", DEFAULT.replace("Errorstats", "Commandstats Errorstats")),
        ("modules", "Modules"),
        ("module_list", "Modules"),
        ("nothing", ""),
        ("nothing redkeep", "Redkeep"),
    ],
)
def test_info_returns_the_requested_sections(client: Connection, words: str, expected: str) -> None:
    assert titles(client("INFO", *words.split())) == expected.split()


def test_an_empty_line_separates_sections(client3: Connection) -> None:
    reply = client3("INFO", "cluster", "modules")
    assert reply == Verbatim("txt", b"# Modules\r\n\r\n# Cluster\r\ncluster_enabled:0\r\n")


def test_every_field_of_redis_is_present_in_its_order(client: Connection, redis7: Oracle) -> None:
    sections = ("server", "clients", "memory", "persistence", "stats", "replication", "cpu")
    reference = redis7.connect()
    for section in sections:
        theirs = list(info_fields(reference, section))
        ours = [name for name in info_fields(client, section) if name in theirs]
        assert ours == theirs, section


def test_the_server_section_describes_the_process(
    server: RunningServer, client: Connection
) -> None:
    found = info_fields(client, "server", "redkeep")
    assert found["redis_version"] == "7.2.4"
    assert found["redis_mode"] == "standalone"
    assert found["process_id"] == str(os.getpid())
    assert len(found["run_id"]) == 40
    assert found["python_version"] == platform.python_version()
    assert found["clock_frozen"] == "0"


def test_the_server_section_ends_with_the_listeners(
    server: RunningServer, client: Connection, valkey: Oracle
) -> None:
    def listeners(connection: Connection) -> list[str]:
        fields = info_fields(connection, "server").items()
        return [f"{name}:{value}" for name, value in fields if name.startswith("listener")]

    theirs = listeners(valkey.connect())
    assert theirs == [f"listener0:name=tcp,bind=127.0.0.1,port={valkey.port}"]
    client("CONFIG", "SET", "bind", "127.0.0.1 -::1")
    expected = [f"listener0:name=tcp,bind=127.0.0.1,bind=-::1,port={server.port}"]
    assert listeners(client) == expected
    assert list(info_fields(client, "server"))[-1] == "listener0"


def test_keys_whose_loss_would_end_a_wait_are_counted(
    server: RunningServer, client: Connection
) -> None:
    client("XGROUP", "CREATE", "stream", "group", "$", "MKSTREAM")
    read = ("XREADGROUP", "GROUP", "group", "me", "BLOCK", 0, "STREAMS")
    waits = [
        ("BLPOP", "list", "other", 0),
        ("XREAD", "BLOCK", 0, "STREAMS", "stream", "$"),
        (*read, "stream", ">"),
        (*read, "stream", ">"),
    ]
    counted = []
    for wait in waits:
        server.block(server.connect(), *wait)
        found = info_fields(client, "clients")
        counted.append((found["total_blocking_keys"], found["total_blocking_keys_on_nokey"]))
    assert counted == [("2", "0"), ("3", "0"), ("3", "1"), ("3", "1")]


def test_times_follow_the_servers_clock(server: RunningServer, client: Connection) -> None:
    server.freeze()
    before = info_fields(client, "server")
    server.advance(3 * 86_400_000)
    after = info_fields(client, "server", "redkeep")
    assert int(after["server_time_usec"]) - int(before["server_time_usec"]) == 3 * 86_400_000_000
    assert after["uptime_in_days"] == "3"
    assert after["clock_frozen"] == "1"


def test_clients_are_counted_by_state(server: RunningServer, client: Connection) -> None:
    server.connect()("SUBSCRIBE", "channel")
    watching = server.connect()
    watching("WATCH", "a", "b")
    with_timeout = server.connect()
    server.block(with_timeout, "BLPOP", "list", 100)
    without_timeout = server.connect()
    client("XGROUP", "CREATE", "stream", "group", "$", "MKSTREAM")
    server.block(
        without_timeout,
        *("XREADGROUP", "GROUP", "group", "me", "BLOCK", 0, "STREAMS", "stream", ">"),
    )
    found = info_fields(client, "clients")
    assert found["connected_clients"] == "5"
    assert found["pubsub_clients"] == "1"
    assert (found["watching_clients"], found["total_watched_keys"]) == ("1", "2")
    assert (found["blocked_clients"], found["clients_in_timeout_table"]) == ("2", "1")
    assert (found["total_blocking_keys"], found["total_blocking_keys_on_nokey"]) == ("2", "1")


def test_commands_and_errors_are_counted(client: Connection) -> None:
    client("SET", "a", "b")
    client("GET", "a")
    client("GET", "none")
    client("GET")
    client("INCR", "a")
    client("NOSUCH")
    client("LPUSH", "a", "x")
    found = info_fields(client, "all")
    assert found["keyspace_hits"] == "1"
    assert found["keyspace_misses"] == "1"
    assert found["cmdstat_get"].startswith("calls=2,usec=")
    assert found["cmdstat_get"].endswith(",rejected_calls=1,failed_calls=0")
    assert found["cmdstat_incr"].endswith(",rejected_calls=0,failed_calls=1")
    assert found["errorstat_ERR"] == "count=3"
    assert found["errorstat_WRONGTYPE"] == "count=1"
    assert found["total_error_replies"] == "4"
    assert found["latency_percentiles_usec_get"].startswith("p50=")
    assert found["rdb_changes_since_last_save"] == "1"


def test_special_characters_of_error_codes_are_replaced(client: Connection) -> None:
    assert client("DEBUG", "ERROR", "A:B#C\r\nD") == Error("A:B#C  D")
    assert b"\r\nerrorstat_A_B_C__D:count=1\r\n" in client("INFO", "errorstats")


def test_latency_percentiles_follow_the_setting(client: Connection) -> None:
    client("CONFIG", "SET", "latency-tracking-info-percentiles", "10 99.5")
    client("PING")
    shown = info_fields(client, "latencystats")["latency_percentiles_usec_ping"]
    assert [part.split("=")[0] for part in shown.split(",")] == ["p10", "p99.5"]


def test_the_keyspace_section_describes_each_database(
    server: RunningServer, client: Connection
) -> None:
    server.freeze(NOW)
    client("SET", "a", 1)
    client("SET", "b", 1, "PX", 4000)
    client("SET", "c", 1, "PX", 2000)
    client("SELECT", 5)
    client("HSET", "h", "f", "v")
    assert client("INFO", "keyspace") == (
        b"# Keyspace\r\ndb0:keys=3,expires=2,avg_ttl=3000,subexpiry=0\r\n"
        b"db5:keys=1,expires=0,avg_ttl=0,subexpiry=0\r\n"
    )


def test_memory_fields_are_consistent(client: Connection) -> None:
    found = info_fields(client, "memory")
    used, peak = int(found["used_memory"]), int(found["used_memory_peak"])
    assert peak >= used > 1 << 20
    assert found["used_memory_human"].endswith("M")
    assert float(found["used_memory_human"][:-1]) == pytest.approx(used / 2**20, abs=0.01)
    assert found["maxmemory_human"] == "0B"


def test_rates_are_averages_of_the_last_samples() -> None:
    rates = Rate()
    for step in range(17):
        rates.sample(NOW + step * 100, step * 50)
    assert rates.per_second == 500
    rates.sample(NOW + 2000, 0)
    assert rates.per_second == pytest.approx(500 * 15 / 16)
