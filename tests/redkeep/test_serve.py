"""`redkeep serve` as a person meets it: its first line, its help, its refusals, its end."""

from __future__ import annotations

import signal
import socket
import subprocess
from pathlib import Path

import pytest
import redis

from tests.support.processes import CHECKOUT, ROOT, ServeProcess


def run(*words: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*CHECKOUT, *words], cwd=cwd, capture_output=True, text=True, timeout=30)


def test_the_first_line_says_where_it_listens_and_keeps_data() -> None:
    with ServeProcess("--save", "", "--appendonly", "no") as process:
        assert process.start_line.startswith("Redkeep ")
        assert f"listening on 127.0.0.1:{process.port}" in process.start_line
        assert "data" in process.start_line


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_success(number: signal.Signals) -> None:
    with ServeProcess("--save", "") as process:
        process.signal(number)
        assert process.wait() == 0


def test_shutdown_ends_it_with_success() -> None:
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


def test_settings_come_from_the_file_and_the_command_line_wins(tmp_path: Path) -> None:
    file = tmp_path / "my.conf"
    file.write_text("# mine\nmaxclients 77\ntimeout 5\nsave 60 1\n")
    with ServeProcess(str(file), "--timeout", "9") as process:
        with redis.Redis(port=process.port, decode_responses=True) as client:
            found = client.config_get("maxclients", "timeout", "save")
        assert found == {"maxclients": "77", "timeout": "9", "save": "60 1"}


def test_help_names_the_settings_used_most() -> None:
    shown = run("serve", "--help")
    assert shown.returncode == 0
    for word in ("Usage:", "CONFIG-FILE", "--port", "--requirepass", "--help-settings"):
        assert word in shown.stdout
    assert "--client-query-buffer-limit" in run("serve", "--help-settings").stdout


def test_a_port_in_use_is_named() -> None:
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


def test_a_mistake_in_a_file_names_its_line(tmp_path: Path) -> None:
    file = tmp_path / "my.conf"
    file.write_text("port 0\n\nmaxclients many\n")
    refused = run("serve", str(file))
    assert refused.returncode == 1
    assert f"{file}, line 3: maxclients many: " in refused.stderr
