"""Transcripts in documentation: their requests and expected replies, and replaying them.

A transcript is a fenced block of Markdown:

    > JOB.SUBMIT gpu train m1 '{}'
    "<job>"
    > JOB.CANCEL gpu <job>
    (integer) 1
    # 30000 ms later
    > TTL somewhere
    (integer) -2

Lines that begin with `> ` are requests, split as in a shell; the lines after each are the
reply as redis-cli prints it. `<name>` stands for one word of a reply at its first use, and for
the same word afterwards, in requests too. `...` stands for any text within a line.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field

from tests.support.resp import NULL_ARRAY, Error
from tests.support.servers import RunningServer

_PLACEHOLDER = re.compile(r"<([a-z][a-z0-9_]*)>")
_LATER = re.compile(r"# ([0-9]+) ms later")


@dataclass
class Step:
    """A request with its expected reply, or an advance of the clock."""

    line: int
    request: str = ""
    reply: list[str] = field(default_factory=list)
    advance: int = 0


def steps_of(text: str) -> list[Step]:
    """Return the steps of all transcripts of a page, in order."""
    steps: list[Step] = []
    fenced = False
    current: Step | None = None
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("```"):
            fenced, current = not fenced, None
        elif not fenced:
            continue
        elif line.startswith("> "):
            current = Step(number, line[2:])
            steps.append(current)
        elif later := _LATER.fullmatch(line):
            steps.append(Step(number, advance=int(later[1])))
            current = None
        elif current is not None and line.strip():
            current.reply.append(line.rstrip())
    return steps


def replay(text: str, server: RunningServer) -> int:
    """Run all requests of a page and compare the replies; return the number of requests."""
    client = server.connect()
    server.freeze(1_700_000_000_000)
    bound: dict[str, str] = {}
    sent = 0
    for step in steps_of(text):
        if step.advance:
            server.advance(step.advance)
            continue
        request = _filled(step.request, bound)
        shown = show(client(*shlex.split(request)))
        expected = "\n".join(step.reply)
        match = re.fullmatch(_pattern(expected, bound), shown)
        assert match, f"line {step.line}: {request}\n--- expected\n{expected}\n--- got\n{shown}"
        bound |= match.groupdict()
        sent += 1
    return sent


def _filled(request: str, bound: dict[str, str]) -> str:
    """Replace the placeholders of a request by their words."""
    return _PLACEHOLDER.sub(lambda match: bound.get(match[1], match[0]), request)


def _pattern(expected: str, bound: dict[str, str]) -> str:
    """Return a regular expression for a reply with placeholders."""
    parts = []
    seen: set[str] = set()
    for piece in re.split(r"(<[a-z][a-z0-9_]*>|\.\.\.)", expected):
        name = _PLACEHOLDER.fullmatch(piece)
        if piece == "...":
            parts.append(".*")
        elif name is None:
            parts.append(re.escape(piece))
        elif name[1] in bound:
            parts.append(re.escape(bound[name[1]]))
        elif name[1] in seen:
            parts.append(f"(?P={name[1]})")
        else:
            seen.add(name[1])
            parts.append(rf'(?P<{name[1]}>[^\s"]+)')
    return "".join(parts)


def show(reply: object, indent: int = 0) -> str:
    """Return a RESP2 reply as redis-cli prints it."""
    if reply is None or reply is NULL_ARRAY:
        return "(nil)"
    if isinstance(reply, Error):
        return f"(error) {reply.text}"
    if isinstance(reply, int):
        return f"(integer) {reply}"
    if isinstance(reply, str):
        return reply
    if isinstance(reply, bytes):
        return _quote(reply)
    assert isinstance(reply, list), reply
    if not reply:
        return "(empty array)"
    width = len(str(len(reply)))
    lines = []
    for number, item in enumerate(reply, 1):
        label = f"{number:>{width}}) "
        margin = " " * indent if number > 1 else ""
        lines.append(margin + label + show(item, indent + len(label)))
    return "\n".join(lines)


_ESCAPES = {b"\\": "\\\\", b'"': '\\"', b"\n": "\\n", b"\r": "\\r", b"\t": "\\t"}


def _quote(text: bytes) -> str:
    shown = "".join(
        _ESCAPES.get(text[at : at + 1])
        or (chr(text[at]) if 0x20 <= text[at] < 0x7F else f"\\x{text[at]:02x}")
        for at in range(len(text))
    )
    return f'"{shown}"'
