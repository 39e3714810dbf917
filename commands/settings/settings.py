"""Every setting of an instance: one table of name, kind, default and help.

CONFIG GET/SET/REWRITE, the command line of `redkeep serve`, redis.conf files and the
documentation are all read from `TABLE`. Values are kept as immutable Python objects;
their texts are Redis' own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from commands.settings.inert import INERT
from commands.settings.kinds import OutputLimits, Setting, SettingError
from commands.settings.table import WORKING

TABLE: tuple[Setting, ...] = (*WORKING, *INERT)
BY_NAME: dict[str, Setting] = {setting.name: setting for setting in TABLE}
ALIASES: dict[str, str] = {s.alias: s.name for s in TABLE if s.alias}
DEFAULTS: dict[str, Any] = {s.name: s.kind.parse(s.default) for s in TABLE}


class ChangeRefused(Exception):
    """A value was refused when it was to take effect; nothing has been changed."""

    def __init__(self, setting: Setting, reason: str) -> None:
        self.setting = setting
        self.reason = reason
        super().__init__(f"{setting.name}: {reason}")


class Settings:
    """The values of one instance's settings.

    `settings["maxclients"]` is the value. What needs a setting on a hot path keeps a copy
    and renews it in an `on_change` listener.
    """

    def __init__(self) -> None:
        self._values: dict[str, Any] = dict(DEFAULTS)
        self._listeners: dict[str, list[Callable[[Any], None]]] = {}
        # The file that was read at the start, which CONFIG REWRITE writes.
        self.config_file: str | None = None

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[Setting]:
        return iter(TABLE)

    @staticmethod
    def find(name: str) -> Setting | None:
        """The setting of that name or alias, in any case."""
        name = name.lower()
        return BY_NAME.get(ALIASES.get(name, name))

    def text(self, name: str) -> str:
        """The value as CONFIG GET shows it."""
        return BY_NAME[name].kind.format(self._values[name])

    def parse(self, setting: Setting, text: str) -> Any:
        """The value that `text` would give the setting; SettingError if it cannot."""
        value = setting.kind.parse(text)
        if isinstance(setting.kind, OutputLimits):
            return setting.kind.merge(self._values[setting.name], value)
        return value

    def set(self, name: str, value: Any) -> None:
        """Change a value that was parsed and accepted, and tell who listens."""
        self._values[name] = value
        for listener in self._listeners.get(name, ()):
            listener(value)

    def set_text(self, name: str, text: str) -> None:
        """`set` from a text; SettingError says what is wrong with it."""
        self.set(name, self.parse(BY_NAME[name], text))

    def set_all(self, changes: Iterable[tuple[Setting, Any]]) -> None:
        """Change all or none: where a listener refuses, ChangeRefused after undoing."""
        undo: list[tuple[str, Any]] = []
        for setting, value in changes:
            undo.append((setting.name, self._values[setting.name]))
            try:
                self.set(setting.name, value)
            except SettingError as error:
                for name, before in reversed(undo):
                    self.set(name, before)
                raise ChangeRefused(setting, str(error)) from None

    def on_change(self, name: str, listener: Callable[[Any], None]) -> None:
        """Call `listener` with the value now, and whenever it is changed.

        A listener that cannot follow raises SettingError, and the change is undone.
        """
        self._listeners.setdefault(name, []).append(listener)
        listener(self._values[name])


__all__ = [
    "ALIASES",
    "BY_NAME",
    "DEFAULTS",
    "TABLE",
    "ChangeRefused",
    "Setting",
    "SettingError",
    "Settings",
]
