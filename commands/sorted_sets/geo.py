"""Geospatial indexes: sorted sets whose scores are geohashes."""

from __future__ import annotations

from decimal import Decimal

from commands.engine.errors import SYNTAX, CommandError
from commands.engine.grammar import ArgumentGroup, Double, Key, OneOf, String, Token
from commands.engine.numbers import format_long_double, parse_float
from commands.engine.registry import command
from commands.engine.replies import NULL_ARRAY, DoubleText, Reply
from commands.instance.context import Context
from commands.sorted_sets.sorted_sets import AddOptions, add_members
from storage.geohash import Point, distance, point_of, score_of, text_of, valid
from storage.values.sorted_sets import SortedSet

# The length of each unit in metres.
UNITS = {b"M": 1.0, b"KM": 1000.0, b"FT": 0.3048, b"MI": 1609.34}

UNIT_TOKENS = (Token("M"), Token("KM"), Token("FT"), Token("MI"))
_ADD_OPTIONS = {b"NX": "only_new", b"XX": "only_known", b"CH": "count_changed"}


def parse_point(longitude: bytes, latitude: bytes) -> Point:
    point = Point(parse_float(longitude), parse_float(latitude))
    if not valid(point):
        raise CommandError(f"ERR invalid longitude,latitude pair {point[0]:f},{point[1]:f}")
    return point


def parse_unit(text: bytes) -> float:
    unit = UNITS.get(text.upper())
    if unit is None:
        raise CommandError("ERR unsupported unit provided. please use M, KM, FT, MI")
    return unit


def show_distance(number: float) -> bytes:
    """Format a distance with four decimals."""
    whole, decimals = divmod(round(number * 10000), 10000)
    return b"%d.%04d" % (whole, decimals)


def show_point(point: Point) -> list[DoubleText]:
    return [DoubleText(format_long_double(Decimal(coordinate))) for coordinate in point]


@command(
    "GEOADD",
    group="geo",
    since="3.2.0",
    flags="write denyoom",
    complexity="O(log(N)) for each member added, for N members in the index.",
    summary="Adds members with their coordinates to a geospatial index.",
    arguments=[
        Key("key", "RW update"),
        OneOf("condition", Token("NX"), Token("XX"), optional=True, since="6.2.0"),
        Token("CH", name="change", optional=True, since="6.2.0"),
        ArgumentGroup(
            "data",
            Double("longitude"),
            Double("latitude"),
            String("member"),
            multiple=True,
        ),
    ],
    history=[("6.2.0", "Accepts `CH`, `NX` and `XX`.")],
)
def geoadd(ctx: Context, argv: list[bytes]) -> Reply:
    options = AddOptions()
    at = 2
    while at < len(argv) and (name := _ADD_OPTIONS.get(argv[at].upper())):
        setattr(options, name, True)
        at += 1
    if (len(argv) - at) % 3 or (options.only_new and options.only_known) or at == len(argv):
        raise CommandError(SYNTAX)
    places = [
        (member, score_of(parse_point(longitude, latitude)))
        for longitude, latitude, member in zip(
            argv[at::3], argv[at + 1 :: 3], argv[at + 2 :: 3], strict=True
        )
    ]
    return add_members(ctx, argv[1], places, options)


@command(
    "GEODIST",
    group="geo",
    since="3.2.0",
    flags="readonly",
    summary="Computes how far apart two members are.",
    arguments=[
        Key("key", "RO access"),
        String("member1"),
        String("member2"),
        OneOf("unit", *UNIT_TOKENS, optional=True),
    ],
)
def geodist(ctx: Context, argv: list[bytes]) -> Reply:
    unit = 1.0
    if len(argv) == 5:
        unit = parse_unit(argv[4])
    elif len(argv) > 5:
        raise CommandError(SYNTAX)
    value = ctx.db.read_as(argv[1], SortedSet)
    if value is None:
        return None
    one, other = value.get(argv[2]), value.get(argv[3])
    if one is None or other is None:
        return None
    return show_distance(distance(point_of(one), point_of(other)) / unit)


def _scores(ctx: Context, argv: list[bytes]) -> list[float | None]:
    value = ctx.db.read_as(argv[1], SortedSet)
    if value is None:
        return [None] * (len(argv) - 2)
    return [value.get(member) for member in argv[2:]]


@command(
    "GEOHASH",
    group="geo",
    since="3.2.0",
    flags="readonly",
    complexity="O(1) for each member requested.",
    summary="Returns the geohashes of members as standard 11-character strings.",
    arguments=[Key("key", "RO access"), String("member", optional=True, multiple=True)],
)
def geohash(ctx: Context, argv: list[bytes]) -> Reply:
    return [None if score is None else text_of(score) for score in _scores(ctx, argv)]


@command(
    "GEOPOS",
    group="geo",
    since="3.2.0",
    flags="readonly",
    complexity="O(1) for each member requested.",
    summary="Returns the coordinates of members.",
    arguments=[Key("key", "RO access"), String("member", optional=True, multiple=True)],
)
def geopos(ctx: Context, argv: list[bytes]) -> Reply:
    return [
        NULL_ARRAY if score is None else show_point(point_of(score)) for score in _scores(ctx, argv)
    ]
