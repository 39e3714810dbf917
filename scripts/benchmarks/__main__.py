"""The command line: `scripts/bench`."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import click

from scripts.benchmarks.rows import Row, markdown, terminal_line
from scripts.benchmarks.session import Session
from scripts.benchmarks.workloads import (
    checkpoints,
    eviction,
    expiry,
    jobs,
    memory,
    million,
    persistence,
    scripting,
    startup,
    store,
    throughput,
    tls,
    waits,
)

GROUPS: dict[str, Callable[[Session], Iterator[Row]]] = {
    "strings": throughput.strings,
    "types": throughput.types,
    "idle": throughput.idle,
    "scripts": scripting.measure,
    "messages": throughput.messages,
    "million": million.measure,
    "expiry": expiry.measure,
    "eviction": eviction.measure,
    "checkpoints": checkpoints.measure,
    "jobs": jobs.measure,
    "store": store.measure,
    "tls": tls.measure,
    "waits": waits.measure,
    "memory": memory.measure,
    "persistence": persistence.measure,
    "start": startup.measure,
}


@click.command()
@click.option(
    "--rounds", default=3, show_default=True, help="Alternating pairs of measurements per row."
)
@click.option("--scale", default=1.0, show_default=True, help="Factor on all sizes and counts.")
@click.option(
    "--only",
    type=click.Choice(list(GROUPS)),
    multiple=True,
    help="Measure only this group; repeat for several.",
)
@click.option(
    "--json",
    "json_file",
    default="bench-results.json",
    show_default=True,
    help="Write the results to this file.",
)
@click.option("--table", "table_file", help="Also write the table in Markdown to this file.")
def main(
    rounds: int, scale: float, only: tuple[str, ...], json_file: str, table_file: str | None
) -> None:
    """Compare Redkeep with redis-server, or with valkey-server if that is not installed.

    Each row shows a ratio, the value it must hold and the value to reach. The exit status is 1
    if a row does not hold. docs/PERFORMANCE.md explains the rows.
    """
    if shutil.which("redis-benchmark") is None:
        raise click.ClickException("redis-benchmark is not installed (Debian: redis-tools)")
    rows = []
    with Session(rounds, scale) as session:
        for group in only or GROUPS:
            for row in GROUPS[group](session):
                rows.append(row)
                click.echo(terminal_line(row))
    Path(json_file).write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")
    if table_file:
        Path(table_file).write_text(markdown(rows))
    missed = [row.name for row in rows if not row.holds]
    if missed:
        click.echo(f"\nNot held: {', '.join(missed)}")
        sys.exit(1)


if __name__ == "__main__":
    main(prog_name="scripts/bench")
