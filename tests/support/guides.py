"""Worked examples in documentation: new files, changes of files, and commands to run.

A section of a page, from one `## ` heading to the next, is one example:

- "`path`, a new file:" before a python block gives a whole file, "`path`, an empty file." one
  without a block;
- diff blocks change existing files. A hunk starts with `@@`. It has no line numbers: its
  context and removed lines must be found exactly once in the file;
- sh blocks are commands, one per line, with comments after `  #`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NEW_FILE = re.compile(r"^`([^`]+)`, a new file:\n\n\Z", re.MULTILINE)
_EMPTY_FILE = re.compile(r"^`([^`]+)`, an empty file\.$", re.MULTILINE)


class GuideError(Exception):
    """The page cannot be followed: a block is not understood, or a change does not fit."""


@dataclass
class Example:
    """What a section tells the reader to do."""

    files: dict[str, str] = field(default_factory=dict)
    # (path, lines to find, lines in their place)
    changes: list[tuple[str, str, str]] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)

    def apply(self, root: Path) -> None:
        """Write the files and make the changes below `root`."""
        for name, text in self.files.items():
            path = root / name
            if path.exists():
                raise GuideError(f"{name} is not a new file")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        for name, before, after in self.changes:
            path = root / name
            if not path.exists():
                raise GuideError(f"{name} does not exist")
            text = path.read_text()
            found = list(re.finditer("^" + re.escape(before), text, re.MULTILINE))
            if len(found) != 1:
                raise GuideError(f"{name} has these lines {len(found)} times, not once:\n{before}")
            path.write_text(text[: found[0].start()] + after + text[found[0].end() :])


def sections(page: str) -> dict[str, Example]:
    """Return the examples of a page by their headings."""
    parts = re.split(r"^## (.+)\n", page, flags=re.MULTILINE)
    return {title: _example(text) for title, text in zip(parts[1::2], parts[2::2], strict=True)}


def _example(text: str) -> Example:
    example = Example(files=dict.fromkeys(_EMPTY_FILE.findall(text), ""))
    for block in _BLOCK.finditer(text):
        language, body = block.groups()
        if language == "python":
            named = _NEW_FILE.search(text[: block.start()])
            if named is None:
                raise GuideError(f"the name of this file is missing:\n{body}")
            example.files[named[1]] = body
        elif language == "diff":
            example.changes += _changes(body)
        elif language == "sh":
            lines = [line.split("  #", 1)[0].strip() for line in body.splitlines()]
            example.commands += filter(None, lines)
        else:
            raise GuideError(f"a block of the language {language}")
    return example


def _changes(diff: str) -> list[tuple[str, str, str]]:
    changes: list[tuple[str, str, str]] = []
    for part in re.split(r"^--- a/", diff, flags=re.MULTILINE)[1:]:
        head, *hunks = re.split(r"^@@.*\n", part, flags=re.MULTILINE)
        name, new_name = head.split("\n+++ b/")
        if name != new_name.strip() or not hunks:
            raise GuideError(f"not a change of one file: {head}")
        changes += [(name, *_sides(hunk)) for hunk in hunks]
    return changes


def _sides(hunk: str) -> tuple[str, str]:
    before, after = "", ""
    for line in hunk.splitlines(keepends=True):
        mark, text = line[0], line[1:]
        if mark not in " +-":
            raise GuideError(f"not a line of a hunk: {line}")
        before += "" if mark == "+" else text
        after += "" if mark == "-" else text
    if not before:
        raise GuideError(f"a hunk without context:\n{hunk}")
    return before, after
