"""`redkeep serve`, run as a user runs it: first line, help, error messages, exit."""

from __future__ import annotations

import re
import signal
import socket
from pathlib import Path

import pytest
import redis

from tests.support.processes import ServeProcess, run
from tests.support.resp import TIMEOUT, Connection


def test_the_first_line_names_the_address_and_the_data_directory() -> None:
    with ServeProcess("--save", "", "--appendonly", "no") as process:
        assert process.start_line.startswith("Redkeep ")
        assert f"listening on 127.0.0.1:{process.port}" in process.start_line
        assert "data" in process.start_line


def test_the_first_line_names_the_settings_without_effect() -> None:
    with ServeProcess("--save", "", "--io-threads", "4", "--daemonize", "yes") as process:
        assert "without effect here, see the log: daemonize, io-threads" in process.start_line


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_with_exit_status_0(number: signal.Signals) -> None:
    with ServeProcess("--save", "") as process:
        process.signal(number)
        assert process.wait() == 0


def test_systemd_is_told_when_it_is_ready_and_when_it_stops(tmp_path: Path) -> None:
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(path))
        systemd.settimeout(TIMEOUT)
        words = ("--save", "", "--supervised", "systemd")
        with ServeProcess(*words, environment={"NOTIFY_SOCKET": str(path)}) as process:
            assert b"READY=1\n" in systemd.recv(1000)
            process.signal(signal.SIGTERM)
            assert systemd.recv(1000) == b"STOPPING=1\n"
            assert process.wait() == 0


def test_shutdown_stops_it_with_exit_status_0() -> None:
    with ServeProcess("--save", "") as process:
        with redis.Redis(port=process.port) as client:
            client.shutdown(nosave=True)
        assert process.wait() == 0


def test_it_serves_on_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "redkeep.sock"
    with (
        ServeProcess("--unixsocket", str(path), "--unixsocketperm", "700") as process,
        redis.Redis(unix_socket_path=str(path)) as client,
    ):
        assert client.ping()
        assert path.stat().st_mode & 0o777 == 0o700
        assert process.close() == 0
    assert not path.exists()


def test_the_command_line_takes_precedence_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "my.conf"
    file.write_text("# mine\nmaxclients 77\ntimeout 5\nsave 60 1\n")
    with ServeProcess(str(file), "--timeout", "9") as process:
        with redis.Redis(port=process.port, decode_responses=True) as client:
            found = client.config_get("maxclients", "timeout", "save")
        assert found == {"maxclients": "77", "timeout": "9", "save": "60 1"}


def test_help_lists_the_common_settings() -> None:
    shown = run("serve", "--help")
    assert shown.returncode == 0
    for word in ("Usage:", "CONFIG-FILE", "--port", "--requirepass", "--help-settings"):
        assert word in shown.stdout
    assert "--client-query-buffer-limit" in run("serve", "--help-settings").stdout
    assert run("serve", "--port", "0", "--help").stdout == shown.stdout


def test_help_shows_the_defaults_of_a_started_server() -> None:
    shown = " ".join(run("serve", "--help").stdout.split())
    assert re.search(r"--dir [^\[]*\[default: \./redkeep-data\]", shown)
    assert re.search(r"--appendonly [^\[]*\[default: yes\]", shown)


@pytest.mark.parametrize("command", ["serve", "check", "export", "import"])
def test_every_command_has_help(command: str) -> None:
    shown = run(command, "--help")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert f"redkeep {command} " in shown.stdout.splitlines()[0]


