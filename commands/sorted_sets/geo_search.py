"""Searching an area for members: GEOSEARCH and the older GEORADIUS commands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from commands.engine.arguments import Arguments
from commands.engine.errors import SYNTAX, CommandError
from commands.engine.grammar import (
    Argument,
    ArgumentGroup,
    Double,
    Integer,
    Key,
    OneOf,
    String,
    Token,
)
from commands.engine.key_specs import KeySpec
from commands.engine.registry import command
from commands.engine.replies import Reply
from commands.instance.context import Context
from commands.sorted_sets.geo import UNIT_TOKENS, parse_point, parse_unit, show_distance, show_point
from commands.sorted_sets.ranges import store_result
from storage.geohash import (
    Box,
    Circle,
    Point,
    Polygon,
    Shape,
    point_of,
    score_bits,
    score_ranges,
)
from storage.values.sorted_sets import SortedSet

_NO_CENTER = "ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for {}"
_NO_SHAPE = "ERR exactly one of BYRADIUS and BYBOX can be specified for {}"
_NO_NUMBER = "ERR invalid number of vertices"
_STORING_MORE = "ERR {} is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
_UNKNOWN_MEMBER = "ERR could not decode requested zset member"


class _Match(NamedTuple):
    metres: float
    member: bytes
    score: float
    point: Point


@dataclass(slots=True)
class Search:
    """What to search for, and which details to return."""

    # Also None for a member of a sorted set that does not exist.
    center: Point | None = None
    # The option of GEOSEARCH that named the center.
    centered: bytes | None = None
    # Radius, or width and height, in the unit of the request.
    sizes: tuple[float, ...] = ()
    # In place of a center and sizes.
    vertices: tuple[Point, ...] = ()
    unit: float = 1.0
    order: bytes | None = None
    count: int = 0
    any: bool = False
    with_coordinates: bool = False
    with_distance: bool = False
    with_hash: bool = False
    store: bytes | None = None
    store_distance: bool = False

    @property
    def shape(self) -> Shape:
        if self.vertices:
            return Polygon(self.vertices)
        assert self.center is not None
        metres = [size * self.unit for size in self.sizes]
        return Circle(self.center, *metres) if len(metres) == 1 else Box(self.center, *metres)


_WITH = {
    b"WITHCOORD": "with_coordinates",
    b"WITHDIST": "with_distance",
    b"WITHHASH": "with_hash",
    b"ANY": "any",
}


# --- parsing -------------------------------------------------------------------------------


def _parse_options(
    arguments: Arguments, search: Search, value: SortedSet | None, *, modern: bool, storing: bool
) -> None:
    """Parse the options of any command here. `modern` allows those of GEOSEARCH."""
    while arguments:
        option = arguments.option()
        left = len(arguments)
        if option in _WITH:
            setattr(search, _WITH[option], True)
        elif option in (b"ASC", b"DESC"):
            search.order = option
        elif option == b"COUNT" and left:
            search.count = arguments.integer()
            if search.count <= 0:
                raise CommandError("ERR COUNT must be > 0")
        elif option == b"STOREDIST" and modern and storing:
            search.store_distance = True
        elif option in (b"STORE", b"STOREDIST") and left and storing and not modern:
            search.store = arguments.word()
            search.store_distance = option == b"STOREDIST"
        elif not modern or not _parse_area(option, arguments, search, value):
            raise CommandError(SYNTAX)


def _parse_area(
    option: bytes, arguments: Arguments, search: Search, value: SortedSet | None
) -> bool:
    """Parse an option for the area of GEOSEARCH; False if it is not one or contradicts another.

    The same option may be repeated; the last one wins.
    """
    left = len(arguments)
    if option == b"BYPOLYGON":
        if left < 2 or search.centered is not None or search.sizes:
            return False
        search.vertices = _parse_vertices(arguments)
    elif search.vertices:
        return False
    elif option == b"FROMMEMBER" and left and search.centered in (None, option):
        search.center = _center(value, arguments.word())
        search.centered = option
    elif option == b"FROMLONLAT" and left >= 2 and search.centered in (None, option):
        search.center = parse_point(*arguments.words(2))
        search.centered = option
    elif option == b"BYRADIUS" and left >= 2 and len(search.sizes) != 2:
        _parse_circle(arguments, search)
    elif option == b"BYBOX" and left >= 3 and len(search.sizes) != 1:
        width = arguments.float("ERR need numeric width")
        height = arguments.float("ERR need numeric height")
        if width < 0 or height < 0:
            raise CommandError("ERR height or width cannot be negative")
        search.sizes, search.unit = (width, height), parse_unit(arguments.word())
    else:
        return False
    return True


def _parse_circle(arguments: Arguments, search: Search) -> None:
    radius = arguments.float("ERR need numeric radius")
    if radius < 0:
        raise CommandError("ERR radius cannot be negative")
    search.sizes, search.unit = (radius,), parse_unit(arguments.word())


def _parse_vertices(arguments: Arguments) -> tuple[Point, ...]:
    count = arguments.integer(_NO_NUMBER)
    if not -(1 << 31) <= count < 1 << 31:
        raise CommandError(_NO_NUMBER)
    if not 3 <= count <= len(arguments) // 2:
        raise CommandError("ERR GEOSEARCH BYPOLYGON must have at least 3 vertices")
    return tuple(parse_point(*arguments.words(2)) for _ in range(count))


def _center(value: SortedSet | None, member: bytes) -> Point | None:
    if value is None:
        return None
    score = value.get(member)
    if score is None:
        raise CommandError(_UNKNOWN_MEMBER)
    return point_of(score)


def _check(search: Search, argv: list[bytes], *, modern: bool) -> None:
    if search.store is not None and (
        search.with_coordinates or search.with_distance or search.with_hash
    ):
        name = "GEOSEARCHSTORE" if modern else "STORE option in GEORADIUS"
        raise CommandError(_STORING_MORE.format(name))
    name = argv[0].decode("latin-1")
    if modern and search.centered is None and not search.vertices:
        raise CommandError(_NO_CENTER.format(name).encode("latin-1"))
    if modern and not search.sizes and not search.vertices:
        raise CommandError(_NO_SHAPE.format(name).encode("latin-1"))
    if search.any and not search.count:
        raise CommandError("ERR the ANY argument requires COUNT argument")
    if search.count and search.order is None and not search.any:
        # COUNT means the nearest members; without an order the choice would be arbitrary.
        search.order = b"ASC"


# --- searching and replying ----------------------------------------------------------------


def _find(value: SortedSet, search: Search) -> list[_Match]:
    shape = search.shape
    enough = search.count if search.any else None
    found: list[_Match] = []
    for low, high in score_ranges(shape):
        for score, member in value.pairs(*value.span_by_score(low, high)):
            point = point_of(score)
            metres = shape.distance_within(point)
            if metres is not None:
                found.append(_Match(metres, member, score, point))
                if len(found) == enough:
                    break
        if len(found) == enough:
            break
    if search.order is not None:
        # A stable sort by distance alone: Redis returns ties in the order they were found.
        found.sort(key=lambda match: match.metres, reverse=search.order == b"DESC")
    return found[: search.count] if search.count else found


def _finish(ctx: Context, value: SortedSet | None, search: Search, event: str) -> Reply:
    """Run a parsed search, and return or store the members found."""
    found = [] if value is None else _find(value, search)
    unit = search.unit
    if search.store is not None:
        scores = [
            (match.member, match.metres / unit if search.store_distance else match.score)
            for match in found
        ]
        return store_result(ctx, search.store, scores, event, count=len(scores))
    if not (search.with_coordinates or search.with_distance or search.with_hash):
        return [match.member for match in found]
    rows = []
    for match in found:
        row: list[Reply] = [match.member]
        if search.with_distance:
            row.append(show_distance(match.metres / unit))
        if search.with_hash:
            row.append(_signed(score_bits(match.score)))
        if search.with_coordinates:
            row.append(show_point(match.point))
        rows.append(row)
    return rows


def _signed(bits: int) -> int:
    return bits - (1 << 64) if bits >> 63 else bits


# --- GEOSEARCH -----------------------------------------------------------------------------

_CIRCLE = ArgumentGroup("circle", Double("radius", "BYRADIUS"), OneOf("unit", *UNIT_TOKENS))
_BOX = ArgumentGroup("box", Double("width", "BYBOX"), Double("height"), OneOf("unit", *UNIT_TOKENS))
_POLYGON = ArgumentGroup(
    "polygon",
    Integer("num-vertices", "BYPOLYGON"),
    ArgumentGroup("vertices", Double("longitude"), Double("latitude"), multiple=True),
    since="9.0.0",
)
_AREA = [
    OneOf(
        "from",
        String("member", "FROMMEMBER"),
        ArgumentGroup("fromlonlat", Double("longitude"), Double("latitude"), token="FROMLONLAT"),
        optional=True,
    ),
    OneOf("by", _CIRCLE, _BOX, _POLYGON),
]
_ORDER = OneOf("order", Token("ASC"), Token("DESC"), optional=True)
_WITH_TOKENS = [
    Token("WITHCOORD", optional=True),
    Token("WITHDIST", optional=True),
    Token("WITHHASH", optional=True),
]
_COMPLEXITY = (
    "O(N+log(M)) for N members in the geohash cells that cover the area and M members inside it."
)


_HISTORY = [
    ("7.0.0", "Accepts unit names in upper case."),
    ("9.0.0", "Accepts `BYPOLYGON` (in Valkey)."),
]


def _count(any_since: str | None = None) -> Argument:
    return ArgumentGroup(
        "count-block",
        Integer("count", "COUNT"),
        Token("ANY", optional=True, since=any_since),
        optional=True,
    )


@command(
    "GEOSEARCH",
    group="geo",
    since="6.2.0",
    flags="readonly",
    complexity=_COMPLEXITY,
    summary="Returns the members inside a circle, a box or a polygon.",
    arity=-7,
    arguments=[Key("key", "RO access"), *_AREA, _ORDER, _count(), *_WITH_TOKENS],
    history=_HISTORY,
)
def geosearch(ctx: Context, argv: list[bytes]) -> Reply:
    value = ctx.db.read_as(argv[1], SortedSet)
    search = Search()
    _parse_options(Arguments(argv, 2), search, value, modern=True, storing=False)
    _check(search, argv, modern=True)
    return _finish(ctx, value, search, "geosearchstore")


@command(
    "GEOSEARCHSTORE",
    group="geo",
    since="6.2.0",
    flags="write denyoom",
    complexity=_COMPLEXITY,
    summary="Stores the members inside a circle, a box or a polygon in a key.",
    arity=-8,
    arguments=[
        Key("destination", "OW update"),
        Key("source", "RO access"),
        *_AREA,
        _ORDER,
        _count(),
        Token("STOREDIST", optional=True),
    ],
    history=_HISTORY,
)
def geosearchstore(ctx: Context, argv: list[bytes]) -> Reply:
    value = ctx.db.read_as(argv[2], SortedSet)
    search = Search(store=argv[1])
    _parse_options(Arguments(argv, 3), search, value, modern=True, storing=True)
    _check(search, argv, modern=True)
    return _finish(ctx, value, search, "geosearchstore")


# --- GEORADIUS -----------------------------------------------------------------------------


def _around_point(ctx: Context, argv: list[bytes], *, storing: bool) -> Reply:
    value = ctx.db.read_as(argv[1], SortedSet)
    search = Search(center=parse_point(argv[2], argv[3]))
    _parse_circle(Arguments(argv, 4, 6), search)
    return _around(ctx, argv, 6, value, search, storing=storing)


def _around_member(ctx: Context, argv: list[bytes], *, storing: bool) -> Reply:
    value = ctx.db.read_as(argv[1], SortedSet)
    search = Search(center=_center(value, argv[2]))
    if value is not None:
        _parse_circle(Arguments(argv, 3, 5), search)
    return _around(ctx, argv, 5, value, search, storing=storing)


def _around(
    ctx: Context,
    argv: list[bytes],
    at: int,
    value: SortedSet | None,
    search: Search,
    *,
    storing: bool,
) -> Reply:
    _parse_options(Arguments(argv, at), search, value, modern=False, storing=storing)
    _check(search, argv, modern=False)
    return _finish(ctx, value, search, "georadiusstore")


_RADIUS = [Double("radius"), OneOf("unit", *UNIT_TOKENS)]
_AROUND_POINT = [Key("key", "RO access"), Double("longitude"), Double("latitude"), *_RADIUS]
_AROUND_MEMBER = [Key("key", "RO access"), String("member"), *_RADIUS]
_STORE = OneOf(
    "store",
    Key("storekey", "OW update", "STORE"),
    Key("storedistkey", "OW update", "STOREDIST"),
    optional=True,
)
_RADIUS_COMPLEXITY = (
    "O(N+log(M)) for N members in the bounding box of the circle and M members in the index."
)


def _radius_keys(start: int) -> list[KeySpec]:
    return [
        KeySpec("RO access"),
        KeySpec("OW update", keyword="STORE", start=start),
        KeySpec("OW update", keyword="STOREDIST", start=start),
    ]


@command(
    "GEORADIUS",
    group="geo",
    since="3.2.0",
    flags="write denyoom",
    complexity=_RADIUS_COMPLEXITY,
    summary="Returns or stores the members within a radius of a point.",
    arguments=[*_AROUND_POINT, *_WITH_TOKENS, _count("6.2.0"), _ORDER, _STORE],
    keys=_radius_keys(6),
    history=[
        ("6.2.0", "Accepts `ANY` with `COUNT`."),
        ("7.0.0", "Accepts unit names in upper case."),
    ],
    deprecated=("6.2.0", "`GEOSEARCH` and `GEOSEARCHSTORE` with `BYRADIUS`"),
)
def georadius(ctx: Context, argv: list[bytes]) -> Reply:
    return _around_point(ctx, argv, storing=True)


@command(
    "GEORADIUS_RO",
    group="geo",
    since="3.2.10",
    flags="readonly",
    complexity=_RADIUS_COMPLEXITY,
    summary="Returns the members within a radius of a point.",
    arguments=[*_AROUND_POINT, *_WITH_TOKENS, _count("6.2.0"), _ORDER],
    history=[
        ("6.2.0", "Accepts `ANY` with `COUNT`."),
        ("7.0.0", "Accepts unit names in upper case."),
    ],
    deprecated=("6.2.0", "`GEOSEARCH` with `BYRADIUS`"),
)
def georadius_ro(ctx: Context, argv: list[bytes]) -> Reply:
    return _around_point(ctx, argv, storing=False)


@command(
    "GEORADIUSBYMEMBER",
    group="geo",
    since="3.2.0",
    flags="write denyoom",
    complexity=_RADIUS_COMPLEXITY,
    summary="Returns or stores the members within a radius of another member.",
    arguments=[*_AROUND_MEMBER, *_WITH_TOKENS, _count(), _ORDER, _STORE],
    keys=_radius_keys(5),
    history=[
        ("6.2.0", "Accepts `ANY` with `COUNT`."),
        ("7.0.0", "Accepts unit names in upper case."),
    ],
    deprecated=(
        "6.2.0",
        "`GEOSEARCH` and `GEOSEARCHSTORE` with `BYRADIUS` and `FROMMEMBER`",
    ),
)
def georadiusbymember(ctx: Context, argv: list[bytes]) -> Reply:
    return _around_member(ctx, argv, storing=True)


@command(
    "GEORADIUSBYMEMBER_RO",
    group="geo",
    since="3.2.10",
    flags="readonly",
    complexity=_RADIUS_COMPLEXITY,
    summary="Returns the members within a radius of another member.",
    arguments=[*_AROUND_MEMBER, *_WITH_TOKENS, _count(), _ORDER],
    history=[
        ("6.2.0", "Accepts `ANY` with `COUNT`."),
        ("7.0.0", "Accepts unit names in upper case."),
    ],
    deprecated=("6.2.0", "`GEOSEARCH` with `BYRADIUS` and `FROMMEMBER`"),
)
def georadiusbymember_ro(ctx: Context, argv: list[bytes]) -> Reply:
    return _around_member(ctx, argv, storing=False)
