"""A check of the rule that domain commands read all they need before their first write.

While it is on, a read after a write is an error of ours, and so is any use of the reply to a
write. A handler that keeps the rule can run as an optimistic transaction.
"""

from __future__ import annotations

from typing import Any, NoReturn

import pytest

from commands.engine.replies import Reply
from commands.instance.context import Context

# It writes nothing that is kept, so events may be published at any time.
_HARMLESS = {b"PUBLISH"}


class _Unread:
    """In place of the reply to a write."""

    def __getattr__(self, name: str) -> NoReturn:
        raise AssertionError("a handler uses the reply to a write")

    __bool__ = __eq__ = __iter__ = __len__ = __getitem__ = __int__ = __index__ = None  # type: ignore[assignment]
    __hash__ = None  # type: ignore[assignment]


_UNREAD: Any = _Unread()


def check_reads_before_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every domain command and sweep in this process keep the rule from now on."""
    begin, call = Context.begin, Context.call
    written: dict[int, bytes] = {}

    def begun(ctx: Context, command: str) -> None:
        written.pop(id(ctx), None)
        begin(ctx, command)

    def called(ctx: Context, *words: bytes) -> Reply:
        if words[0] in _HARMLESS:
            return call(ctx, *words)
        bound = ctx.instance.find_command(list(words))
        assert bound is not None, words
        if bound.command.writes:
            call(ctx, *words)
            written.setdefault(id(ctx), words[0])
            return _UNREAD  # type: ignore[no-any-return]
        first = written.get(id(ctx))
        assert first is None, f"{words[0]!r} reads after {first!r} has written"
        return call(ctx, *words)

    monkeypatch.setattr(Context, "begin", begun)
    monkeypatch.setattr(Context, "call", called)
