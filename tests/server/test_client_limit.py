"""The limit of open files: raised for `maxclients`, or `maxclients` lowered to it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from commands.families import open_instance
from commands.settings.settings import Settings
from server.client_limit import RESERVED, TooFewDescriptors
from server.server import Server
from server.system.system import SYSTEM
from tests.support.info import info
from tests.support.networks import FewDescriptors
from tests.support.oracles import free_port, redis_binary
from tests.support.processes import CHECKOUT, ROOT, ServeProcess
from tests.support.resp import Connection, Error
from tests.support.servers import Loop
from tests.support.waiting import wait_until


def _limited(most: int, command: tuple[str, ...] = CHECKOUT) -> tuple[str, ...]:
    """A command with a limit of open files that it cannot raise."""
    code = (
        "import os, resource, sys\n"
        f"resource.setrlimit(resource.RLIMIT_NOFILE, ({most}, {most}))\n"
        "os.execvp(sys.argv[1], sys.argv[1:])"
    )
    return (*_WITHOUT_PRIVILEGE, sys.executable, "-c", code, *command)


# Root may exceed the hard limit; without this capability it may not.
_WITHOUT_PRIVILEGE: tuple[str, ...] = (
    ("setpriv", "--bounding-set", "-sys_resource", "--inh-caps", "-sys_resource")
    if os.geteuid() == 0
    else ()
)


def _refusal(possible: int) -> Error:
    return Error(
        "ERR CONFIG SET failed (possibly related to argument 'maxclients') - The operating system "
        f"is not able to handle the specified number of clients, try with {possible}"
    )


def test_the_limit_is_raised_for_maxclients(loop: Loop) -> None:
    descriptors = FewDescriptors(50_000)
    running = loop.start_server(replace(SYSTEM, descriptors=descriptors), maxclients="300")
    client = running.connect()
    assert client("CONFIG", "GET", "maxclients") == [b"maxclients", b"300"]
    assert client("CONFIG", "SET", "maxclients", 4000) == "OK"
    assert descriptors.asked == [300 + RESERVED, 4000 + RESERVED]
    running.close()


def test_maxclients_is_lowered_to_what_the_limit_allows(
    loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    running = loop.start_server(replace(SYSTEM, descriptors=FewDescriptors(200)))
    client = running.connect()
    assert client("CONFIG", "GET", "maxclients") == [b"maxclients", b"168"]
    assert "maxclients was reduced from 10000 to 168" in caplog.text
    assert client("CONFIG", "SET", "timeout", 5, "maxclients", 169) == _refusal(168)
    assert client("CONFIG", "GET", "maxclients", "timeout") == [
        b"maxclients", b"168", b"timeout", b"0",
    ]  # fmt: skip
    assert client("CONFIG", "SET", "maxclients", 50) == "OK"
    running.close()


def test_a_limit_that_leaves_no_client_refuses_the_start() -> None:
    few = replace(SYSTEM, descriptors=FewDescriptors(RESERVED))
    with pytest.raises(TooFewDescriptors, match=r"limit of open files is 32"):
        Server(open_instance(Settings({"port": "0"})), system=few).listen()


@pytest.mark.parametrize(
    ("soft", "hard", "wanted", "expected"),
    [(64, 500, 300, 300), (64, 500, 500, 500), (64, 500, 10_032, 500), (400, 500, 300, 400)],
)
def test_the_soft_limit_follows_up_to_the_hard_one(
    soft: int, hard: int, wanted: int, expected: int
) -> None:
    code = (
        "import resource\n"
        "from server.system.descriptors import SystemDescriptors\n"
        f"resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))\n"
        f"limit = SystemDescriptors().raise_limit({wanted})\n"
        "print(limit, *resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    command = [*_WITHOUT_PRIVILEGE, sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(expected), str(expected), str(hard)]


def test_a_started_server_explains_that_it_has_too_few(tmp_path: Path) -> None:
    refused = subprocess.run(
        [*_limited(25), "serve", "--port", "0"], cwd=tmp_path, capture_output=True, text=True
    )
    assert refused.returncode == 1
    assert "the limit of open files is 25" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.skipif(redis_binary() is None, reason="there is no redis-server")
def test_redis_lowers_maxclients_to_the_same_number(tmp_path: Path) -> None:
    port = free_port()
    command = _limited(100, (str(redis_binary()), "--port", str(port), "--save", ""))
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: _accepts(port), "redis-server")
        client = Connection(port)
        assert client("CONFIG", "GET", "maxclients") == [b"maxclients", b"68"]
        assert client("CONFIG", "SET", "maxclients", 69) == _refusal(68)
        client.close()
    finally:
        process.kill()
        process.wait()


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_two_hundred_clients_with_a_hundred_descriptors(tmp_path: Path) -> None:
    with ServeProcess(command=_limited(100), cwd=tmp_path) as process:
        first = Connection(process.port)
        assert first("CONFIG", "GET", "maxclients") == [b"maxclients", b"68"]
        sockets = [socket.create_connection(("127.0.0.1", process.port)) for _ in range(200)]
        for sock in sockets:
            sock.settimeout(20)
            sock.sendall(b"PING\r\n")
        replies = [_first_bytes(sock) for sock in sockets]
        assert replies.count(b"+PONG\r\n") == 67
        # A reset may overtake the refusal, because the client has sent something.
        assert set(replies) <= {b"+PONG\r\n", b"-ERR max number of clients reached\r\n", b""}
        assert info(first, "rejected_connections") == "133"
        _saves(first)
        for sock in sockets:
            sock.close()
        wait_until(lambda: info(first, "connected_clients") == "1", "clients to leave")
        Connection(process.port).close()
        first.close()
        assert process.close() == 0
    assert sum("maxclients was reduced" in line for line in process.errors) == 1
    assert len(process.errors) < 20


def _first_bytes(sock: socket.socket) -> bytes:
    try:
        return sock.recv(64)
    except ConnectionResetError:
        return b""


def _saves(client: Connection) -> None:
    """Have a snapshot and a rewrite of the log written, and a write logged."""
    assert client("SET", "a", "b") == "OK"
    assert client("BGSAVE") == "Background saving started"
    wait_until(lambda: info(client, "rdb_bgsave_in_progress") == "0", "BGSAVE")
    assert info(client, "rdb_last_bgsave_status") == "ok"
    assert client("BGREWRITEAOF") == "Background append only file rewriting started"
    wait_until(lambda: info(client, "aof_rewrite_in_progress") == "0", "BGREWRITEAOF")
    assert info(client, "aof_last_bgrewrite_status") == "ok"
    assert info(client, "aof_last_write_status") == "ok"
