"""Kinds of settings: how their values are parsed, checked and formatted.

A kind parses the text of CONFIG SET or redis.conf into an immutable Python value, or
raises `SettingError` with Redis' message. It formats a value as CONFIG GET shows it.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from commands.engine.numbers import INT64_MAX, UINT64_MAX, read_float, read_integer

INT32_MAX = 2**31 - 1

T = TypeVar("T")
Word = TypeVar("Word", bound=str)


class SettingError(ValueError):
    """A setting rejects a value; the message is the one that Redis gives."""


class Kind(ABC, Generic[T]):
    @abstractmethod
    def parse(self, text: str) -> T:
        """Return the value that `text` stands for; raise SettingError if it is not valid."""

    def format(self, value: T) -> str:
        """Return the text that CONFIG GET shows and that `parse` reads back."""
        return str(value)

    def merge(self, old: T, new: T) -> T:
        """Return the value that results from setting `new` while `old` is in force."""
        return new


def _words(text: str) -> list[str]:
    """Split at every single space, as Redis does: two spaces enclose an empty word."""
    return text.split(" ") if text else []


def _between(number: int, low: int, high: int) -> int:
    if not low <= number <= high:
        raise SettingError(f"argument must be between {low} and {high} inclusive")
    return number


@dataclass(frozen=True, slots=True)
class Integer(Kind[int]):
    low: int = 0
    high: int = INT64_MAX

    def parse(self, text: str) -> int:
        number = read_integer(text.encode("utf-8", "surrogateescape"))
        if number is None:
            raise SettingError("argument couldn't be parsed into an integer")
        return _between(number, self.low, self.high)


@dataclass(frozen=True, slots=True)
class Clamped(Kind[int]):
    """A number; one out of range is moved to the nearest limit instead of being rejected."""

    low: int
    high: int

    def parse(self, text: str) -> int:
        return min(max(Integer(0, 2**31 - 1).parse(text), self.low), self.high)


@dataclass(frozen=True, slots=True)
class Octal(Kind[int]):
    high: int

    def parse(self, text: str) -> int:
        if not text.isascii() or not text or text.strip("01234567"):
            raise SettingError("argument couldn't be parsed as an octal number")
        number = int(text, 8)
        if number > self.high:
            raise SettingError(f"argument must be between 0 and {self.high:o} inclusive")
        return number

    def format(self, value: int) -> str:
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
    if unit is None:
        return None
    count = _read_digits(digits or "0", UINT64_MAX)
    return None if count is None else count * unit


def _read_digits(text: str, high: int) -> int | None:
    """Parse a number without a sign, leading zeros allowed; None if it is not one up to `high`."""
    if not (text.isascii() and text.isdigit()):
        return None
    digits = text.lstrip("0")
    # Python refuses to convert thousands of digits.
    if len(digits) > len(str(high)):
        return None
    number = int(digits or "0")
    return number if number <= high else None


@dataclass(frozen=True, slots=True)
class Memory(Kind[int]):
    """A number of bytes, with Redis' units. As in Redis, an empty text means 0."""

    low: int = 0
    high: int = INT64_MAX

    def parse(self, text: str) -> int:
        number = _read_memory(text)
        if number is None:
            raise SettingError("argument must be a memory value")
        return _between(number, self.low, self.high)


@dataclass(frozen=True, slots=True)
class MemoryOrPercent(Kind[int]):
    """A number of bytes, or a percentage of `maxmemory`, which is stored as a negative number."""

    def parse(self, text: str) -> int:
        if text.endswith("%") and text[:-1].isascii() and text[:-1].isdigit():
            percent = _read_digits(text[:-1], 100)
            if percent is None:
                raise SettingError("percentage argument must be less or equal to 100")
            return -percent
        number = _read_memory(text)
        if number is None:
            raise SettingError("argument must be a memory or percent value")
        return _between(number, 0, INT64_MAX)

    def format(self, value: int) -> str:
        return f"{-value}%" if value < 0 else str(value)


@dataclass(frozen=True, slots=True)
class Boolean(Kind[bool]):
    def parse(self, text: str) -> bool:
        if text.lower() == "yes":
            return True
        if text.lower() == "no":
            return False
        raise SettingError("argument must be 'yes' or 'no'")

    def format(self, value: bool) -> str:
        return "yes" if value else "no"


class Choice(Kind[Word]):
    """One of a few words."""

    def __init__(self, *words: Word) -> None:
        self.words = words

    def parse(self, text: str) -> Word:
        for word in self.words:
            if word == text.lower():
                return word
        raise SettingError("argument(s) must be one of the following: " + ", ".join(self.words))


class ShutdownOptions(Kind[str]):
    """What a termination signal does: a combination of SHUTDOWN's options."""

    _option = Choice("default", "save", "nosave", "now", "force")

    def parse(self, text: str) -> str:
        chosen = {self._option.parse(word) for word in _words(text) or [""]}
        if {"save", "nosave"} <= chosen:
            raise SettingError("shutdown options SAVE and NOSAVE can't be used simultaneously")
        chosen.discard("default")
        return " ".join(word for word in self._option.words if word in chosen) or "default"


def _without_nul(text: str) -> str:
    """Refuse what no file name may contain, and where Redis would cut the value off."""
    if "\0" in text:
        raise SettingError("argument must not contain a NUL byte")
    return text


@dataclass(frozen=True, slots=True)
class Text(Kind[str]):
    def parse(self, text: str) -> str:
        return _without_nul(text)


