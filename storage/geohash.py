"""Geohashes: positions on Earth as 52-bit cells, and the cells a search must examine.

A cell is a number of steps and two grid indexes. Its `bits` interleave the indexes, latitude
in the even bits, so that nearby positions mostly have nearby numbers. In a sorted set scored
by the bits of the finest cells, an area therefore corresponds to a few ranges of scores.

All arithmetic uses the same order of operations as Redis, because distances and coordinates
must match to the last digit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

LONGITUDE_MOST = 180.0
# The limit of the square Mercator projection.
LATITUDE_MOST = 85.05112878
STEPS = 26

_EARTH_RADIUS = 6372797.560856
_MAP_MOST = 20037726.37
_RADIAN = math.pi / 180.0
_ALPHABET = "0123456789bcdefghjkmnpqrstuvwxyz"


class Point(NamedTuple):
    longitude: float
    latitude: float


class Cell(NamedTuple):
    """A square of the grid that halves the map `steps` times in each direction."""

    x: int
    y: int
    steps: int

    @property
    def bits(self) -> int:
        return _spread(self.x) << 1 | _spread(self.y)

    def moved(self, dx: int, dy: int) -> Cell:
        """Return a neighbour; the map wraps around at its edges.

        A position exactly on the map's edge is in a cell outside the grid. Only a move in
        that direction leads back into the grid.
        """
        mask = (1 << self.steps) - 1
        x = (self.x + dx) & mask if dx else self.x
        y = (self.y + dy) & mask if dy else self.y
        return Cell(x, y, self.steps)

    def longitudes(self) -> tuple[float, float]:
        return _interval(self.x, self.steps, LONGITUDE_MOST)

    def latitudes(self) -> tuple[float, float]:
        return _interval(self.y, self.steps, LATITUDE_MOST)

    def scores(self) -> tuple[float, float]:
        """Return the range of scores in the cell: the first, and the first one after it."""
        shift = 2 * (STEPS - self.steps)
        bits = self.bits
        return float(bits << shift), float((bits + 1) << shift)


def _interval(index: int, steps: int, most: float) -> tuple[float, float]:
    scale = most - -most
    size = 1 << steps
    return -most + (index * 1.0 / size) * scale, -most + ((index + 1) * 1.0 / size) * scale


def _spread(index: int) -> int:
    """Return the bits of a 32-bit number with a zero between each two."""
    index &= 0xFFFFFFFF
    index = (index | index << 16) & 0x0000FFFF0000FFFF
    index = (index | index << 8) & 0x00FF00FF00FF00FF
    index = (index | index << 4) & 0x0F0F0F0F0F0F0F0F
    index = (index | index << 2) & 0x3333333333333333
    return (index | index << 1) & 0x5555555555555555


def _gather(bits: int) -> int:
    """Return every second bit, from the lowest on: the inverse of `_spread`."""
    bits &= 0x5555555555555555
    bits = (bits | bits >> 1) & 0x3333333333333333
    bits = (bits | bits >> 2) & 0x0F0F0F0F0F0F0F0F
    bits = (bits | bits >> 4) & 0x00FF00FF00FF00FF
    bits = (bits | bits >> 8) & 0x0000FFFF0000FFFF
    return (bits | bits >> 16) & 0xFFFFFFFF


def valid(point: Point) -> bool:
    return abs(point.longitude) <= LONGITUDE_MOST and abs(point.latitude) <= LATITUDE_MOST


def cell_at(point: Point, steps: int = STEPS, latitude_most: float = LATITUDE_MOST) -> Cell:
    x = (point.longitude + LONGITUDE_MOST) / (2 * LONGITUDE_MOST) * (1 << steps)
    y = (point.latitude + latitude_most) / (2 * latitude_most) * (1 << steps)
    return Cell(int(x), int(y), steps)


def score_of(point: Point) -> float:
    """Return the score under which a position is stored."""
    return float(cell_at(point).bits)


def point_of(score: float) -> Point:
    """Return the centre of a score's cell; every score maps to some cell."""
    bits = score_bits(score)
    cell = Cell(_gather(bits >> 1), _gather(bits), STEPS)
    west, east = cell.longitudes()
    south, north = cell.latitudes()
    longitude, latitude = (west + east) / 2, (south + north) / 2
    return Point(
        max(-LONGITUDE_MOST, min(LONGITUDE_MOST, longitude)),
        max(-LATITUDE_MOST, min(LATITUDE_MOST, latitude)),
    )


