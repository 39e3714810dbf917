"""Settings as typed attributes, their listeners, and changes that are undone."""

from __future__ import annotations

import pytest

from commands.settings.kinds import SettingError
from commands.settings.settings import TABLE, ChangeRefused, Settings


def test_an_attribute_is_the_declaration_on_the_class_and_the_value_on_an_instance() -> None:
    assert Settings.tcp_backlog.name == "tcp-backlog"
    assert Settings().tcp_backlog == 511


def test_every_setting_is_an_attribute_that_no_method_hides() -> None:
    settings = Settings()
    for setting in TABLE:
        assert getattr(Settings, setting.attribute) is setting
        assert getattr(settings, setting.attribute) == setting.initial


def test_instances_do_not_share_values() -> None:
    one, other = Settings(), Settings()
    one.set(Settings.timeout, 5)
    assert (one.timeout, other.timeout) == (5, 0)


def test_a_setting_is_found_by_name_or_alias_in_any_case() -> None:
    assert Settings.find("MaxClients") is Settings.maxclients
    assert Settings.find("slaveof") is Settings.replicaof
    assert Settings.find("server_cpulist") is Settings.server_cpulist
    assert Settings.find("server-cpulist") is None
    assert Settings.find("no-such-setting") is None


def test_a_listener_gets_the_current_value_and_each_later_one() -> None:
    settings, seen = Settings(), list[int]()
    settings.on_change(Settings.timeout, seen.append)
    settings.set(Settings.timeout, 5)
    settings.set_text(Settings.timeout, "6")
    settings.set(Settings.tcp_keepalive, 7)
    assert seen == [0, 5, 6]


def test_a_change_that_a_listener_rejects_is_undone_with_those_before_it() -> None:
    def reject_seven(value: int) -> None:
        if value == 7:
            raise SettingError("seven is not possible")

    settings = Settings()
    settings.on_change(Settings.tcp_keepalive, reject_seven)
    with pytest.raises(ChangeRefused) as raised:
        settings.set_all([(Settings.timeout, 5), (Settings.tcp_keepalive, 7)])
    assert raised.value.setting is Settings.tcp_keepalive
    assert (settings.timeout, settings.tcp_keepalive) == (0, 300)


def test_output_limits_of_classes_that_a_text_does_not_name_are_kept() -> None:
    settings = Settings()
    settings.set_text(Settings.client_output_buffer_limit, "pubsub 1 2 3")
    assert settings.text(Settings.client_output_buffer_limit) == (
        "normal 0 0 0 slave 268435456 67108864 60 pubsub 1 2 3"
    )
