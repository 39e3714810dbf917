"""How the value of a setting is read and written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol


class SettingError(ValueError):
    """A value that a setting cannot take, in Redis' words."""


class Kind(Protocol):
    def parse(self, text: str) -> Any: ...

    def format(self, value: Any) -> str: ...


@dataclass(frozen=True, slots=True)
class Integer:
    low: int
    high: int

    def parse(self, text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            raise SettingError("argument couldn't be parsed into an integer") from None
        if not self.low <= number <= self.high:
            raise SettingError(
                f"argument must be between {self.low} and {self.high} inclusive"
            )
        return number

    def format(self, value: Any) -> str:
        return str(value)


_UNITS = {
    "": 1,
    "b": 1,
    "k": 1000,
    "kb": 1 << 10,
    "m": 1000**2,
    "mb": 1 << 20,
    "g": 1000**3,
    "gb": 1 << 30,
}


@dataclass(frozen=True, slots=True)
class Memory:
    """A number of bytes, with Redis' units."""

    low: int
    high: int

    def parse(self, text: str) -> int:
        digits = text.rstrip("bBkKmMgG")
        unit = text[len(digits) :].lower()
        if not digits.isascii() or not digits.isdigit() or unit not in _UNITS:
            raise SettingError("argument must be a memory value")
        number = int(digits) * _UNITS[unit]
        if not self.low <= number <= self.high:
            raise SettingError(
                f"argument must be between {self.low} and {self.high} inclusive"
            )
        return number

    def format(self, value: Any) -> str:
        return str(value)


@dataclass(frozen=True, slots=True)
class Boolean:
    def parse(self, text: str) -> bool:
        if text.lower() == "yes":
            return True
        if text.lower() == "no":
            return False
        raise SettingError("argument must be 'yes' or 'no'")

    def format(self, value: Any) -> str:
        return "yes" if value else "no"


class Enum:
    """One of a few words."""

    def __init__(self, *words: str) -> None:
        self.words = words

    def parse(self, text: str) -> str:
        if text.lower() not in self.words:
            raise SettingError(
                "argument(s) must be one of the following: " + ", ".join(self.words)
            )
        return text.lower()

    def format(self, value: Any) -> str:
        return str(value)


@dataclass(frozen=True, slots=True)
class Text:
    def parse(self, text: str) -> str:
        return text

    def format(self, value: Any) -> str:
        return str(value)


class SavePoints:
    """Pairs of seconds and changes."""

    def parse(self, text: str) -> tuple[tuple[int, int], ...]:
        words = text.split()
        if len(words) % 2 or not all(word.isascii() and word.isdigit() for word in words):
            raise SettingError("Invalid save parameters")
        numbers = [int(word) for word in words]
        if any(seconds < 1 for seconds in numbers[::2]):
            raise SettingError("Invalid save parameters")
        return tuple(zip(numbers[::2], numbers[1::2], strict=True))

    def format(self, value: Any) -> str:
        if isinstance(value, str):
            return value
        return " ".join(f"{seconds} {changes}" for seconds, changes in value)


@dataclass(frozen=True, slots=True)
class OutputLimit:
    """When a client that does not read its replies is cut off."""

    hard: int
    soft: int
    soft_seconds: int


class OutputLimits:
    """Class of client to `OutputLimit`."""

    classes = ("normal", "slave", "pubsub")

    def parse(self, text: str) -> dict[str, OutputLimit]:
        words = text.split()
        if len(words) % 4:
            raise SettingError("Wrong number of arguments in buffer limit configuration.")
        size = Memory(0, 1 << 62)
        limits = {name: OutputLimit(0, 0, 0) for name in self.classes}
        for at in range(0, len(words), 4):
            name = "slave" if words[at].lower() == "replica" else words[at].lower()
            if name not in self.classes:
                raise SettingError("Invalid client class specified in buffer limit configuration.")
            try:
                hard, soft = size.parse(words[at + 1]), size.parse(words[at + 2])
                seconds = Integer(0, 1 << 31).parse(words[at + 3])
            except SettingError:
                raise SettingError(
                    "Error in hard, soft or soft_seconds setting in buffer limit configuration."
                ) from None
            limits[name] = OutputLimit(hard, soft, seconds)
        return limits

    def format(self, value: Any) -> str:
        if isinstance(value, str):
            return value
        return " ".join(
            f"{name} {limit.hard} {limit.soft} {limit.soft_seconds}"
            for name, limit in value.items()
        )
