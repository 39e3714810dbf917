"""Finding places in an area: GEOSEARCH, and the older GEORADIUS commands."""

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
    Shape,
    point_of,
    score_bits,
    score_ranges,
)
from storage.values.sorted_sets import SortedSet

_NO_CENTER = "ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for {}"
_NO_SHAPE = "ERR exactly one of BYRADIUS and BYBOX can be specified for {}"
_STORING_MORE = "ERR {} is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
_UNKNOWN_MEMBER = "ERR could not decode requested zset member"


class _Found(NamedTuple):
    metres: float
    member: bytes
    score: float
    point: Point


@dataclass(slots=True)
class Search:
    """What is looked for, and how it is to be shown."""

    # None, too, where it is a member of a sorted set that does not exist.
    center: Point | None = None
    # The option of GEOSEARCH that named the center.
    centered: bytes | None = None
    # Radius, or width and height, in the unit of the request.
    sizes: tuple[float, ...] = ()
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
        assert self.center is not None
        metres = [size * self.unit for size in self.sizes]
        return Circle(self.center, *metres) if len(metres) == 1 else Box(self.center, *metres)


_WITH = {
    b"WITHCOORD": "with_coordinates",
    b"WITHDIST": "with_distance",
    b"WITHHASH": "with_hash",
    b"ANY": "any",
}


# --- reading the request -------------------------------------------------------------------


def _parse_options(
    arguments: Arguments, search: Search, value: SortedSet | None, *, modern: bool, storing: bool
) -> None:
    """The options of all commands here. `modern` allows those of GEOSEARCH."""
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
    """Where GEOSEARCH looks; False if the option does not say that, or says it otherwise.

    The same option may come again, and then the last one holds.
    """
    left = len(arguments)
    if option == b"FROMMEMBER" and left and search.centered in (None, option):
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
    if modern and search.centered is None:
        raise CommandError(_NO_CENTER.format(name).encode("latin-1"))
    if modern and not search.sizes:
        raise CommandError(_NO_SHAPE.format(name).encode("latin-1"))
    if search.any and not search.count:
        raise CommandError("ERR the ANY argument requires COUNT argument")
    if search.count and search.order is None and not search.any:
        # The nearest so many, or the answer would be arbitrary.
        search.order = b"ASC"


# --- finding and answering -----------------------------------------------------------------


def _find(value: SortedSet, search: Search) -> list[_Found]:
    shape = search.shape
    enough = search.count if search.any else None
    found: list[_Found] = []
    for low, high in score_ranges(shape):
        for score, member in value.pairs(*value.span_by_score(low, high)):
            point = point_of(score)
            metres = shape.distance_within(point)
            if metres is not None:
                found.append(_Found(metres, member, score, point))
                if len(found) == enough:
                    break
        if len(found) == enough:
            break
    if search.order is not None:
        # By distance alone, and stable: equally near ones stay in the order of the walk.
        found.sort(key=lambda place: place.metres, reverse=search.order == b"DESC")
    return found[: search.count] if search.count else found


def _finish(ctx: Context, value: SortedSet | None, search: Search, event: str) -> Reply:
    """Run a search whose request was read, and answer or store what it finds."""
    found = [] if value is None else _find(value, search)
    unit = search.unit
    if search.store is not None:
        scores = [
            (place.member, place.metres / unit if search.store_distance else place.score)
            for place in found
        ]
        return store_result(ctx, search.store, scores, event, count=len(scores))
    if not (search.with_coordinates or search.with_distance or search.with_hash):
        return [place.member for place in found]
    answer = []
    for place in found:
        line: list[Reply] = [place.member]
        if search.with_distance:
            line.append(show_distance(place.metres / unit))
        if search.with_hash:
            line.append(_signed(score_bits(place.score)))
        if search.with_coordinates:
            line.append(show_point(place.point))
        answer.append(line)
    return answer


def _signed(bits: int) -> int:
    return bits - (1 << 64) if bits >> 63 else bits


# --- GEOSEARCH -----------------------------------------------------------------------------

_CIRCLE = ArgumentGroup("circle", Double("radius", "BYRADIUS"), OneOf("unit", *UNIT_TOKENS))
_BOX = ArgumentGroup("box", Double("width", "BYBOX"), Double("height"), OneOf("unit", *UNIT_TOKENS))
_AREA = [
    OneOf(
        "from",
        String("member", "FROMMEMBER"),
        ArgumentGroup("fromlonlat", Double("longitude"), Double("latitude"), token="FROMLONLAT"),
    ),
    OneOf("by", _CIRCLE, _BOX),
]
_ORDER = OneOf("order", Token("ASC"), Token("DESC"), optional=True)
_WITH_TOKENS = [
    Token("WITHCOORD", optional=True),
    Token("WITHDIST", optional=True),
    Token("WITHHASH", optional=True),
]
_COMPLEXITY = (
    "O(N+log(M)), N being the number of places in the cells around the area, M that of the "
    "places inside it."
)


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
    summary="Answers the places inside a circle or a box.",
    arguments=[Key("key", "RO access"), *_AREA, _ORDER, _count(), *_WITH_TOKENS],
    history=[("7.0.0", "Takes names of units in upper case.")],
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
    summary="Stores the places inside a circle or a box under a key.",
    arguments=[
        Key("destination", "OW update"),
        Key("source", "RO access"),
        *_AREA,
        _ORDER,
        _count(),
        Token("STOREDIST", optional=True),
    ],
    history=[("7.0.0", "Takes names of units in upper case.")],
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
    "O(N+log(M)), N being the number of places in the box around the circle, M that of all places."
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
    summary="Answers, or stores, the places around a point.",
    arguments=[*_AROUND_POINT, *_WITH_TOKENS, _count("6.2.0"), _ORDER, _STORE],
    keys=_radius_keys(6),
    history=[
        ("6.2.0", "Takes `ANY` with `COUNT`."),
        ("7.0.0", "Takes names of units in upper case."),
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
    summary="Answers the places around a point.",
    arguments=[*_AROUND_POINT, *_WITH_TOKENS, _count("6.2.0"), _ORDER],
    history=[
        ("6.2.0", "Takes `ANY` with `COUNT`."),
        ("7.0.0", "Takes names of units in upper case."),
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
    summary="Answers, or stores, the places around another one.",
    arguments=[*_AROUND_MEMBER, *_WITH_TOKENS, _count(), _ORDER, _STORE],
    keys=_radius_keys(5),
    history=[
        ("6.2.0", "Takes `ANY` with `COUNT`."),
        ("7.0.0", "Takes names of units in upper case."),
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
    summary="Answers the places around another one.",
    arguments=[*_AROUND_MEMBER, *_WITH_TOKENS, _count(), _ORDER],
    history=[
        ("6.2.0", "Takes `ANY` with `COUNT`."),
        ("7.0.0", "Takes names of units in upper case."),
    ],
    deprecated=("6.2.0", "`GEOSEARCH` with `BYRADIUS` and `FROMMEMBER`"),
)
def georadiusbymember_ro(ctx: Context, argv: list[bytes]) -> Reply:
    return _around_member(ctx, argv, storing=False)
