"""Cells and searches, compared with testing every position."""

from __future__ import annotations

from random import Random

import pytest

from storage.geohash import (
    Box,
    Circle,
    Point,
    Polygon,
    distance,
    point_of,
    score_of,
    score_ranges,
    text_of,
)


def test_a_known_position() -> None:
    palermo = Point(13.361389, 38.115556)
    score = score_of(palermo)
    assert score == 3479099956230698.0
    assert text_of(score) == b"sqc8b49rny0"
    assert distance(point_of(score), palermo) < 0.6


@pytest.mark.parametrize("metres", [500.0, 50_000.0, 2_000_000.0])
def test_the_ranges_of_a_shape_contain_every_position_inside(metres: float) -> None:
    rng = Random(int(metres))
    found = 0
    for _ in range(40):
        center = Point(rng.uniform(-170, 170), rng.uniform(-60, 60))
        reach = metres / 111_000
        for shape in (Circle(center, metres), Box(center, metres, metres * 1.5)):
            ranges = list(score_ranges(shape))
            assert len(ranges) <= 9
            for _ in range(30):
                near = Point(
                    center.longitude + rng.uniform(-reach, reach),
                    max(-85.0, min(85.0, center.latitude + rng.uniform(-reach, reach))),
                )
                if not -180 <= near.longitude <= 180:
                    continue
                score = score_of(near)
                if shape.distance_within(point_of(score)) is not None:
                    found += 1
                    assert any(low <= score < high for low, high in ranges)
    assert found > 500


@pytest.mark.parametrize("degrees", [0.01, 1.0, 20.0, 100.0, 180.0])
def test_the_ranges_of_a_polygon_contain_every_position_inside(degrees: float) -> None:
    rng = Random(int(degrees))

    def near(center: Point) -> Point:
        longitude = center.longitude + rng.uniform(-degrees, degrees)
        latitude = center.latitude + rng.uniform(-degrees, degrees)
        return Point(max(-180.0, min(180.0, longitude)), max(-85.0, min(85.0, latitude)))

    found = 0
    for _ in range(100):
        center = Point(rng.uniform(-180, 180), rng.uniform(-80, 80))
        shape = Polygon([near(center) for _ in range(rng.randint(3, 6))])
        ranges = list(score_ranges(shape))
        for _ in range(50):
            score = score_of(near(center))
            if shape.distance_within(point_of(score)) is not None:
                found += 1
                assert any(low <= score < high for low, high in ranges), shape.vertices
    assert found > 500


def test_every_score_maps_to_a_position_on_the_map() -> None:
    for score in (0.0, -7.0, 1.5, 1e300, -1e300, float("inf"), float("-inf"), 2.0**64):
        longitude, latitude = point_of(score)
        assert -180 <= longitude <= 180
        assert -85.05112878 <= latitude <= 85.05112878
