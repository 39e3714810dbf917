"""LPOS: the indexes at which an element occurs in a list."""

from __future__ import annotations

from dataclasses import dataclass

from commands.engine.errors import CommandError
from commands.engine.grammar import Integer, Key, String
from commands.engine.numbers import INT64_MAX, parse_in_range
from commands.engine.registry import command
from commands.engine.replies import Reply
from commands.instance.context import Context
from storage.values.lists import List


def _parse_rank(word: bytes) -> int:
    # The range is symmetric because a negative rank is negated.
    rank = parse_in_range(word, -INT64_MAX, INT64_MAX)
    if rank == 0:
        raise CommandError(
            "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... "
            "or use negative to start from the end of the list"
        )
    return rank


@dataclass(slots=True)
class Find:
    key: bytes
    element: bytes
    rank: int = 1
    # None: return one index, not an array. 0: return all.
    count: int | None = None
    # 0: examine the whole list.
    maxlen: int = 0


@command(
    "LPOS",
    group="list",
    since="6.0.6",
    flags="readonly",
    complexity="O(N) for N elements examined.",
    summary="Finds the indexes at which an element occurs in a list.",
    arguments=[
        Key("key", "RO access"),
        String("element"),
        Integer("rank", "RANK", optional=True, convert=_parse_rank),
        Integer(
            "num-matches", "COUNT", optional=True, low=0, message="ERR COUNT can't be negative"
        ),
        Integer("len", "MAXLEN", optional=True, low=0, message="ERR MAXLEN can't be negative"),
    ],
    request=Find,
)
def lpos(ctx: Context, request: Find) -> Reply:
    count = request.count
    value = ctx.db.read_as(request.key, List)
    if value is None:
        return None if count is None else []
    length = len(value)
    found = _find(
        value,
        request.element,
        skip=abs(request.rank) - 1,
        wanted=1 if count is None else count or length,
        examined=request.maxlen or length,
        backwards=request.rank < 0,
    )
    if count is not None:
        return found
    return found[0] if found else None


def _find(
    value: List, element: bytes, *, skip: int, wanted: int, examined: int, backwards: bool
) -> list[int]:
    """Skip matches, then return the indexes of up to `wanted`, among `examined` elements."""
    length = len(value)
    indexes: list[int] = []
    if backwards:
        for index in range(length - 1, max(-1, length - 1 - examined), -1):
            if value[index] == element:
                if skip:
                    skip -= 1
                else:
                    indexes.append(index)
                    if len(indexes) == wanted:
                        break
        return indexes
    stop = min(examined, length)
    index = value.find(element, 0, stop)
    while index >= 0:
        if skip:
            skip -= 1
        else:
            indexes.append(index)
            if len(indexes) == wanted:
                break
        index = value.find(element, index + 1, stop)
    return indexes
