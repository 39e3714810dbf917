"""The addresses that a server listens on, and changing them while it runs."""

from __future__ import annotations

import errno
import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from commands.families import open_instance
from commands.settings.settings import Settings
from server.listeners import ListenError
from server.server import Server
from server.system.system import SYSTEM, System
from tests.support.networks import ExhaustedNetwork, FailingNetwork, FewDescriptors
from tests.support.oracles import Oracle, free_port
from tests.support.resp import TIMEOUT, Connection, Error
from tests.support.servers import Loop, RunningServer

REFUSED = {
    "port": "Unable to listen on this port. Check server logs.",
    "bind": "Failed to bind to specified addresses.",
}


def test_config_set_port_moves_the_server(server: RunningServer) -> None:
    client = server.connect()
    port = free_port()
    assert client("CONFIG", "SET", "port", port) == "OK"
    moved = Connection(port)
    assert moved("PING") == "PONG"
    moved.close()
    # Connected clients stay connected; the old port accepts no new ones.
    assert client("PING") == "PONG"
    with pytest.raises(ConnectionRefusedError):
        Connection(server.port)


def test_a_refused_move_is_worded_as_by_redis(client: Connection, redis7: Oracle) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port, bind = ("port", taken.getsockname()[1]), ("bind", "9.9.9.9")
        for words in (port, bind, (*port, *bind), (*bind, *port)):
            assert client("CONFIG", "SET", *words) == redis7("CONFIG", "SET", *words), words


def test_changing_to_a_port_in_use_is_refused_and_changes_nothing(server: RunningServer) -> None:
    client = server.connect()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = client("CONFIG", "SET", "port", port)
    assert isinstance(refused, Error)
    assert refused.text.endswith(REFUSED["port"])
    assert client("CONFIG", "GET", "port") == [b"port", b"%d" % server.port]
    assert server.connect()("PING") == "PONG"


def test_config_set_bind_adds_and_removes_addresses(server: RunningServer) -> None:
    client = server.connect()
    port = free_port()
    client("CONFIG", "SET", "port", port)
    assert client("CONFIG", "SET", "bind", "127.0.0.1 127.0.0.2") == "OK"
    with socket.create_connection(("127.0.0.2", port)) as other:
        other.sendall(b"PING\r\n")
        assert other.recv(64) == b"+PONG\r\n"
    assert client("CONFIG", "SET", "bind", "127.0.0.1") == "OK"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", port))
    Connection(port).close()


# --- failures of the network ---------------------------------------------------------------


def _system(network: FailingNetwork) -> System:
    return replace(SYSTEM, network=network)


def _open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_a_server_starts_where_there_is_no_ipv6(loop: Loop) -> None:
    network = FailingNetwork()
    network.missing_families.add(socket.AF_INET6)
    running = loop.start_server(_system(network), bind="127.0.0.1 ::1")
    assert running.connect()("PING") == "PONG"
    running.close()


@pytest.mark.parametrize("bind", ["-::1 127.0.0.1", "127.0.0.1 -::*"])
def test_an_optional_address_may_be_unavailable(loop: Loop, bind: str) -> None:
    network = FailingNetwork()
    network.missing_families.add(socket.AF_INET6)
    running = loop.start_server(_system(network), bind=bind)
    assert running.connect()("PING") == "PONG"
    running.close()


@pytest.mark.parametrize("operation", ["create", "bind", "listen"])
@pytest.mark.parametrize("number", [errno.EMFILE, errno.EADDRINUSE, errno.EACCES, errno.ENOBUFS])
@pytest.mark.parametrize("successes", [0, 1])
def test_a_failed_start_is_a_listen_error_and_leaves_nothing_open(
    operation: str, number: int, successes: int
) -> None:
    network = FailingNetwork(**{operation: [0] * successes + [number]})
    settings = Settings({"port": "0", "bind": "127.0.0.1 127.0.0.2"})
    server = Server(open_instance(settings), system=_system(network))
    before = _open_files()
    with pytest.raises(ListenError, match=r"127\.0\.0\.[12]"):
        server.listen()
    # Fewer, if servers of earlier tests have closed connections meanwhile.
    assert _open_files() <= before


@pytest.mark.parametrize("operation", ["create", "bind", "listen"])
@pytest.mark.parametrize("number", [errno.EMFILE, errno.EADDRINUSE, errno.EACCES])
@pytest.mark.parametrize(
    "change",
    [
        ("bind", "127.0.0.1 127.0.0.2"),
        ("bind", "127.0.0.3"),
        ("port", "PORT"),
        ("timeout", "9", "port", "PORT", "bind", "127.0.0.3"),
    ],
)
def test_a_move_that_fails_changes_nothing(
    loop: Loop, operation: str, number: int, change: tuple[str, ...]
) -> None:
    network = FailingNetwork()
    running = loop.start_server(_system(network))
    client = running.connect()
    before = client("CONFIG", "GET", "*")
    opened = running.call(_open_files)
    network.fail(operation, number)
    words = [str(free_port()) if word == "PORT" else word for word in change]
    refused = client("CONFIG", "SET", *words)
    assert isinstance(refused, Error)
    blamed = "bind" if words[0] == "bind" else "port"
    assert refused.text.endswith(f"argument '{blamed}') - {REFUSED[blamed]}")
    assert client("CONFIG", "GET", "*") == before
    # Fewer, if servers of earlier tests have closed connections meanwhile.
    assert running.call(_open_files) <= opened
    assert running.connect()("PING") == "PONG"
    running.close()