def test_a_port_in_use_is_reported() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refused = run("serve", "--port", str(port))
    assert refused.returncode == 1
    assert refused.stderr == (
        f"Error: 127.0.0.1:{port} is in use: another server listens there. Choose another --port.\n"
    )


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["--prot", "7000"], "--prot 7000: there is no such setting; did you mean 'port'?"),
        (["--maxclients", "many"], "--maxclients many: argument couldn't be parsed"),
        (["--dir", "/does/not/exist"], "cannot use the data directory /does/not/exist"),
        (["missing.conf"], "missing.conf: No such file or directory"),
        (["--logfile", "/does/not/exist.log"], "cannot write the log file /does/not/exist.log"),
    ],
)
def test_a_mistake_is_explained_without_a_traceback(words: list[str], error: str) -> None:
    refused = run("serve", "--port", "0", *words) if words[0][0] == "-" else run("serve", *words)
    assert refused.returncode == 1
    assert refused.stderr.startswith("Error: ")
    assert error in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_mistake_in_a_file_is_reported_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "my.conf"
    file.write_text("port 0\n\nmaxclients many\n")
    refused = run("serve", str(file))
    assert refused.returncode == 1
    assert f"{file}, line 3: maxclients many: " in refused.stderr


def test_settings_can_come_from_standard_input(tmp_path: Path) -> None:
    done = run("serve", "--port", "0", "-", cwd=tmp_path, typed='maxclients "5\\x30"\nbind ""\n')
    # The text is read to its end: its last line leaves no address to listen on.
    assert done.returncode == 1
    assert done.stderr == "Error: there is no address to listen on; set 'bind' or 'unixsocket'\n"


def test_a_mistake_in_standard_input_is_reported_with_its_line(tmp_path: Path) -> None:
    typed = "port 0\nmaxclients \x1b[2J\n"
    done = run("serve", "-", "--port", "0", cwd=tmp_path, typed=typed)
    assert done.returncode == 1
    assert 'standard input, line 2: maxclients "\\x1b[2J": ' in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["--dir", "/no\n\x1b[2Jwhere"],
        ["--\x1b[2J", "1"],
        ["--unixsocket", "/no\x1b[2J/such"],
        ["--logfile", "/no\x1b[2J/such"],
        ["--pidfile", "/no\x1b[2J/such"],
        ["a\x1b[2J.conf"],
    ],
)
def test_an_error_shows_no_control_characters(words: list[str], tmp_path: Path) -> None:
    refused = run("serve", *words, cwd=tmp_path)
    assert refused.returncode == 1
    assert "\\x1b[2J" in refused.stderr
    assert refused.stderr.rstrip("\n").isprintable()


def test_the_pid_file_exists_while_the_server_runs(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    with ServeProcess("--pidfile", str(path), cwd=tmp_path) as process:
        assert path.read_text() == f"{process.pid}\n"
    assert not path.exists()


def test_the_pid_file_of_another_process_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    with ServeProcess("--pidfile", str(path), cwd=tmp_path):
        path.write_text("1\n")
    assert path.read_text() == "1\n"


def test_the_pid_is_not_written_through_a_symbolic_link(tmp_path: Path) -> None:
    path, other = tmp_path / "pid", tmp_path / "other"
    other.write_text("mine")
    path.symlink_to(other)
    refused = run("serve", "--port", "0", "--pidfile", str(path), cwd=tmp_path)
    assert refused.returncode == 1
    assert "cannot write the pid file" in refused.stderr
    assert other.read_text() == "mine"
    assert path.is_symlink()


def test_a_started_server_shows_what_was_rewritten(tmp_path: Path) -> None:
    path = tmp_path / "redkeep.conf"
    path.write_text("# mine\n")
    odd = b"p w\n\"'\\ #\xff\0"
    with ServeProcess(str(path), cwd=tmp_path) as process:
        client = Connection(process.port)
        client("CONFIG", "SET", "appendonly", "no", "job-kinds", "a b", "requirepass", odd)
        client("AUTH", odd)
        assert client("CONFIG", "REWRITE") == "OK"
        client.close()
    with ServeProcess(str(path), cwd=tmp_path) as process:
        client = Connection(process.port)
        assert client("AUTH", odd) == "OK"
        shown = client("CONFIG", "GET", "appendonly", "job-kinds", "requirepass")
        client.close()
    assert shown == [b"appendonly", b"no", b"job-kinds", b"a b", b"requirepass", odd]
