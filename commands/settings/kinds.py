"""What a setting is, and how values of each kind are read and written.

A kind parses the text of CONFIG SET or redis.conf into an immutable Python value, or
raises `SettingError` in Redis' words, and formats a value as CONFIG GET shows it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from commands.engine.numbers import INT64_MAX, read_float, read_integer


class SettingError(ValueError):
    """A value that a setting cannot take, in Redis' words."""


class Kind(Protocol):
    def parse(self, text: str) -> Any: ...

    def format(self, value: Any) -> str: ...


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table of settings. `default` is a text, as redis.conf would give it."""

    name: str
    kind: Kind
    default: str
    help: str
    # Can be changed while the server runs.
    mutable: bool = True
    # Can be changed only where `enable-protected-configs` allows it.
    protected: bool = False
    # Not shown in logs and help output with its value.
    secret: bool = False
    # CONFIG GET shows it only to who asks for it by name.
    hidden: bool = False
    # Takes several words in a file, and a file may have several such lines.
    words: bool = False
    # The older (or other) name that Redis accepts too.
    alias: str | None = None
    # Accepted and remembered so that clients and files that set it work, without effect.
    inert: bool = False


def _words(text: str) -> list[str]:
    """The words of a value. As in Redis one space parts them, so two enclose an empty one."""
    return text.split(" ") if text else []


def _between(number: int, low: int, high: int) -> int:
    if not low <= number <= high:
        raise SettingError(f"argument must be between {low} and {high} inclusive")
    return number


@dataclass(frozen=True, slots=True)
class Integer:
    low: int = 0
    high: int = INT64_MAX

    def parse(self, text: str) -> int:
        number = read_integer(text.encode("utf-8", "surrogateescape"))
        if number is None:
            raise SettingError("argument couldn't be parsed into an integer")
        return _between(number, self.low, self.high)

    def format(self, value: Any) -> str:
        return str(value)


@dataclass(frozen=True, slots=True)
class Clamped:
    """A number that is moved to the nearest limit instead of being refused."""

    low: int
    high: int

    def parse(self, text: str) -> int:
        return min(max(Integer(0, 2**31 - 1).parse(text), self.low), self.high)

    def format(self, value: Any) -> str:
        return str(value)


@dataclass(frozen=True, slots=True)
class Octal:
    high: int

    def parse(self, text: str) -> int:
        if not text.isascii() or not text or text.strip("01234567"):
            raise SettingError("argument couldn't be parsed as an octal number")
        number = int(text, 8)
        if number > self.high:
            raise SettingError(f"argument must be between 0 and {self.high:o} inclusive")
        return number

    def format(self, value: Any) -> str:
        return f"{value:o}"


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


def _read_memory(text: str) -> int | None:
    digits = text.rstrip("bBkKmMgG")
    unit = _UNITS.get(text[len(digits) :].lower())
    if unit is None or (digits and not (digits.isascii() and digits.isdigit())):
        return None
    return int(digits or 0) * unit if len(digits) <= 20 else None


@dataclass(frozen=True, slots=True)
class Memory:
    """A number of bytes, with Redis' units. Redis takes an empty text for nothing."""

    low: int = 0
    high: int = INT64_MAX

    def parse(self, text: str) -> int:
        number = _read_memory(text)
        if number is None:
            raise SettingError("argument must be a memory value")
        return _between(number, self.low, self.high)

    def format(self, value: Any) -> str:
        return str(value)


@dataclass(frozen=True, slots=True)
class MemoryOrPercent:
    """A number of bytes, or (negative) a percentage of `maxmemory`."""

    def parse(self, text: str) -> int:
        if text.endswith("%") and text[:-1].isascii() and text[:-1].isdigit():
            percent = int(text[:-1])
            if percent > 100:
                raise SettingError("percentage argument must be less or equal to 100")
            return -percent
        number = _read_memory(text)
        if number is None:
            raise SettingError("argument must be a memory or percent value")
        return _between(number, 0, INT64_MAX)

    def format(self, value: Any) -> str:
        return f"{-value}%" if value < 0 else str(value)


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
            raise SettingError("argument(s) must be one of the following: " + ", ".join(self.words))
        return text.lower()

    def format(self, value: Any) -> str:
        return str(value)


class ShutdownOptions(Enum):
    """What a signal to end means: some of these words together."""

    def __init__(self) -> None:
        super().__init__("default", "save", "nosave", "now", "force")

    def parse(self, text: str) -> str:
        chosen = {super(ShutdownOptions, self).parse(word) for word in _words(text) or [""]}
        if {"save", "nosave"} <= chosen:
            raise SettingError("shutdown options SAVE and NOSAVE can't be used simultaneously")
        chosen.discard("default")
        return " ".join(word for word in self.words if word in chosen) or "default"


@dataclass(frozen=True, slots=True)
class Text:
    def parse(self, text: str) -> str:
        return text

    def format(self, value: Any) -> str:
        return str(value)


@dataclass(frozen=True, slots=True)
class HostName:
    def parse(self, text: str) -> str:
        if len(text) > 255:
            raise SettingError("Hostnames must be less than 256 characters")
        letters = text.replace("-", "").replace(".", "")
        if letters and not (letters.isascii() and letters.isalnum()):
            raise SettingError(
                "Hostnames may only contain alphanumeric characters, hyphens or dots"
            )
        return text

    def format(self, value: Any) -> str:
        return str(value)