def test_port_and_bind_are_changed_together(loop: Loop) -> None:
    network = FailingNetwork()
    running = loop.start_server(_system(network))
    network.calls.clear()
    port = free_port()
    assert running.connect()("CONFIG", "SET", "port", port, "bind", "127.0.0.2") == "OK"
    assert network.calls.count("bind") == 1
    with socket.create_connection(("127.0.0.2", port)) as moved:
        moved.sendall(b"PING\r\n")
        assert moved.recv(64) == b"+PONG\r\n"
    running.close()


@pytest.mark.parametrize(
    "bind",
    [
        "127.0.0.1 127.0.0.1",
        "a\0b",
        "é",
        "127.0.0.1\n",
        "x" * 300,
        "..",
        "127.0.0.1 ",
        "127.0.0.1  127.0.0.2",
        "-",
        "<broadcast>",
    ],
)
def test_an_address_that_is_none_is_refused(server: RunningServer, bind: str) -> None:
    client = server.connect()
    port = free_port()
    refused = client("CONFIG", "SET", "bind", bind, "port", port)
    assert isinstance(refused, Error)
    assert refused.text.endswith(REFUSED["bind"])
    assert client("CONFIG", "GET", "bind") == [b"bind", b"127.0.0.1"]
    assert server.connect()("PING") == "PONG"


def test_an_empty_bind_closes_the_tcp_port(server: RunningServer) -> None:
    client = server.connect()
    assert client("CONFIG", "SET", "bind", "") == "OK"
    with pytest.raises(ConnectionRefusedError):
        Connection(server.port)
    assert client("CONFIG", "SET", "bind", "127.0.0.1") == "OK"
    assert server.connect()("PING") == "PONG"


def test_a_start_without_any_address_is_refused() -> None:
    server = Server(open_instance(Settings({"bind": ""})))
    with pytest.raises(ListenError, match="no address"):
        server.listen()


# --- accepting without descriptors -----------------------------------------------------------


def test_without_descriptors_clients_are_refused_and_the_queue_is_emptied(loop: Loop) -> None:
    descriptors = FewDescriptors(20_000)
    network = ExhaustedNetwork(descriptors)
    running = loop.start_server(replace(SYSTEM, network=network, descriptors=descriptors))
    first = running.connect()
    assert first("PING") == "PONG"
    network.exhausted = True
    network.calls.clear()
    waiting = [socket.create_connection(("127.0.0.1", running.port)) for _ in range(20)]
    for sock in waiting:
        with sock:
            sock.settimeout(TIMEOUT)
            assert sock.recv(64) == b"-ERR max number of clients reached\r\n"
    assert first("PING") == "PONG"
    # Two attempts for each client, and few that find the queue empty.
    assert network.calls.count("accept") <= 20 * 2 + 20
    network.exhausted = False
    assert running.connect()("PING") == "PONG"
    assert b"rejected_connections:20\r\n" in first("INFO", "stats")
    running.close()


def test_without_a_spare_descriptor_accepting_pauses_and_goes_on(loop: Loop) -> None:
    network, descriptors = FailingNetwork(), FewDescriptors(20000, has_spare=False)
    running = loop.start_server(replace(SYSTEM, network=network, descriptors=descriptors))
    network.fail("accept", errno.EMFILE, errno.ENFILE, errno.ENOBUFS)
    assert running.connect()("PING") == "PONG"
    # One attempt for each failure, one that works, and one that finds the queue empty.
    assert network.calls.count("accept") <= 5
    running.close()
    assert not descriptors.open


# --- Unix sockets ---------------------------------------------------------------------------


def _listening(path: Path, network: FailingNetwork | None = None) -> Server:
    settings = Settings({"port": "0", "bind": "", "unixsocket": str(path)})
    server = Server(open_instance(settings), system=_system(network or FailingNetwork()))
    server.listen()
    return server


def _leave_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))


def test_a_socket_that_a_server_left_behind_is_replaced(loop: Loop, tmp_path: Path) -> None:
    path = tmp_path / "s"
    _leave_socket(path)
    running = loop.start_server(unixsocket=str(path))
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        client.sendall(b"PING\r\n")
        assert client.recv(64) == b"+PONG\r\n"
    running.close()
    assert not path.exists()


@pytest.mark.parametrize("kind", ["file", "link", "dangling link", "directory", "in use"])
def test_what_is_no_unused_socket_is_left_alone(tmp_path: Path, kind: str) -> None:
    path, other = tmp_path / "s", tmp_path / "other"
    listener = socket.socket(socket.AF_UNIX)
    if kind == "file":
        path.write_text("mine")
    elif kind == "link":
        _leave_socket(other)
        path.symlink_to(other)
    elif kind == "dangling link":
        path.symlink_to(other)
    elif kind == "directory":
        path.mkdir()
    else:
        listener.bind(str(path))
        listener.listen()
    before = path.lstat()
    with listener, pytest.raises(ListenError, match="cannot listen on unix socket"):
        _listening(path)
    assert path.lstat().st_ino == before.st_ino
    assert other.exists() == (kind == "link")


@pytest.mark.parametrize("operation", ["create", "bind", "listen"])
def test_a_unix_socket_that_cannot_be_made_leaves_no_file(tmp_path: Path, operation: str) -> None:
    path = tmp_path / "s"
    with pytest.raises(ListenError, match="cannot listen on unix socket"):
        _listening(path, FailingNetwork(**{operation: [errno.EACCES]}))
    assert not path.exists()


def test_a_path_that_is_too_long_for_a_unix_socket_is_explained(tmp_path: Path) -> None:
    with pytest.raises(ListenError, match="too long"):
        _listening(tmp_path / ("x" * 200))


def test_closing_leaves_a_socket_alone_that_another_server_has_made(
    loop: Loop, tmp_path: Path
) -> None:
    path = tmp_path / "s"
    running = loop.start_server(unixsocket=str(path))
    path.unlink()
    _leave_socket(path)
    running.close()
    assert path.is_socket()
