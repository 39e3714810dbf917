"""The values of one instance's settings: reading, changing and listening to changes.

CONFIG GET/SET/REWRITE, the command line of `redkeep serve`, redis.conf files and the
documentation all work from `TABLE`. Values are immutable Python objects; their texts are
those of Redis.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Protocol, TypeVar

from commands.settings.inert import InertSettings
from commands.settings.inert_replication import InertReplicationSettings
from commands.settings.kinds import SettingError
from commands.settings.setting import InertSetting, Setting
from commands.settings.table import WorkingSettings
from commands.settings.table_connections import ConnectionSettings

logger = logging.getLogger("redkeep")

T = TypeVar("T")

# `Setting[Any]` is a setting that is known by its name only.
TABLE: tuple[Setting[Any], ...] = tuple(
    declared
    for section in (ConnectionSettings, WorkingSettings, InertSettings, InertReplicationSettings)
    for declared in vars(section).values()
    if isinstance(declared, Setting)
)
BY_NAME: dict[str, Setting[Any]] = {setting.name: setting for setting in TABLE}
ALIASES: dict[str, Setting[Any]] = {s.alias: s for s in TABLE if s.alias}
_INERT = tuple(setting for setting in TABLE if isinstance(setting, InertSetting))
_NO_DEFAULTS: Mapping[str, str] = MappingProxyType({})
_INITIAL_VALUES = {setting.attribute: setting.initial for setting in TABLE}


class UserLine(Protocol):
    """A line of the configuration that defines a user."""

    @property
    def words(self) -> tuple[str, ...]:
        """`user`, the name and the rules."""

    def error(self, reason: str) -> ValueError:
        """An error that names the place of the line."""


def _warn(setting: InertSetting[Any]) -> None:
    # Without its value, which may be a password.
    logger.warning("The setting '%s' has no effect here: %s", setting.name, setting.reason)


class ChangeRefused(Exception):
    """A listener rejected a value; the change was undone."""

    def __init__(self, setting: Setting[Any], reason: str) -> None:
        self.setting = setting
        self.reason = reason
        super().__init__(f"{setting.name}: {reason}")


class Settings(ConnectionSettings, WorkingSettings, InertSettings, InertReplicationSettings):
    """The values of one instance's settings, as attributes of their own types.

    `settings.maxclients` is the value and `Settings.maxclients` the declaration, which is
    passed to the methods: `settings.set(Settings.maxclients, 100)`. Code on a hot path
    keeps a copy of the value and updates it in an `on_change` listener.
    """

    def __init__(self, defaults: Mapping[str, str] = _NO_DEFAULTS) -> None:
        """Settings with their defaults; those that `defaults` names have another one."""
        # The attributes cannot be assigned: `set` must call the listeners.
        vars(self).update(_INITIAL_VALUES)
        self._listeners: dict[Setting[Any], list[Callable[[Any], None]]] = {}
        # A change is being taken back: listeners get the values that were in force before.
        self.undoing = False
        self._defaults = defaults
        for name, text in defaults.items():
            self.set_text(BY_NAME[name], text)
        # What the configuration says of users, which are no settings.
        self.user_lines: list[UserLine] = []
        # The file that was read at startup, which CONFIG REWRITE updates, and the directory
        # that names of included files are relative to.
        self.config_file: str | None = None
        self.include_directory = os.curdir

    def fresh(self) -> Settings:
        """Return settings as these were before anything was set."""
        return Settings(self._defaults)

    @staticmethod
    def find(name: str) -> Setting[Any] | None:
        """Return the setting with this name or alias, in upper or lower case."""
        name = name.lower()
        return BY_NAME.get(name) or ALIASES.get(name)

    def value(self, setting: Setting[T]) -> T:
        value: T = vars(self)[setting.attribute]
        return value

    def text(self, setting: Setting[T]) -> str:
        """Return the value as CONFIG GET shows it."""
        return setting.kind.format(self.value(setting))

    def parse(self, setting: Setting[T], text: str) -> T:
        """Return the value that `text` would give the setting; SettingError if not valid."""
        return setting.kind.merge(self.value(setting), setting.kind.parse(text))

    def set(self, setting: Setting[T], value: T) -> None:
        """Change a value and call the listeners, which may raise SettingError."""
        vars(self)[setting.attribute] = value
        for listener in self._listeners.get(setting, ()):
            listener(value)

    def set_text(self, setting: Setting[T], text: str) -> None:
        """Parse a text and set the value; SettingError if the text is not valid."""
        self.set(setting, self.parse(setting, text))

    def set_all(self, changes: Iterable[tuple[Setting[Any], Any]]) -> None:
        """Set all values, or none if a listener rejects one: then raise ChangeRefused.

        A listener of several settings is called once, when all of them have their new value.
        """
        before: dict[Setting[Any], Any] = {}
        for setting, value in changes:
            before.setdefault(setting, self.value(setting))
            vars(self)[setting.attribute] = value
        told: dict[Callable[[Any], None], Setting[Any]] = {}
        for setting in before:
            for listener in self._listeners.get(setting, ()):
                if listener in told:
                    continue
                try:
                    listener(self.value(setting))
                except SettingError as error:
                    vars(self).update({s.attribute: value for s, value in before.items()})
                    self._take_back(told)
                    raise ChangeRefused(setting, str(error)) from None
                told[listener] = setting
        for setting, old in before.items():
            value = self.value(setting)
            if isinstance(setting, InertSetting) and value not in (old, setting.initial):
                _warn(setting)

    def without_effect(self) -> list[InertSetting[Any]]:
        """The settings that have another value than their default, which changes nothing."""
        return [each for each in _INERT if self.value(each) != each.initial]

    def warn_of_those_without_effect(self) -> None:
        """Write to the log which settings have been changed in vain."""
        for setting in self.without_effect():
            _warn(setting)

    def _take_back(self, told: dict[Callable[[Any], None], Setting[Any]]) -> None:
        """Call these listeners with the values that are in force again, the last one first."""
        self.undoing = True
        for listener, setting in reversed(told.items()):
            try:
                listener(self.value(setting))
            except SettingError as error:
                logger.error("Restoring %s failed: %s", setting.name, error)
        self.undoing = False

    def on_change(self, setting: Setting[T], listener: Callable[[T], None]) -> None:
        """Call `listener` with the current value now, and with each new value later.

        A listener that cannot apply a value raises SettingError; `set_all` then restores
        the old values.
        """
        self._listeners.setdefault(setting, []).append(listener)
        listener(self.value(setting))
