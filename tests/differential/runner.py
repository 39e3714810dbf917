"""Runs one script on several servers and reports where their replies differ."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.differential.compare import Call, Tolerance, equal, equal_types, tolerance_of
from tests.differential.dump import dump, dumps_agree
from tests.differential.scripts import Script
from tests.support.resp import Connection, ConnectionClosed, Word, word
from tests.support.scripts import cli_line, cli_script, shown

Connect = Callable[[int], Connection]

_SUBSCRIBING = frozenset(b"SUBSCRIBE UNSUBSCRIBE PSUBSCRIBE PUNSUBSCRIBE".split())
# Later differences are mostly consequences of the first ones.
_MOST_SHOWN = 5


class Closed:
    """Stands for a reply where the server closed the connection."""

    def __repr__(self) -> str:
        return "(closed)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Closed)

    __hash__ = None  # type: ignore[assignment]


@dataclass
class Run:
    """The replies of a server to a script, and its data afterwards."""

    replies: list[Any] = field(default_factory=list)
    end: dict[Any, Any] = field(default_factory=dict)


def run(connect: Connect, script: Script, resp: int) -> Run:
    """Run a script on an empty server."""
    result = Run()
    with connect(resp) as connection:
        in_transaction = False
        for words in script:
            try:
                reply = _ask(connection, words, in_transaction)
            except ConnectionClosed:
                result.replies.append(Closed())
                break
            result.replies.append(reply)
            in_transaction = _opens_transaction(words, reply, in_transaction)
        result.replies.extend(connection.pushes)
    with connect(2) as control:
        result.end = dump(control, databases_of(script))
    return result


def _ask(connection: Connection, words: Sequence[Word], in_transaction: bool) -> Any:
    name = word(words[0]).upper()
    if name in _SUBSCRIBING and len(words) > 2 and not in_transaction:
        connection.send(*words)
        return [connection.read() for _ in words[1:]]
    return connection(*words)


def _opens_transaction(words: Sequence[Word], reply: Any, before: bool) -> bool:
    name = word(words[0]).upper()
    if name in (b"EXEC", b"DISCARD", b"RESET"):
        return False
    return before or (name == b"MULTI" and reply == "OK")


def databases_of(script: Script) -> list[int]:
    """Return the databases that a script may have left data in."""
    found = {0}
    for words in script:
        if word(words[0]).upper() in (b"SELECT", b"MOVE", b"COPY", b"SWAPDB"):
            texts = [word(value) for value in words[1:]]
            found |= {int(text) for text in texts if text.isdigit() and int(text) < 16}
    return sorted(found)


# --- comparing --------------------------------------------------------------------------


@dataclass
class Difference:
    """A place where our reply differs from the others."""

    at: int
    what: str
    ours: Any
    theirs: dict[str, Any]

    def __str__(self) -> str:
        lines = [f"{self.what}", f"    redkeep  {shown(self.ours)}"]
        lines += [f"    {name:8} {shown(reply)}" for name, reply in self.theirs.items()]
        return "\n".join(lines)


def differences(
    script: Script, ours: Run, theirs: dict[str, Run], encoding_of: Callable[[Word], Any]
) -> Iterator[Difference]:
    """Yield every place where our reply differs from that of the first other server, or of
    redis-server if the script says so."""
    for at, words in enumerate(script):
        if at >= len(ours.replies) or any(at >= len(run.replies) for run in theirs.values()):
            break
        mine = ours.replies[at]
        others = {name: run.replies[at] for name, run in theirs.items()}
        if not _is_right(words, mine, others, encoding_of):
            yield Difference(at, f"{at + 1}> {cli_line(words)}", mine, others)
    reference = next(iter(theirs.values()))
    length = len(script)
    if not equal(ours.replies[length:], reference.replies[length:]):
        pushes = {name: run.replies[length:] for name, run in theirs.items()}
        yield Difference(length, "messages", ours.replies[length:], pushes)
    yield from _end_differences(length, ours, theirs)


def _is_right(
    words: Sequence[Word], mine: Any, others: dict[str, Any], encoding_of: Callable[[Word], Any]
) -> bool:
    tolerance: Tolerance = tolerance_of(words, encoding_of)
    names = list(others)
    if isinstance(words, Call) and words.redis_only:
        if "redis" in others:
            return tolerance(mine, others["redis"])
        return equal_types(mine, others[names[0]])
    return tolerance(mine, others[names[0]])


def _end_differences(at: int, ours: Run, theirs: dict[str, Run]) -> Iterator[Difference]:
    reference = next(iter(theirs.values())).end
    for place in sorted(ours.end.keys() | reference.keys()):
        mine = ours.end.get(place)
        others = {name: run.end.get(place) for name, run in theirs.items()}
        if not any(dumps_agree(mine, other) for other in others.values()):
            yield Difference(at, f"at the end, db {place[0]} {cli_line(place[1:])}", mine, others)


def explain(script: Script, found: Sequence[Difference], resp: int) -> str:
    """Return a failure as a script that can be pasted into redis-cli."""
    last = min(max(difference.at for difference in found[:_MOST_SHOWN]) + 1, len(script))
    parts = [f"RESP{resp}, after FLUSHALL:", cli_script(script[:last]), "", "different:"]
    parts += [str(difference) for difference in found[:_MOST_SHOWN]]
    if len(found) > _MOST_SHOWN:
        parts.append(f"... and {len(found) - _MOST_SHOWN} more")
    return "\n".join(parts)
