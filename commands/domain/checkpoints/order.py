"""The order of the checkpoints of a thread: by step, then by id.

The sorted set has steps as scores, and a score is a double: from 2**53 on, neighbouring steps
share one, and all steps from 2**63 on do. Such groups are put in order by the steps in the
envelopes. No more than a thousand checkpoints of one group are; it takes a thread with more
than a thousand checkpoints at such a step to see that.
"""

from __future__ import annotations

from collections.abc import Sequence

from commands.domain.calls import call_integer, call_rank, call_score, call_scores, call_values
from commands.domain.checkpoints.envelopes import read
from commands.domain.checkpoints.keys import Thread
from commands.domain.pages import LARGEST_PAGE, Place, SortedPage
from commands.engine.errors import CommandError
from commands.engine.numbers import INT64_MAX, format_float, read_float
from commands.instance.context import Context

# Every integer below it is a score of its own.
_EXACT = 2.0**53

_Scored = Sequence[tuple[bytes, float]]


def score(step: int) -> bytes:
    """The score of a step; those beyond a signed integer share the highest."""
    return b"%d" % min(step, INT64_MAX)


def latest(ctx: Context, thread: Thread) -> bytes | None:
    """The id of the latest checkpoint."""
    ids = newest(ctx, thread, 0, 1)
    return ids[0] if ids else None


def newest(ctx: Context, thread: Thread, start: int, count: int) -> list[bytes]:
    """Up to so many ids, newest first, from a place in this order on."""
    found = _descending(ctx, thread, start, start + count)
    if not found or found[0][1] < _EXACT:
        return [checkpoint for checkpoint, _ in found]
    # The first and last groups may have members outside of this range.
    low = max(_size_above(ctx, thread, found[0][1]), start - LARGEST_PAGE)
    high = start + len(found)
    if found[-1][1] >= _EXACT:
        above = _size_above(ctx, thread, found[-1][1], including=True)
        high = max(high, min(above, high + LARGEST_PAGE))
    ordered = _in_order(ctx, thread, _descending(ctx, thread, low, high))
    return ordered[start - low :][:count]


def rank(ctx: Context, thread: Thread, checkpoint: bytes) -> int | None:
    """The place of a checkpoint in this order, from the newest on; None if it is not there."""
    plain = call_rank(ctx, b"ZREVRANK", thread.by_step, checkpoint)
    if plain is None:
        return None
    own = call_score(ctx, b"ZSCORE", thread.by_step, checkpoint)
    if own is None or own < _EXACT:
        return plain
    low = max(_size_above(ctx, thread, own), plain - LARGEST_PAGE)
    high = min(_size_above(ctx, thread, own, including=True), plain + LARGEST_PAGE)
    ordered = _in_order(ctx, thread, _descending(ctx, thread, low, high))
    return low + ordered.index(checkpoint)


def cursor_after(ctx: Context, thread: Thread, checkpoint: bytes) -> bytes:
    """The cursor of a page that begins after this checkpoint."""
    own = call_score(ctx, b"ZSCORE", thread.by_step, checkpoint)
    assert own is not None
    return b"%b-%b" % (format_float(own), checkpoint)


def place_after(ctx: Context, thread: Thread, cursor: Place) -> int:
    """The place in this order at which a page with this cursor begins."""
    if cursor is None:
        return 0
    place = _place_of(ctx, thread, cursor)
    if place is not None:
        return place + 1
    # The checkpoint was removed since: the page begins with the one that followed it.
    following = SortedPage(ctx, thread.by_step, cursor, desc=True).take(1)
    place = rank(ctx, thread, following[0]) if following else None
    return call_integer(ctx, b"ZCARD", thread.by_step) if place is None else place


def place_from(ctx: Context, thread: Thread, cursor: Place) -> int:
    """The place of the checkpoint of a cursor, or of the first one behind it."""
    place = None if cursor is None else _place_of(ctx, thread, cursor)
    return place_after(ctx, thread, cursor) if place is None else place


def _place_of(ctx: Context, thread: Thread, cursor: tuple[bytes, bytes]) -> int | None:
    """The place of the checkpoint of a cursor; None if it was removed, or moved since."""
    text, checkpoint = cursor
    own = call_score(ctx, b"ZSCORE", thread.by_step, checkpoint)
    if own is None or own != read_float(text):
        return None
    return rank(ctx, thread, checkpoint)


def _descending(ctx: Context, thread: Thread, low: int, high: int) -> _Scored:
    """The members of the sorted set by rank, up to but not including the last."""
    if low >= high:
        return []
    ranks = (b"%d" % low, b"%d" % (high - 1))
    return call_scores(ctx, b"ZREVRANGE", thread.by_step, *ranks, b"WITHSCORES")


def _size_above(ctx: Context, thread: Thread, least: float, *, including: bool = False) -> int:
    low = format_float(least) if including else b"(" + format_float(least)
    return call_integer(ctx, b"ZCOUNT", thread.by_step, low, b"+inf")


def _in_order(ctx: Context, thread: Thread, scored: _Scored) -> list[bytes]:
    ids = [checkpoint for checkpoint, _ in scored]
    steps = dict.fromkeys(ids, 0)
    large = [checkpoint for checkpoint, one in scored if one >= _EXACT]
    envelopes = call_values(ctx, b"HMGET", thread.by_id, *large)
    for checkpoint, raw in zip(large, envelopes, strict=True):
        if raw is not None:
            try:
                steps[checkpoint] = read(raw, checkpoint, thread).step
            except CommandError:
                continue
    # Sorting is stable, so members that have one score and one step keep their order.
    scored = sorted(scored, key=lambda pair: (pair[1], steps[pair[0]], pair[0]), reverse=True)
    return [checkpoint for checkpoint, _ in scored]
