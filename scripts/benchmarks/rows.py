"""Rows of the table, on the terminal and in Markdown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Row:
    """One figure, with the value that must hold and the value to reach.

    `better` says whether a high or a low ratio is good.
    """

    name: str
    ratio: float
    hold: float
    reach: float
    better: Literal["high", "low"] = "high"
    unit: str = "of the reference"

    @property
    def holds(self) -> bool:
        return self.ratio >= self.hold if self.better == "high" else self.ratio <= self.hold


def terminal_line(row: Row) -> str:
    mark = "ok  " if row.holds else "MISS"
    return f"{mark} {row.name:<58} {row.ratio:6.2f}   hold {row.hold:g}  reach {row.reach:g}"


def markdown(rows: Iterable[Row]) -> str:
    """The table as docs/PERFORMANCE.md shows it."""
    lines = ["| what | ratio | | hold | reach |", "|---|---|---|---|---|"]
    for row in rows:
        missed = "" if row.holds else " (not held)"
        lines.append(
            f"| {row.name} | {row.ratio:.2f}{missed} | {row.unit} | {row.hold:g} | {row.reach:g} |"
        )
    return "\n".join(lines) + "\n"