def score_bits(score: float) -> int:
    """Convert a score to an unsigned 64-bit integer as the processor does."""
    if -(2.0**63) <= score < 2.0**64:
        return int(score) & 0xFFFFFFFFFFFFFFFF
    return 0 if score > 0 else 1 << 63


def text_of(score: float) -> bytes:
    """Return the standard geohash: eleven letters, over the whole range of latitudes."""
    bits = cell_at(point_of(score), latitude_most=90.0).bits
    # 52 bits fill ten letters and two bits of the eleventh, which is always 0, as in Redis.
    return "".join(_ALPHABET[bits >> 52 - 5 * n & 31] for n in range(1, 11)).encode() + b"0"


# --- distances -----------------------------------------------------------------------------


def distance(one: Point, other: Point) -> float:
    """Return the metres between two positions along the surface of a sphere."""
    longitude1, longitude2 = one.longitude * _RADIAN, other.longitude * _RADIAN
    v = math.sin((longitude2 - longitude1) / 2)
    if v == 0.0:
        return north_south_distance(one, other)
    latitude1, latitude2 = one.latitude * _RADIAN, other.latitude * _RADIAN
    u = math.sin((latitude2 - latitude1) / 2)
    a = u * u + math.cos(latitude1) * math.cos(latitude2) * v * v
    return 2.0 * _EARTH_RADIUS * math.asin(math.sqrt(a))


def north_south_distance(one: Point, other: Point) -> float:
    return _EARTH_RADIUS * abs(other.latitude * _RADIAN - one.latitude * _RADIAN)


# --- searching -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Circle:
    """All positions within `radius` metres of the centre."""

    center: Point
    radius: float

    @property
    def reach(self) -> float:
        return self.radius

    @property
    def half_sides(self) -> tuple[float, float]:
        return self.radius, self.radius

    def distance_within(self, point: Point) -> float | None:
        """Return the metres from the centre, or None if the point is outside."""
        metres = distance(self.center, point)
        return None if metres > self.radius else metres


@dataclass(frozen=True, slots=True)
class Box:
    """All positions in a rectangle of this many metres around the centre."""

    center: Point
    width: float
    height: float

    @property
    def reach(self) -> float:
        return math.sqrt(
            (self.width / 2) * (self.width / 2) + (self.height / 2) * (self.height / 2)
        )

    @property
    def half_sides(self) -> tuple[float, float]:
        return self.width / 2, self.height / 2

    def distance_within(self, point: Point) -> float | None:
        if north_south_distance(self.center, point) > self.height / 2:
            return None
        beside = Point(self.center.longitude, point.latitude)
        if distance(beside, point) > self.width / 2:
            return None
        return distance(self.center, point)


class Polygon:
    """All positions inside the straight lines on the map that connect the vertices in order.

    A position is inside if a line from it to the edge of the map crosses an odd number of them.
    """

    __slots__ = ("bounds", "center", "reach", "vertices")

    def __init__(self, vertices: Sequence[Point]) -> None:
        self.vertices = vertices
        self.center = _middle(vertices)
        longitudes = [vertex.longitude for vertex in vertices]
        latitudes = [vertex.latitude for vertex in vertices]
        west, south, east, north = (
            min(longitudes), min(latitudes), max(longitudes), max(latitudes),
        )  # fmt: skip
        self.bounds = west, south, east, north
        corners = [Point(x, y) for x in (west, east) for y in (south, north)]
        self.reach = max(distance(self.center, corner) for corner in corners)

    def distance_within(self, point: Point) -> float | None:
        """Return the metres from the centre, or None if the point is outside."""
        longitude, latitude = point
        west, south, east, north = self.bounds
        if not (west <= longitude <= east and south <= latitude <= north):
            return None
        inside = False
        before = self.vertices[-1]
        for vertex in self.vertices:
            if (vertex.latitude > latitude) != (before.latitude > latitude):
                part = (latitude - vertex.latitude) / (before.latitude - vertex.latitude)
                crossing = vertex.longitude + part * (before.longitude - vertex.longitude)
                if longitude < crossing:
                    inside = not inside
            before = vertex
        return distance(self.center, point) if inside else None


