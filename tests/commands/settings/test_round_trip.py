"""Any value of any setting, through CONFIG SET, CONFIG REWRITE, a start and CONFIG GET."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from commands.settings import config_file
from commands.settings.kinds import SettingError
from commands.settings.setting import Setting
from commands.settings.settings import BY_NAME, TABLE, Settings
from tests.support.oracles import redis_binary, start_redis
from tests.support.resp import Error
from tests.support.servers import Loop, RunningServer

# A random port could be one that another test uses; tests of listeners change it.
_NOT_CHANGED = {"port"}
_CHANGEABLE = [s for s in TABLE if s.mutable and s.name not in _NOT_CHANGED]

_ODD = [
    b"", b" ", b"x\nenable-debug-command yes", b"x\r\ninclude /etc/passwd", b"a\0b", b"#x",
    b'"', b"'", b"\\", b'\\"', b"\\n", b"\xff\xfe\x80", "é\u2028\x85".encode(), b" lead", b"trail ",
    b"\ttab", b"x" * 5000, b"9" * 5000, b"9" * 30, b"-1", b"1e400", b"nan", b"1 " * 3000,
    b"60 1 " + b"9" * 5000 + b" 1", b"normal 1 1 " + b"9" * 5000, b"9" * 5000 + b"%",
    b"normal 1 1 1\nport 1", b"60 1\nport 1", b"18446744073709551615", b"9223372036854775808",
]  # fmt: skip
_VALUES = st.one_of(
    st.sampled_from(_ODD),
    st.binary(max_size=12),
    st.integers(-1, 2**65).map(lambda number: b"%d" % number),
    st.lists(st.sampled_from([*_ODD[:16], b"1", b"train", b"normal"]), max_size=5).map(b" ".join),
    st.sampled_from([setting.default.encode() for setting in TABLE]),
)


@pytest.fixture(scope="module")
def running(loop: Loop) -> Iterator[RunningServer]:
    server = loop.start_server(enable_protected_configs="yes")
    yield server
    server.close()


def _started_with(path: Path) -> Settings:
    """The settings of a server that was started with the file."""
    started = Settings()
    assert config_file.load(started, str(path)) == []
    return started


_changes = given(st.sampled_from(_CHANGEABLE), _VALUES)
_shared_server = [HealthCheck.function_scoped_fixture]


@settings(max_examples=150, suppress_health_check=_shared_server)
@_changes
@example(BY_NAME["job-kinds"], b"train\nenable-debug-command yes")
def test_a_value_survives_a_rewrite_and_a_start_and_changes_no_other_setting(
    running: RunningServer, setting: Setting[Any], value: bytes
) -> None:
    _check_change(running, setting, value)


@pytest.mark.deep
@settings(max_examples=20_000, suppress_health_check=_shared_server)
@_changes
def test_many_values_survive(running: RunningServer, setting: Setting[Any], value: bytes) -> None:
    _check_change(running, setting, value)


def _check_change(running: RunningServer, setting: Setting[Any], value: bytes) -> None:
    current = running.instance.settings
    with TemporaryDirectory() as directory, running.connect() as client:
        if current.requirepass:
            client("AUTH", current.requirepass.encode("utf-8", "surrogateescape"))
        path = Path(directory, "redkeep.conf")
        running.call(setattr, current, "config_file", str(path))
        before = {s: current.text(s) for s in TABLE}
        changed = client("CONFIG", "SET", setting.name, value)
        after = {s: current.text(s) for s in TABLE}
        assert {s for s in TABLE if before[s] != after[s]} <= {setting}
        if isinstance(changed, Error):
            assert "internal error" not in changed.text
            assert before == after
        if client("CONFIG", "GET", setting.name) == Error("NOAUTH Authentication required."):
            client("AUTH", value)
        assert client("CONFIG", "REWRITE") == "OK"
        started = _started_with(path)
        assert {s: started.text(s) for s in TABLE} == after
        assert all(started.value(s) == current.value(s) for s in TABLE)
        original = before[setting].encode("utf-8", "surrogateescape")
        assert client("CONFIG", "SET", setting.name, original) == "OK"


@pytest.mark.parametrize("setting", TABLE, ids=lambda setting: setting.name)
def test_odd_values_are_refused_or_read_back(setting: Setting[Any], tmp_path: Path) -> None:
    path = tmp_path / "redkeep.conf"
    for value in _ODD:
        current = Settings()
        try:
            current.set_text(setting, value.decode("utf-8", "surrogateescape"))
        except SettingError:
            continue
        config_file.rewrite(current, str(path))
        assert _started_with(path).value(setting) == current.value(setting)
        path.unlink()


@settings(max_examples=100)
@given(st.lists(st.tuples(st.sampled_from(TABLE), _VALUES), max_size=8))
def test_several_values_survive_together(changes: list[tuple[Setting[Any], bytes]]) -> None:
    current = Settings({"appendonly": "yes", "dir": "./redkeep-data"})
    for setting, value in changes:
        try:
            current.set_text(setting, value.decode("utf-8", "surrogateescape"))
        except SettingError:
            continue
    with TemporaryDirectory() as directory:
        path = Path(directory, "redkeep.conf")
        for _ in range(2):  # The second time the lines are there.
            config_file.rewrite(current, str(path))
            started = current.fresh()
            assert config_file.load(started, str(path)) == []
            assert all(started.value(s) == current.value(s) for s in TABLE)


@given(st.sampled_from(TABLE), _VALUES)
def test_the_command_line_sets_one_setting(setting: Setting[Any], value: bytes) -> None:
    text = value.decode("utf-8", "surrogateescape")
    given_settings = Settings()
    try:
        directives = config_file.from_arguments([f"--{setting.name}", text])
        assert config_file.apply(given_settings, directives) == []
    except config_file.ConfigError:
        pass
    changed = {s for s in TABLE if given_settings.value(s) != s.initial}
    assert changed <= {setting}


# Texts that Redis keeps without looking at them.
_TEXTS = (
    "masterauth masteruser ignore-warnings bind-source-addr replica-announce-ip "
    "cluster-announce-ip tls-cert-file tls-ciphers dbfilename"
).split()
_HARD = ['a "b" \\ c', "é\n#x", "'", "\udcff\udcfe", " lead", "trail ", "x" * 3000, "#x", "\t"]


@pytest.mark.skipif(redis_binary() is None, reason="there is no redis-server")
def test_redis_reads_the_same_values_from_the_file(tmp_path: Path) -> None:
    current = Settings()
    for name, text in zip(_TEXTS, _HARD, strict=True):
        current.set_text(BY_NAME[name], text)
    current.set_text(Settings.save, "60 1 30 2")
    current.set_text(Settings.client_output_buffer_limit, "pubsub 1 2 3")
    current.set_text(Settings.requirepass, "p w\n\"'\0")
    path = tmp_path / "redis.conf"
    config_file.rewrite(current, str(path))
    oracle = start_redis("--include", str(path), "--requirepass", "")
    try:
        for name in [*_TEXTS, "client-output-buffer-limit"]:
            shown = current.text(BY_NAME[name]).encode("utf-8", "surrogateescape")
            assert oracle("CONFIG", "GET", name)[1] == shown
    finally:
        oracle.close()