@dataclass(frozen=True, slots=True)
class Password(Kind[str]):
    """Any bytes at all."""

    def parse(self, text: str) -> str:
        return text


@dataclass(frozen=True, slots=True)
class Names(Kind[tuple[str, ...]]):
    """Words separated by spaces, none of which contains a control character."""

    def parse(self, text: str) -> tuple[str, ...]:
        names = tuple(word for word in text.split(" ") if word)
        if not all(name.isprintable() for name in names):
            raise SettingError("argument must be names in UTF-8, separated by spaces")
        return names

    def format(self, value: tuple[str, ...]) -> str:
        return " ".join(value)


_ADDRESS = re.compile(r"-?[0-9A-Za-z*:.][-0-9A-Za-z*:._%]*", re.ASCII).fullmatch


@dataclass(frozen=True, slots=True)
class Addresses(Kind[tuple[str, ...]]):
    """Addresses to listen on, separated by single spaces."""

    most: int = 16

    def parse(self, text: str) -> tuple[str, ...]:
        addresses = tuple(_words(text))
        if len(addresses) > self.most:
            raise SettingError("Too many bind addresses specified.")
        # Any other text fails only when it is bound, with the same message. An empty address
        # would be bound, to all addresses of the machine.
        if not all(map(_ADDRESS, addresses)):
            raise SettingError("Failed to bind to specified addresses.")
        return addresses

    def format(self, value: tuple[str, ...]) -> str:
        return " ".join(value)


@dataclass(frozen=True, slots=True)
class HostName(Kind[str]):
    def parse(self, text: str) -> str:
        if len(text) > 255:
            raise SettingError("Hostnames must be less than 256 characters")
        letters = text.replace("-", "").replace(".", "")
        if letters and not (letters.isascii() and letters.isalnum()):
            raise SettingError(
                "Hostnames may only contain alphanumeric characters, hyphens or dots"
            )
        return text


@dataclass(frozen=True, slots=True)
class FileName(Kind[str]):
    """The name of a file inside the data directory."""

    # The setting's name, for the messages.
    setting: str

    def parse(self, text: str) -> str:
        if not text:
            raise SettingError(f"{self.setting} can't be empty")
        if "/" in text or "\\" in text:
            raise SettingError(f"{self.setting} can't be a path, just a filename")
        return _without_nul(text)


class TitleTemplate(Kind[str]):
    """The format of the process title that `ps` shows."""

    _fields = ("{title}", "{listen-addr}", "{server-mode}", "{port}", "{tls-port}")
    _more = ("{unixsocket}", "{config-file}")

    def parse(self, text: str) -> str:
        rest = text
        for name in self._fields + self._more:
            rest = rest.replace(name, "")
        # Redis fills in an empty title to check the template, and rejects an empty result.
        empty = not text.replace("{title}", "").strip(" ")
        if "{" in rest or "}" in rest or empty:
            raise SettingError("template format is invalid or contains unknown variables")
        return _without_nul(text)


class EventClasses(Kind[str]):
    """The letters of `notify-keyspace-events`; "A" stands for all classes of key events."""

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

    def format(self, value: str) -> str:
        # Redis does not show "n" after "A", although it is in force.
        return value.replace("An", "A", 1) if value.startswith("An") else value


class Percentiles(Kind[tuple[float, ...]]):
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

    def format(self, value: tuple[float, ...]) -> str:
        return " ".join(f"{number:g}" for number in value)


class OutOfMemoryScores(Kind[tuple[int, ...]]):
    """Three adjustments of the score by which the kernel's out-of-memory killer chooses."""

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

    def format(self, value: tuple[int, ...]) -> str:
        return " ".join(map(str, value))


class SavePoints(Kind[tuple[tuple[int, int], ...]]):
    """Pairs of seconds and a number of changes."""

    def parse(self, text: str) -> tuple[tuple[int, int], ...]:
        words = _words(text)
        numbers = [_read_digits(word, INT32_MAX) for word in words]
        known = [number for number in numbers if number is not None]
        if len(known) < len(words) or len(known) % 2 or 0 in known[::2]:
            raise SettingError("Invalid save parameters")
        return tuple(zip(known[::2], known[1::2], strict=True))

    def format(self, value: tuple[tuple[int, int], ...]) -> str:
        return " ".join(f"{seconds} {changes}" for seconds, changes in value)


@dataclass(frozen=True, slots=True)
class OutputLimit:
    """When a client that does not read its replies is disconnected."""

    hard: int
    soft: int
    soft_seconds: int


class OutputLimits(Kind[Mapping[str, OutputLimit]]):
    """Class of client to `OutputLimit`. Classes that a text does not name keep their limit."""

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
            seconds = _read_digits(words[at + 3], INT32_MAX)
            if hard is None or soft is None or seconds is None:
                raise SettingError(
                    "Error in hard, soft or soft_seconds setting in buffer limit configuration."
                )
            limits[name] = OutputLimit(hard, soft, seconds)
        return limits

    def merge(
        self, old: Mapping[str, OutputLimit], new: Mapping[str, OutputLimit]
    ) -> Mapping[str, OutputLimit]:
        return {**old, **new}

    def format(self, value: Mapping[str, OutputLimit]) -> str:
        return " ".join(
            f"{name} {limit.hard} {limit.soft} {limit.soft_seconds}"
            for name, limit in value.items()
        )


# The kinds that most settings share.
COUNT = Integer()
SMALL = Integer(0, INT32_MAX)
PORT = Integer(0, 65535)
SIZE = Memory()
YES_NO = Boolean()
TEXT = Text()
PASSWORD = Password()
