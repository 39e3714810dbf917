"""STORE.NEAR: the entries below a prefix whose vectors are nearest to a given one."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from math import isfinite

from commands.domain.arguments import Count
from commands.domain.calls import call_values
from commands.domain.errors import failure
from commands.domain.json_filters import Filter
from commands.domain.pages import END as NO_MORE
from commands.domain.pages import LARGEST_PAGE, invalid_cursor
from commands.domain.records import count_poison
from commands.domain.store.layout import STORE_PREFIX, VECTOR_PREFIX, Namespace, vector_key
from commands.domain.store.reading import CURSOR, Start
from commands.domain.store.search import FILTER, Matches, as_map
from commands.domain.store.vectors import METRICS, Reader, checked_vector, size_of
from commands.engine.grammar import Key, OneOf, String, Token
from commands.engine.registry import command
from commands.engine.replies import Reply
from commands.instance.context import Context

_NEAREST = 10
_BLOCK = 64
# What reading a vector costs, in numbers that are compared.
_READING = 64


@dataclass(slots=True)
class Near:
    prefix: bytes
    vector: bytes
    k: int | None = None
    metric: bytes = b"COSINE"
    filter: Filter | None = None
    cursor: Start | None = None


@command(
    "STORE.NEAR",
    group="store",
    since="0.1.0",
    flags="readonly",
    complexity="O(M*D) for M vectors compared, of D numbers each.",
    summary="Finds the entries below a prefix whose vectors are nearest to a given one.",
    arguments=[
        Key("prefix", "RO access"),
        String("vector", "VECTOR", convert=checked_vector),
        Count("number", "K", high=LARGEST_PAGE),
        OneOf("metric", Token("COSINE"), Token("DOT"), Token("L2"), token="METRIC", optional=True),
        FILTER,
        CURSOR,
    ],
    request=Near,
)
def store_near(ctx: Context, request: Near) -> Reply:
    """Returns maps with namespace, key, value and score, the nearest first.

    The vector is 32-bit floats, little-endian, as in `STORE.PUT`. `K` is how many entries to
    return, 10 by default. `METRIC COSINE`, the default, compares directions: the score is from -1
    to 1, and greater is nearer. With `DOT`, the dot product, greater is nearer, too; with `L2`,
    the distance, smaller is. Entries must match the filter first, as in `STORE.SEARCH`. Vectors
    of another size are skipped.

    All vectors are compared, so the answer is exact. One request compares at most as many as
    `store-near-numbers` allows, by default about 550 vectors of 384 numbers; if there are more the
    reply is an error. With `CURSOR 0` the reply is a cursor and the nearest of a first part; go
    on until the cursor is `0`, and keep the nearest of all parts.

        > STORE.PUT hooli:notes north '{"lang":"en"}' VECTOR aaaa0000
        OK
        > STORE.PUT hooli:notes east '{"lang":"de"}' VECTOR 0000aaaa
        OK
        > STORE.NEAR hooli:notes VECTOR aaaa0000 K 1 METRIC L2
        1) 1) "namespace"
           2) "hooli:notes"
           3) "key"
           4) "north"
           5) "value"
           6) "{\\"lang\\":\\"en\\"}"
           7) "score"
           8) "0"
    """
    space = Namespace(ctx, request.prefix)
    comparing = _Comparing(ctx, space, request)
    after = None if request.cursor is None else request.cursor.after
    if request.filter is None:
        cursor = comparing.compare_all(after)
    else:
        cursor = comparing.compare_matches(request.filter, after)
    if request.cursor is not None:
        return [cursor, comparing.nearest()]
    if cursor != NO_MORE:
        raise failure(
            "ERR",
            "STORE.NEAR would compare more than {} vectors of {} numbers below '{}': use CURSOR to "
            "get parts, a narrower prefix, or a FILTER with STORE.INDEX",
            str(comparing.most), str(size_of(request.vector)), space.name,
        )  # fmt: skip
    return comparing.nearest()


class _Comparing:
    """Vectors that were compared in one request, a bounded number."""

    def __init__(self, ctx: Context, space: Namespace, request: Near) -> None:
        self._ctx = ctx
        self._space = space
        self._number = _NEAREST if request.k is None else request.k
        size = size_of(request.vector)
        self._reader = Reader(size)
        wanted = self._reader.read(request.vector)
        assert wanted is not None
        make_measure, greater_is_nearer = METRICS[request.metric]
        # Makes a distance of what was measured, and the other way around.
        self._sign = -1 if greater_is_nearer else 1
        self._measure = make_measure(wanted)
        numbers = ctx.instance.settings.store_near_numbers
        self.most = max(1, numbers // (size + _READING))
        # How far each vector is, and the key of its entry.
        self._found: list[tuple[float, bytes]] = []

    def compare_all(self, after: bytes | None) -> bytes:
        """Compare the vectors behind a cursor; return the next one."""
        ctx, most = self._ctx, self.most
        start = vector_key(self._space.key_prefix)
        tenant = len(vector_key(self._space.tenant_prefix))
        last = None if after is None else start[:tenant] + after
        if last is not None and not last.startswith(start):
            raise invalid_cursor(b">" + last[tenant:])
        while most > 0:
            keys = list(islice(ctx.db.ordered.range(start, after=last), min(_BLOCK, most)))
            if not keys:
                return NO_MORE
            self._compare([STORE_PREFIX + key[len(VECTOR_PREFIX) :] for key in keys])
            most -= len(keys)
            last = keys[-1]
        assert last is not None
        is_complete = next(ctx.db.ordered.range(start, after=last), None) is None
        return NO_MORE if is_complete else b">" + last[tenant:]

    def compare_matches(self, wanted: Filter, after: bytes | None) -> bytes:
        """Compare the vectors of matching entries behind a cursor; return the next one."""
        matches = Matches(self._ctx, self._space, wanted, after)
        entries = (self._space.key_at(place) for place, _ in islice(matches, self.most))
        while block := list(islice(entries, _BLOCK)):
            self._compare(block)
        return matches.cursor()

    def _compare(self, entries: list[bytes]) -> None:
        read, measure, sign = self._reader.read, self._measure, self._sign
        blobs = call_values(self._ctx, b"MGET", *map(vector_key, entries))
        for entry, blob in zip(entries, blobs, strict=True):
            vector = None if blob is None else read(blob)
            if vector is not None:
                distance = sign * measure(vector)
                # Any client can store bytes that are no numbers.
                if isfinite(distance):
                    self._found.append((distance, entry))
                else:
                    count_poison(self._ctx)

    def nearest(self) -> list[Reply]:
        """The nearest entries. A plain command may have removed one without its vector."""
        found: list[Reply] = []
        self._found.sort()
        ranked = iter(self._found)
        sign = self._sign
        while len(found) < self._number and (block := list(islice(ranked, self._number))):
            values = call_values(self._ctx, b"MGET", *[entry for _, entry in block])
            for (distance, entry), value in zip(block, values, strict=True):
                place = self._ctx.db.ordered.place_of(entry)
                if value is not None and place is not None and len(found) < self._number:
                    # Not minus zero.
                    score = sign * distance + 0.0
                    found.append({**as_map(place, value), b"score": score})
        return found
