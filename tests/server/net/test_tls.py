"""TLS: who may connect, and that bytes arrive whatever the pieces they come in."""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import redis

from commands.families import open_instance
from commands.settings.settings import Settings
from server.listeners import ListenError
from server.net import connections
from server.net.reactor import TaskReactor
from server.server import Server
from tests.server.net.tls_client import ByHand
from tests.support.certificates import Authority, Files
from tests.support.oracles import free_port
from tests.support.resp import TIMEOUT, Connection, ConnectionClosed, Error, request
from tests.support.servers import Loop, RunningServer
from tests.support.waiting import wait_until

_ATTEMPTS = 5
_REFUSED = "Unable to update TLS configuration. Check server logs."


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls") / "authority")


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority that the server does not know."""
    return Authority(tmp_path_factory.mktemp("tls") / "stranger")


@dataclass
class Encrypted:
    """A server with a port for TLS."""

    running: RunningServer
    authority: Authority
    port: int
    opened: list[Connection]

    def connect(self, context: ssl.SSLContext | None = None, resp: int = 2) -> Connection:
        tls = context or self.authority.client()
        connection = Connection(self.port, tls=tls, resp=resp)
        self.opened.append(connection)
        return connection

    def by_hand(self) -> ByHand:
        return ByHand(self.port, self.authority.client())


Start = Callable[..., Encrypted]


@pytest.fixture
def start(loop: Loop, authority: Authority) -> Iterator[Start]:
    started: list[Encrypted] = []

    def start(**settings: str) -> Encrypted:
        files = authority.issue()
        named = {
            "tls_cert_file": files.certificate,
            "tls_key_file": files.key,
            "tls_ca_cert_file": authority.file,
            "tls_auth_clients": "no",
        }
        for attempt in range(_ATTEMPTS):
            port = free_port()
            try:
                running = loop.start_server(tls_port=str(port), **named | settings)
            except ListenError:
                # Another process took the port.
                if attempt == _ATTEMPTS - 1:
                    raise
            else:
                break
        encrypted = Encrypted(running, authority, port, [])
        started.append(encrypted)
        return encrypted

    yield start
    for each in started:
        for connection in each.opened:
            connection.close()
        each.running.close()


def _plain(server: Encrypted) -> Connection:
    """A connection to the Unix socket of a server."""
    path = server.running.call(lambda: server.running.instance.settings.unixsocket)
    connection = Connection(path=path)
    server.opened.append(connection)
    return connection


def _refused(connect: Callable[[], Connection]) -> bool:
    """Whether the server ends the connection before it answers."""
    try:
        connect()("PING")
    except (ssl.SSLError, ConnectionClosed, ConnectionError):
        return True
    return False


# --- ports --------------------------------------------------------------------------------


def test_tls_is_the_only_door_with_port_0(start: Start) -> None:
    server = start()
    assert server.running.port == 0
    assert server.connect()("PING") == "PONG"
    assert server.connect()("CONFIG", "GET", "port") == [b"port", b"0"]


def test_plain_unix_and_tls_ports_serve_the_same_keys(start: Start, tmp_path: Path) -> None:
    port = free_port()
    server = start(unixsocket=str(tmp_path / "s"), port=str(port))
    with Connection(port) as plain:
        assert plain("SET", "k", "v") == "OK"
    assert server.connect()("GET", "k") == b"v"
    assert _plain(server)("GET", "k") == b"v"


def test_info_lists_what_the_server_listens_on(start: Start, tmp_path: Path) -> None:
    path, port = str(tmp_path / "s"), free_port()
    server = start(unixsocket=path, port=str(port))
    info = server.connect()("INFO", "server").decode()
    assert [line for line in info.splitlines() if line.startswith("listener")] == [
        f"listener0:name=tcp,bind=127.0.0.1,port={port}",
        f"listener1:name=unix,bind={path}",
        f"listener2:name=tls,bind=127.0.0.1,port={server.port}",
    ]


def test_config_set_opens_moves_and_closes_the_tls_port(start: Start, tmp_path: Path) -> None:
    server = start(unixsocket=str(tmp_path / "s"))
    plain = _plain(server)
    first = server.connect()
    moved = free_port()
    assert plain("CONFIG", "SET", "tls-port", moved) == "OK"
    with pytest.raises(ConnectionRefusedError):
        server.connect()
    server.port = moved
    assert server.connect()("PING") == "PONG"
    assert plain("CONFIG", "SET", "tls-port", 0) == "OK"
    with pytest.raises(ConnectionRefusedError):
        server.connect()
    assert first("PING") == "PONG"
    assert plain("CONFIG", "SET", "tls-port", moved) == "OK"
    assert server.connect()("PING") == "PONG"


def test_a_tls_port_in_use_is_refused(start: Start) -> None:
    server = start()
    client = server.connect()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        refused = client("CONFIG", "SET", "tls-port", taken.getsockname()[1])
    assert refused == Error(
        "ERR CONFIG SET failed (possibly related to argument 'tls-port') - Unable to listen on "
        "this port. Check server logs."
    )
    assert client("CONFIG", "GET", "tls-port") == [b"tls-port", b"%d" % server.port]
    assert server.connect()("PING") == "PONG"


def test_a_tls_port_needs_a_certificate(server: RunningServer, authority: Authority) -> None:
    client = server.connect()
    port = free_port()
    refused = client("CONFIG", "SET", "tls-port", port)
    assert refused == Error(
        f"ERR CONFIG SET failed (possibly related to argument 'tls-port') - {_REFUSED}"
    )
    with pytest.raises(ConnectionRefusedError):
        Connection(port)
    files = authority.issue()
    words = ["tls-cert-file", files.certificate, "tls-key-file", files.key]
    assert client("CONFIG", "SET", "tls-port", port, "tls-auth-clients", "no", *words) == "OK"
    with Connection(port, tls=authority.client()) as encrypted:
        assert encrypted("PING") == "PONG"


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"tls-cert-file": ""}, "tls-cert-file"),
        ({"tls-key-file": ""}, "tls-key-file"),
        ({"tls-cert-file": "/missing"}, "tls-cert-file"),
        ({"tls-key-file": "/missing"}, "tls-key-file"),
        ({"tls-ca-cert-file": "/missing"}, "tls-ca-cert-file"),
        ({"tls-ca-cert-file": ""}, "tls-auth-clients"),
        ({"tls-dh-params-file": "/missing"}, "tls-dh-params-file"),
        ({"tls-protocols": "TLSv1.2 SSLv3"}, "tls-protocols"),
        ({"tls-ciphers": "NONE-SUCH"}, "tls-ciphers"),
        ({"tls-key-file-pass": "x" * 2000, "encrypted": "yes"}, "tls-key-file-pass"),
        ({"encrypted": "yes"}, "password"),
    ],
)
def test_a_start_with_settings_that_do_not_work_says_which(
    authority: Authority, settings: dict[str, str], named: str
) -> None:
    encrypted = settings.pop("encrypted", "")
    files = authority.issue(password="secret" if encrypted else "")
    table = {
        "port": "0",
        "tls-port": str(free_port()),
        "tls-cert-file": files.certificate,
        "tls-key-file": files.key,
        "tls-ca-cert-file": authority.file,
    }
    server = Server(open_instance(Settings(table | settings)))
    with pytest.raises(ListenError, match=named):
        server.listen()


# --- certificates -------------------------------------------------------------------------


def _serial(connection: Connection) -> object:
    assert isinstance(connection.socket, ssl.SSLSocket)
    certificate = connection.socket.getpeercert()
    assert certificate is not None
    return certificate["serialNumber"]


@pytest.mark.parametrize(
    ("setting", "none", "known", "unknown"),
    [
        ("yes", False, True, False),
        ("optional", True, True, False),
        ("no", True, True, True),
    ],
)
def test_who_may_connect_depends_on_its_certificate(
    start: Start,
    authority: Authority,
    stranger: Authority,
    setting: str,
    none: bool,
    known: bool,
    unknown: bool,
) -> None:
    server = start(tls_auth_clients=setting)
    for identity, served in (
        (None, none),
        (authority.issue("client"), known),
        (stranger.issue("client"), unknown),
    ):
        assert _refused(partial(server.connect, authority.client(identity))) is not served
    assert server.connect(authority.client(authority.issue("client")))("PING") == "PONG"


def test_setting_a_certificate_changes_it_for_new_connections(
    start: Start, authority: Authority
) -> None:
    server = start()
    first = server.connect()
    files = authority.issue()
    reply = first("CONFIG", "SET", "tls-cert-file", files.certificate, "tls-key-file", files.key)
    assert reply == "OK"
    second = server.connect()
    assert _serial(second) != _serial(first)
    assert first("PING") == second("PING") == "PONG"


def test_setting_the_same_names_again_reads_the_files_again(
    start: Start, authority: Authority
) -> None:
    files = authority.issue()
    server = start(tls_cert_file=files.certificate, tls_key_file=files.key)
    first = server.connect()
    renewed = authority.issue()
    Path(files.certificate).write_bytes(Path(renewed.certificate).read_bytes())
    Path(files.key).write_bytes(Path(renewed.key).read_bytes())
    assert _serial(server.connect()) == _serial(first)
    assert first("CONFIG", "SET", "tls-cert-file", files.certificate) == "OK"
    assert _serial(server.connect()) != _serial(first)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tls-cert-file", "/missing"),
        ("tls-cert-file", ""),
        ("tls-key-file", "AUTHORITY"),
        ("tls-key-file", "OTHER KEY"),
        ("tls-ca-cert-file", "/missing"),
        ("tls-protocols", "TLSv9"),
        ("tls-ciphers", "NONE-SUCH"),
        ("tls-dh-params-file", "AUTHORITY"),
    ],
)
def test_settings_that_do_not_work_are_refused_and_change_nothing(
    start: Start, authority: Authority, name: str, value: str
) -> None:
    server = start()
    client = server.connect()
    before = client("CONFIG", "GET", "*")
    value = value.replace("AUTHORITY", authority.file)
    value = value.replace("OTHER KEY", authority.issue().key)
    refused = client("CONFIG", "SET", name, value)
    assert refused == Error(
        f"ERR CONFIG SET failed (possibly related to argument '{name}') - {_REFUSED}"
    )
    assert client("CONFIG", "GET", "*") == before
    assert server.connect()("PING") == "PONG"


def test_the_password_of_a_key_is_used_and_not_logged(
    start: Start, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    files = authority.issue(password="open sesame")
    server = start()
    client = server.connect()
    words = ["tls-cert-file", files.certificate, "tls-key-file", files.key]
    client("CONFIG", "SET", "slowlog-log-slower-than", 0)
    with caplog.at_level(logging.DEBUG, "redkeep"):
        for password in ("", "close sesame"):
            refused = client("CONFIG", "SET", *words, "tls-key-file-pass", password)
            assert isinstance(refused, Error)
        assert client("CONFIG", "SET", *words, "tls-key-file-pass", "open sesame") == "OK"
    assert server.connect()("PING") == "PONG"
    assert "TLS: " in caplog.text
    assert "sesame" not in caplog.text
    assert b"sesame" not in repr(client("SLOWLOG", "GET")).encode()


@pytest.mark.parametrize(
    ("text", "version"),
    [("TLSv1.2", "TLSv1.2"), ("tlsv1.2 TLSV1.3", "TLSv1.3"), ("", "TLSv1.3")],
)
def test_protocols_limit_the_version(start: Start, text: str, version: str) -> None:
    server = start(tls_protocols=text)
    client = server.connect()
    assert isinstance(client.socket, ssl.SSLSocket)
    assert client.socket.version() == version


def test_ciphers_limit_the_choice(start: Start) -> None:
    cipher = "ECDHE-ECDSA-CHACHA20-POLY1305"
    server = start(tls_protocols="TLSv1.2", tls_ciphers=cipher)
    client = server.connect()
    assert isinstance(client.socket, ssl.SSLSocket)
    chosen = client.socket.cipher()
    assert chosen is not None
    assert chosen[0] == cipher


@pytest.mark.parametrize("setting", ["yes", "no"])
def test_session_caching_gives_clients_tickets(start: Start, setting: str) -> None:
    server = start(tls_session_caching=setting)
    client = server.connect()
    assert client("PING") == "PONG"
    assert isinstance(client.socket, ssl.SSLSocket)
    session = client.socket.session
    assert session is not None
    assert session.has_ticket is (setting == "yes")


# --- handshakes ---------------------------------------------------------------------------


def test_a_handshake_that_takes_too_long_is_ended(start: Start) -> None:
    server = start()
    server.running.freeze()
    silent = server.by_hand()
    halfway = server.by_hand()
    halfway.socket.sendall(halfway.hello()[:40])
    connected = server.connect()
    server.running.wait_for_clients(3)
    server.running.advance(9_000)
    assert connected("PING") == "PONG"
    assert server.running.clients() == 3
    server.running.advance(1_000)
    server.running.wait_for_clients(1)
    assert silent.socket.recv(1) == b""
    assert connected("PING") == "PONG"
    silent.close()
    halfway.close()


def test_clients_in_their_handshake_count_towards_maxclients(start: Start) -> None:
    server = start(maxclients="2")
    connected = server.connect()
    assert connected("PING") == "PONG"
    waiting = server.by_hand()
    server.running.wait_for_clients(2)
    assert _refused(server.connect)
    assert b"rejected_connections:1\r\n" in connected("INFO", "stats")
    waiting.close()
    server.running.wait_for_clients(1)
    assert server.connect()("PING") == "PONG"


@pytest.mark.parametrize(
    "sent",
    [
        b"PING\r\n",
        b"*1\r\n$4\r\nPING\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\0" * 600,
        b"\x16\x03\x01\xff\xff" + b"\x01" * 70_000,
        b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00",
        b"\x80\x2e\x01\x00\x02",
    ],
)
def test_what_is_no_handshake_ends_the_connection(start: Start, sent: bytes) -> None:
    server = start()
    with socket.create_connection(("127.0.0.1", server.port), TIMEOUT) as hostile:
        try:
            hostile.sendall(sent)
            hostile.shutdown(socket.SHUT_WR)
            while hostile.recv(4096):
                pass
        except ConnectionError:
            pass  # Closed with bytes unread.
    client = server.connect()
    assert client("PING") == "PONG"
    server.running.wait_for_clients(1)


def test_damaged_records_end_the_connection_after_what_came_before(start: Start) -> None:
    server = start()
    client = server.by_hand()
    client.socket.sendall(client.finish_handshake())
    good = client.encrypt(request(["SET", "k", "v"]))
    damaged = bytearray(client.encrypt(request(["SET", "k", "w"])))
    damaged[-1] ^= 1
    client.socket.sendall(good + damaged)
    with pytest.raises(ssl.SSLError, match="bad record mac"):
        client.read(64)
    client.close()
    assert server.connect()("GET", "k") == b"v"


def test_a_client_refused_by_protected_mode_is_told_and_runs_nothing(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start()
    client = server.connect()
    assert client("SET", "k", "v") == "OK"
    monkeypatch.setattr(connections, "_is_foreign", lambda _: True)
    foreign = server.by_hand()
    last = foreign.finish_handshake()
    foreign.socket.sendall(last + foreign.encrypt(request(["SET", "k", "w"])))
    assert foreign.read(1000).startswith(b"-DENIED Redkeep runs in protected mode")
    foreign.close()
    assert client("GET", "k") == b"v"


# --- bytes --------------------------------------------------------------------------------


def test_requests_in_many_records_that_arrive_together_are_all_answered(start: Start) -> None:
    server = start()
    client = server.by_hand()
    sent = client.finish_handshake()
    for number in range(500):
        sent += client.encrypt(request(["ECHO", f"{number:04}"]))
    client.socket.sendall(sent)
    replies = b"".join(b"$4\r\n%04d\r\n" % number for number in range(500))
    assert client.read(len(replies)) == replies
    client.close()


def test_encrypted_bytes_may_come_one_by_one(start: Start) -> None:
    server = start()
    client = server.by_hand()
    sent = client.finish_handshake() + client.encrypt(request(["ECHO", "hello"]))
    for place in range(len(sent)):
        client.socket.sendall(sent[place : place + 1])
    assert client.read(11) == b"$5\r\nhello\r\n"
    client.close()


def test_a_client_that_says_good_bye_gets_its_replies(start: Start) -> None:
    server = start()
    client = server.by_hand()
    sent = client.finish_handshake() + client.encrypt(request(["ECHO", "hello"]))
    # The socket stays open, so nothing but the good-bye tells the server.
    client.socket.sendall(sent + client.good_bye())
    assert client.socket.recv(1) != b""
    server.running.wait_for_clients(0)
    client.close()


@pytest.mark.parametrize("size", [1, 16_383, 16_384, 16_385, 300_000, 5_000_000])
def test_values_of_any_size_arrive_unchanged(start: Start, size: int) -> None:
    client = start().connect()
    value = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    assert client("SET", "k", value) == "OK"
    assert client("GET", "k") == value
    assert client.pipeline([("GET", "k"), ("PING",), ("STRLEN", "k")]) == [value, "PONG", size]


def test_a_client_that_reads_slowly_gets_everything(start: Start) -> None:
    server = start()
    client = server.by_hand()
    client.socket.sendall(client.finish_handshake())
    value = b"0123456789abcdef" * 65_536
    setter = server.connect()
    assert setter("SET", "k", value) == "OK"
    client.socket.sendall(b"".join(client.encrypt(request(["GET", "k"])) for _ in range(20)))
    wait_until(lambda: b" omem=0 " not in _slowest(setter), "replies that wait")
    expected = (b"$%d\r\n" % len(value) + value + b"\r\n") * 20
    assert client.read(len(expected)) == expected
    client.close()


def _slowest(client: Connection) -> bytes:
    """The line of CLIENT LIST for the client that asked for a key."""
    listed: bytes = client("CLIENT", "LIST")
    return next((line for line in listed.split(b"\n") if b"cmd=get " in line), b" omem=0 ")


def test_output_limits_hold(start: Start) -> None:
    server = start(client_output_buffer_limit="normal 1mb 0 0")
    setter = server.connect()
    assert setter("SET", "k", b"x" * 1_000_000) == "OK"
    client = server.by_hand()
    client.socket.sendall(client.finish_handshake())
    client.socket.sendall(b"".join(client.encrypt(request(["GET", "k"])) for _ in range(40)))
    server.running.wait_for_clients(1)
    assert b"client_output_buffer_limit_disconnections:1\r\n" in setter("INFO", "stats")
    client.close()


def test_messages_and_blocked_clients_work(start: Start) -> None:
    server = start()
    subscriber, blocked, other = server.connect(resp=3), server.connect(), server.connect()
    subscriber("SUBSCRIBE", "news")
    server.running.block(blocked, "BLPOP", "list", 0)
    assert other("PUBLISH", "news", "hello") == 1
    assert subscriber.read_push().items == [b"message", b"news", b"hello"]
    assert other("RPUSH", "list", "x") == 1
    assert blocked.read() == [b"list", b"x"]


def test_the_end_of_a_server_is_announced(start: Start) -> None:
    # Otherwise it could be the work of an attacker, and clients report an error.
    server = start()
    client = server.by_hand()
    client.socket.sendall(client.finish_handshake() + client.encrypt(request(["PING"])))
    assert client.read(7) == b"+PONG\r\n"
    server.running.close()
    assert client.read(1) == b""
    client.close()


def test_tls_works_without_epoll(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.server.make_reactor", TaskReactor)
    client = start().connect()
    value = b"x" * 3_000_000
    assert client("SET", "k", value) == "OK"
    assert client("GET", "k") == value


def test_redis_py_connects_with_a_certificate(start: Start, authority: Authority) -> None:
    server = start(tls_auth_clients="yes")
    identity: Files = authority.issue("client")
    with redis.Redis(
        host="localhost",
        port=server.port,
        ssl=True,
        ssl_ca_certs=authority.file,
        ssl_certfile=identity.certificate,
        ssl_keyfile=identity.key,
    ) as client:
        assert client.set("k", "v")
        assert client.get("k") == b"v"
        with client.pipeline() as pipeline:
            pipeline.incr("n").incr("n")
            assert pipeline.execute() == [1, 2]