@dataclass(frozen=True, slots=True)
class FileName:
    """The name of a file inside the data directory."""

    what: str

    def parse(self, text: str) -> str:
        if not text:
            raise SettingError(f"{self.what} can't be empty")
        if "/" in text:
            raise SettingError(f"{self.what} can't be a path, just a filename")
        return text

    def format(self, value: Any) -> str:
        return str(value)


class TitleTemplate:
    """How the process names itself to `ps`."""

    _fields = ("{title}", "{listen-addr}", "{server-mode}", "{port}", "{tls-port}")
    _more = ("{unixsocket}", "{config-file}")

    def parse(self, text: str) -> str:
        rest = text
        for name in self._fields + self._more:
            rest = rest.replace(name, "")
        # Redis tries it with an empty title, and nothing at all is no name.
        nothing = not text.replace("{title}", "").strip(" ")
        if "{" in rest or "}" in rest or nothing:
            raise SettingError("template format is invalid or contains unknown variables")
        return text

    def format(self, value: Any) -> str:
        return str(value)


class EventClasses:
    """The letters of `notify-keyspace-events`; "A" stands for all that concern keys."""

    all_classes = "g$lshzxetd"
    _order = "g$lshzxetdn"

    def parse(self, text: str) -> str:
        chosen = set(text)
        if chosen - set("AKEm" + self._order):
            raise SettingError("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")
        if chosen >= set(self.all_classes):
            chosen.add("A")
        letters = "A" if "A" in chosen else "".join(c for c in self._order if c in chosen)
        if "A" in chosen and "n" in chosen:
            letters += "n"
        return letters + "".join(c for c in "KEm" if c in chosen)

    def format(self, value: Any) -> str:
        # Redis does not show "n" beside "A", though it is in force.
        return value.replace("An", "A", 1) if value.startswith("An") else str(value)


class Percentiles:
    """Numbers from 0 to 100."""

    def parse(self, text: str) -> tuple[float, ...]:
        numbers = []
        for word in _words(text):
            number = read_float(word.encode("utf-8", "surrogateescape"))
            if number is None:
                raise SettingError("Invalid latency-tracking-info-percentiles parameters")
            if not 0 <= number <= 100:
                raise SettingError(
                    "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]"
                )
            numbers.append(number)
        return tuple(numbers)

    def format(self, value: Any) -> str:
        return " ".join(f"{number:g}" for number in value)


class OutOfMemoryScores:
    """Three adjustments of the kernel's choice of whom to kill."""

    def parse(self, text: str) -> tuple[int, ...]:
        words = _words(text)
        if len(words) != 3:
            raise SettingError("wrong number of arguments")
        numbers = [read_integer(word.encode("utf-8", "surrogateescape")) for word in words]
        scores = tuple(number for number in numbers if number is not None)
        if len(scores) < 3 or any(not -2000 <= score <= 2000 for score in scores):
            raise SettingError(
                "Invalid oom-score-adj-values, elements must be between -2000 and 2000."
            )
        return scores

    def format(self, value: Any) -> str:
        return " ".join(map(str, value))


class SavePoints:
    """Pairs of seconds and changes."""

    def parse(self, text: str) -> tuple[tuple[int, int], ...]:
        words = _words(text)
        if len(words) % 2 or not all(word.isascii() and word.isdigit() for word in words):
            raise SettingError("Invalid save parameters")
        numbers = [int(word) for word in words]
        if any(seconds < 1 for seconds in numbers[::2]):
            raise SettingError("Invalid save parameters")
        return tuple(zip(numbers[::2], numbers[1::2], strict=True))

    def format(self, value: Any) -> str:
        return " ".join(f"{seconds} {changes}" for seconds, changes in value)


@dataclass(frozen=True, slots=True)
class OutputLimit:
    """When a client that does not read its replies is cut off."""

    hard: int
    soft: int
    soft_seconds: int


class OutputLimits:
    """Class of client to `OutputLimit`. Classes that a text does not name keep theirs."""

    classes = ("normal", "slave", "pubsub")

    def parse(self, text: str) -> Mapping[str, OutputLimit]:
        words = _words(text)
        if len(words) % 4:
            raise SettingError("Wrong number of arguments in buffer limit configuration.")
        limits = {}
        for at in range(0, len(words), 4):
            name = "slave" if words[at].lower() == "replica" else words[at].lower()
            if name not in self.classes:
                raise SettingError("Invalid client class specified in buffer limit configuration.")
            hard, soft = _read_memory(words[at + 1]), _read_memory(words[at + 2])
            seconds = words[at + 3]
            if hard is None or soft is None or not (seconds.isascii() and seconds.isdigit()):
                raise SettingError(
                    "Error in hard, soft or soft_seconds setting in buffer limit configuration."
                )
            limits[name] = OutputLimit(hard, soft, int(seconds))
        return limits

    def merge(self, old: Mapping[str, OutputLimit], new: Mapping[str, OutputLimit]) -> Any:
        return {**old, **new}

    def format(self, value: Any) -> str:
        return " ".join(
            f"{name} {limit.hard} {limit.soft} {limit.soft_seconds}"
            for name, limit in value.items()
        )