def _middle(points: Sequence[Point]) -> Point:
    """Return the mean of positions, taken as directions from the centre of the Earth."""
    x = y = z = 0.0
    for point in points:
        longitude, latitude = point.longitude * _RADIAN, point.latitude * _RADIAN
        x += math.cos(latitude) * math.cos(longitude)
        y += math.cos(latitude) * math.sin(longitude)
        z += math.sin(latitude)
    x, y, z = x / len(points), y / len(points), z / len(points)
    return Point(math.atan2(y, x) / _RADIAN, math.atan2(z, math.sqrt(x * x + y * y)) / _RADIAN)


Shape = Circle | Box | Polygon


def score_ranges(shape: Shape) -> Iterator[tuple[float, float]]:
    """Yield the ranges of scores that can contain positions in a shape: up to nine cells.

    They come in Redis' order, which determines the order of an unsorted search's results.
    """
    before: Cell | None = None
    for index, cell in enumerate(_cells(shape)):
        if cell is None:
            continue
        # On a coarse grid both neighbours of a cell can be the same one. (Redis does not
        # compare with the middle cell, and returns its positions twice.)
        if before is None or cell != before:
            yield cell.scores()
        if index:
            before = cell


def _cells(shape: Shape) -> list[Cell | None]:
    """Return the middle cell and its neighbours; None for those that the shape cannot touch."""
    west, south, east, north = _bounds(shape)
    center = shape.center
    steps = _steps_for(shape.reach, center.latitude)
    cell = cell_at(center, steps)
    if steps > 1 and (
        cell.moved(0, 1).latitudes()[1] < north
        or cell.moved(0, -1).latitudes()[0] > south
        or cell.moved(1, 0).longitudes()[1] < east
        or cell.moved(-1, 0).longitudes()[0] > west
    ):
        steps -= 1
        cell = cell_at(center, steps)
    left_out = set()
    if steps >= 2:
        cell_south, cell_north = cell.latitudes()
        cell_west, cell_east = cell.longitudes()
        if cell_south < south:
            left_out |= {(-1, -1), (0, -1), (1, -1)}
        if cell_north > north:
            left_out |= {(-1, 1), (0, 1), (1, 1)}
        if cell_west < west:
            left_out |= {(-1, -1), (-1, 0), (-1, 1)}
        if cell_east > east:
            left_out |= {(1, -1), (1, 0), (1, 1)}
    ways = [(0, 0), (0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)]
    return [None if way in left_out else cell.moved(*way) for way in ways]


def _bounds(shape: Shape) -> tuple[float, float, float, float]:
    """Return the west, south, east and north bounds of a shape; they may exceed the map."""
    if isinstance(shape, Polygon):
        return shape.bounds
    longitude, latitude = shape.center
    half_width, half_height = shape.half_sides
    dy = half_height / _EARTH_RADIUS / _RADIAN
    # A metre spans more degrees of longitude near a pole, so the edge nearer to it decides.
    edge = latitude - dy if latitude < 0 else latitude + dy
    cosine = math.cos(edge * _RADIAN) if math.isfinite(edge) else math.nan
    dx = half_width / _EARTH_RADIUS / cosine / _RADIAN
    return longitude - dx, latitude - dy, longitude + dx, latitude + dy


def _steps_for(reach: float, latitude: float) -> int:
    """Return how many steps the grid may have so that nine cells cover the reach."""
    if reach == 0:
        return STEPS
    steps = 1
    while reach < _MAP_MOST:
        reach *= 2
        steps += 1
    # Two steps back so that the reach always fits; more near the poles, where cells narrow.
    steps -= 2
    if abs(latitude) > 66:
        steps -= 1
        if abs(latitude) > 80:
            steps -= 1
    return max(1, min(STEPS, steps))
