"""Settings without effect: whoever changes one is told, and told why."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from commands.settings.kinds import SettingError
from commands.settings.setting import InertSetting
from commands.settings.settings import TABLE, Settings
from tests.support.servers import RunningServer

_INERT = [setting for setting in TABLE if isinstance(setting, InertSetting)]
_MUTABLE = [setting for setting in _INERT if setting.mutable]
# Each setting accepts one of these that is not its default.
_TEXTS = (
    "secret-value", "yes", "no", "7", "50", "1048577", "{title}", "AKE", "absolute", "systemd",
    "allkeys-lru", "1 2 3", "disabled", "swapdb", "panic", "allchannels", "user", "clients",
)  # fmt: skip


def _other(setting: InertSetting[object]) -> str:
    """A text that gives the setting another value than its default."""
    for text in _TEXTS:
        try:
            value = setting.kind.parse(text)
        except SettingError:
            continue
        if value != setting.initial:
            return text
    raise AssertionError(f"no value for {setting.name}")


@pytest.mark.parametrize("setting", _INERT, ids=lambda setting: setting.name)
def test_a_configuration_that_has_it_is_warned_of(
    setting: InertSetting[object], caplog: pytest.LogCaptureFixture
) -> None:
    settings = Settings()
    settings.set_text(setting, setting.default)
    assert settings.without_effect() == []
    text = _other(setting)
    settings.set_text(setting, text)
    assert settings.without_effect() == [setting]
    settings.warn_of_those_without_effect()
    assert [record.getMessage() for record in caplog.records] == [
        f"The setting '{setting.name}' has no effect here: {setting.reason}"
    ]


@pytest.mark.parametrize("setting", _MUTABLE, ids=lambda setting: setting.name)
def test_config_set_writes_a_warning_to_the_log(
    server: RunningServer, setting: InertSetting[object], caplog: pytest.LogCaptureFixture
) -> None:
    client = server.connect()
    text = _other(setting)
    warning = f"The setting '{setting.name}' has no effect here: {setting.reason}"
    with caplog.at_level(logging.WARNING, "redkeep"):
        assert client("CONFIG", "SET", setting.name, text) == "OK"
        # Once: the value is the same now.
        assert client("CONFIG", "SET", setting.name, text) == "OK"
    assert [record.getMessage() for record in caplog.records] == [warning]
    caplog.clear()
    with caplog.at_level(logging.WARNING, "redkeep"):
        assert client("CONFIG", "SET", setting.name, setting.default) == "OK"
    assert caplog.records == []


def test_a_refused_change_is_not_warned_of(
    server: RunningServer, caplog: pytest.LogCaptureFixture
) -> None:
    client = server.connect()
    with caplog.at_level(logging.WARNING, "redkeep"):
        client("CONFIG", "SET", "repl-timeout", 7, "maxclients", 4_000_000_000)
    assert client("CONFIG", "GET", "repl-timeout") == [b"repl-timeout", b"60"]
    assert "repl-timeout" not in caplog.text


def test_the_page_of_settings_gives_each_reason() -> None:
    page = Path("docs/SETTINGS.md").read_text()
    for setting in _INERT:
        assert f"| `{setting.name}` |" in page
        assert setting.reason[1:] in page
