"""Measuring two things fairly: in alternation, and by the median of their ratios."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


def alternate(rounds: int, first: Callable[[], T], second: Callable[[], T]) -> list[tuple[T, T]]:
    """Measure both once per round. Which one is measured first changes with every round."""
    pairs: list[tuple[T, T]] = []
    for number in range(rounds):
        if number % 2:
            left = first()
            right = second()
        else:
            right = second()
            left = first()
        pairs.append((left, right))
    return pairs


def median_ratio(pairs: Iterable[tuple[float, float]]) -> float:
    """The median of first divided by second."""
    return statistics.median(first / second for first, second in pairs)


def rate(operation: Callable[[], None], seconds: float) -> float:
    """Operations per second, when repeated for this long."""
    started = time.perf_counter()
    done = 0
    while (elapsed := time.perf_counter() - started) < seconds:
        operation()
        done += 1
    return done / elapsed
