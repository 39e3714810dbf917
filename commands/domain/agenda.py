"""When the timed work of a family is next due, in the order of time among all its collections.

A pool or queue keeps what becomes due in sorted sets of its own. Visiting each of them at every
tick would cost with their number, so a family also has an agenda: one key per collection that
has anything timed, with the moment in its name, in an ordered layout. The sweep reads the
agenda up to the present and visits those collections alone.

| key | type | holds |
|---|---|---|
| `<prefix><moment>:{<tag>}` | string | nothing; the moment has 20 digits |
| the collection's `next` key | string | the same moment, to find that key |

An entry may be early, never late: it is replaced only when something becomes due sooner.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from commands.domain.calls import call_text, write
from commands.instance.context import Context
from storage.errors import WrongType

_MOMENT = re.compile(rb"[0-9]{1,19}").fullmatch


@dataclass(frozen=True, slots=True)
class Agenda:
    """The agenda of a family. `tag` is the hash tag of a collection, without its braces."""

    prefix: bytes

    def key(self, moment: int, tag: bytes) -> bytes:
        return b"%b%020d:{%b}" % (self.prefix, moment, tag)

    def until(self, now: int) -> bytes:
        """The least key of a moment after this one."""
        return b"%b%020d" % (self.prefix, now + 1)

    def tag_in(self, key: bytes) -> bytes | None:
        """The tag in an entry's key; None for a key of another form."""
        moment, _, tagged = key[len(self.prefix) :].partition(b":")
        if len(moment) != 20 or not moment.isdigit() or tagged[:1] != b"{" or tagged[-1:] != b"}":
            return None
        return tagged[1:-1]

    def entry(self, ctx: Context, tag: bytes, next_key: bytes) -> Entry:
        """Read the entry of a collection, before the first write of a command."""
        try:
            planned = call_text(ctx, b"GET", next_key)
        except WrongType:
            planned = None
        valid = planned is not None and _MOMENT(planned)
        return Entry(self, tag, next_key, int(planned) if planned and valid else None)


@dataclass(slots=True)
class Entry:
    """The entry of one collection, as it was read."""

    agenda: Agenda
    tag: bytes
    next_key: bytes
    planned: int | None

    def plan(self, ctx: Context, moment: int) -> None:
        """Have the sweep visit the collection no later than at this moment."""
        if self.planned is None or moment < self.planned:
            self._replace(ctx, moment)

    def replan(self, ctx: Context, visited: bytes, moment: int | None) -> None:
        """End a visit because of this key: the next one is at this moment, or never."""
        if moment is not None:
            self._replace(ctx, moment)
            if visited != self.agenda.key(moment, self.tag):
                write(ctx, b"DEL", visited)
        elif self.planned is not None:
            write(ctx, b"DEL", visited, self.agenda.key(self.planned, self.tag), self.next_key)
            self.planned = None
        else:
            write(ctx, b"DEL", visited)

    def _replace(self, ctx: Context, moment: int) -> None:
        if self.planned == moment:
            return
        if self.planned is not None:
            write(ctx, b"DEL", self.agenda.key(self.planned, self.tag))
        write(ctx, b"SET", self.agenda.key(moment, self.tag), b"")
        write(ctx, b"SET", self.next_key, b"%d" % moment)
        self.planned = moment
