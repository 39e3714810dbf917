"""The manifest: which files make up the log, and in which order they are loaded.

A log consists of at most one base (the data at some moment) and the increments written
since. Files that a rewrite has replaced are listed as history until they are deleted.
Every line names a file, its sequence number and its type.

Parsing is stricter than in Redis, because a damaged manifest may still name existing files:
loading those would give an older or smaller state than the log has. Two lines that ran
together, a file listed twice and a gap between the increments are errors.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Self

from storage.aof.errors import ManifestError

BASE, INCREMENT, HISTORY = "b", "i", "h"
_TYPES = frozenset((BASE, INCREMENT, HISTORY))
# In bytes, with the line's end: Redis reads no longer ones.
_LONGEST_LINE = 1024
_SPACES = " \t\r"
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "a": "\a", "b": "\b"}
_ESCAPED = {character: letter for letter, character in _ESCAPES.items()}


@dataclass(frozen=True, slots=True)
class LogFile:
    """A line of the manifest."""

    name: str
    sequence: int
    type: str

    def line(self) -> str:
        name = self.name
        if not name or any(c in "\"'" or not c.isprintable() or c == " " for c in name):
            name = _quoted(name)
        return f"file {name} seq {self.sequence} type {self.type}\n"


@dataclass(frozen=True, slots=True)
class Manifest:
    """The files of the log named `prefix`. Immutable: changes return a new manifest."""

    prefix: str
    base: LogFile | None = None
    increments: tuple[LogFile, ...] = ()
    history: tuple[LogFile, ...] = field(default=())
    # The highest sequence numbers ever used, so that no file name is reused.
    last_base: int = 0
    last_increment: int = 0

    @property
    def files(self) -> tuple[LogFile, ...]:
        """The files to load, in that order."""
        return (*((self.base,) if self.base else ()), *self.increments)

    # --- text ------------------------------------------------------------------------

    @classmethod
    def parse(cls, prefix: str, text: str) -> Self:
        """Parse a manifest; raise ManifestError if it is invalid."""
        if not text:
            raise ManifestError("the manifest is empty", 1)
        found: dict[str, list[LogFile]] = {BASE: [], INCREMENT: [], HISTORY: []}
        names = {f"{prefix}.manifest"}
        lines = text.split("\n")
        for number, line in enumerate(lines[:-1], 1):
            if line.startswith("#"):
                continue
            if len(line.encode("utf-8", "surrogateescape")) >= _LONGEST_LINE:
                raise ManifestError("the line is too long", number)
            file = _parse_line(line, number)
            if file.name in names:
                raise ManifestError(f"the file {file.name} is listed twice", number)
            names.add(file.name)
            earlier = found[file.type]
            if file.type == BASE and earlier:
                raise ManifestError("a second base file is listed", number)
            if file.type == INCREMENT and earlier:
                _check_order(earlier[-1], file, number)
            earlier.append(file)
        number = len(lines)
        if lines[-1]:
            raise ManifestError("the last line is incomplete", number)
        if not any(found.values()):
            raise ManifestError("the manifest lists no files", number)
        bases, increments = found[BASE], found[INCREMENT]
        if not bases and increments and increments[0].sequence != 1:
            raise ManifestError(
                f"no base is listed, but the first increment is number {increments[0].sequence}",
                number,
            )
        _check_history(found[HISTORY], bases, increments, number)
        return cls(
            prefix,
            bases[0] if bases else None,
            tuple(increments),
            tuple(found[HISTORY]),
            bases[0].sequence if bases else 0,
            increments[-1].sequence if increments else 0,
        )

    def format(self) -> str:
        files = (*((self.base,) if self.base else ()), *self.history, *self.increments)
        return "".join(file.line() for file in files)

    # --- changes -----------------------------------------------------------------------

    def with_increment(self) -> Manifest:
        """Return a manifest with a new, empty increment at the end."""
        sequence = self.last_increment + 1
        file = LogFile(f"{self.prefix}.{sequence}.incr.aof", sequence, INCREMENT)
        return replace(self, increments=(*self.increments, file), last_increment=sequence)

    def with_base(self, suffix: str, *, keep: int) -> Manifest:
        """Return a manifest with a new base (`rdb` or `aof`) and the last `keep` increments.

        The previous base and the other increments become history.
        """
        sequence = self.last_base + 1
        base = LogFile(f"{self.prefix}.{sequence}.base.{suffix}", sequence, BASE)
        split = len(self.increments) - keep
        gone = [*([self.base] if self.base else []), *self.increments[:split]]
        history = tuple(replace(file, type=HISTORY) for file in gone)
        return replace(
            self,
            base=base,
            increments=self.increments[split:],
            history=(*self.history, *history),
            last_base=sequence,
        )

    def without_history(self) -> Manifest:
        return replace(self, history=())


def adopt(prefix: str) -> Manifest:
    """Return the manifest for an old log of a single file, which becomes the base."""
    return Manifest(prefix, LogFile(prefix, 1, BASE), last_base=1)


def _check_order(earlier: LogFile, file: LogFile, number: int) -> None:
    if file.sequence <= earlier.sequence:
        raise ManifestError("the sequence numbers of increments must increase", number)
    if file.sequence != earlier.sequence + 1:
        raise ManifestError(
            f"increment {file.sequence} follows increment {earlier.sequence}: "
            "the increments between them are not listed",
            number,
        )


def _check_history(
    history: list[LogFile], bases: list[LogFile], increments: list[LogFile], number: int
) -> None:
    """Check that a base replaced the history: its files will be deleted."""
    if history and not bases:
        raise ManifestError("files are listed as history, but no base that replaced them", number)
    for file in history:
        newer = ".base." in file.name and file.sequence >= bases[0].sequence
        if ".incr." in file.name and increments:
            newer = file.sequence >= increments[0].sequence
        if newer:
            raise ManifestError(f"{file.name} is listed as history, but it is not old", number)


def _parse_line(line: str, number: int) -> LogFile:
    words = _split(line, number)
    if not words:
        raise ManifestError("the line is empty", number)
    if len(words) % 2:
        raise ManifestError("the last key has no value", number)
    facts: dict[str, str] = {}
    for key, value in zip(map(str.lower, words[::2]), words[1::2], strict=True):
        if key in facts:
            raise ManifestError(f"'{key}' occurs twice: two lines may have run together", number)
        facts[key] = value
    name, sequence, kind = facts.get("file"), facts.get("seq", ""), facts.get("type")
    if not name or kind is None or not (sequence.isascii() and sequence.isdigit()):
        raise ManifestError("expected 'file', a numeric 'seq' and 'type'", number)
    if "/" in name or name in (".", "..") or "\0" in name:
        raise ManifestError("the file name must not be a path", number)
    if kind not in _TYPES or not 1 <= int(sequence) < 1 << 63:
        raise ManifestError("the file type or sequence number is invalid", number)
    return LogFile(name, int(sequence), kind)


def _split(line: str, number: int) -> list[str]:
    """Split a line at spaces; a word in double quotes may contain anything, escaped."""
    words, at = [], 0
    while at < len(line):
        if line[at] in _SPACES:
            at += 1
        elif line[at] == '"':
            word, at = _unquoted(line, at + 1, number)
            words.append(word)
            if at < len(line) and line[at] not in _SPACES:
                raise ManifestError("a quoted word is not followed by a space", number)
        else:
            end = at
            while end < len(line) and line[end] not in _SPACES:
                end += 1
            words.append(line[at:end])
            at = end
    return words


def _unquoted(line: str, at: int, number: int) -> tuple[str, int]:
    """Return the word whose opening quote precedes `at`, and where it ends."""
    word = bytearray()
    while at < len(line):
        character = line[at]
        if character == '"':
            return word.decode("utf-8", "surrogateescape"), at + 1
        if character == "\\" and at + 1 < len(line):
            code = line[at + 2 : at + 4]
            if line[at + 1] == "x" and len(code) == 2 and all(c in _HEX for c in code):
                word.append(int(code, 16))
                at += 4
                continue
            at += 1
            character = _ESCAPES.get(line[at], line[at])
        word += character.encode("utf-8", "surrogateescape")
        at += 1
    raise ManifestError("a quoted word has no closing quote", number)


_HEX = frozenset("0123456789abcdefABCDEF")


def _quoted(name: str) -> str:
    shown = []
    for byte in name.encode("utf-8", "surrogateescape"):
        character = chr(byte)
        if character in '"\\':
            shown.append("\\" + character)
        elif character in _ESCAPED:
            shown.append("\\" + _ESCAPED[character])
        elif 0x20 <= byte < 0x7F:
            shown.append(character)
        else:
            shown.append(f"\\x{byte:02x}")
    return f'"{"".join(shown)}"'
