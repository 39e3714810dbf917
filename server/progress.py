"""A progress bar for long loads, on a terminal."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

# A shorter load shows no bar.
_PATIENCE_SECONDS = 0.5


class LoadProgress:
    """A bar on standard error, shown when a load takes long."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._bar: Progress | None = None
        self._wanted = sys.stderr.isatty()

    def show(self, done: int, total: int) -> None:
        if not self._wanted or time.monotonic() - self._started < _PATIENCE_SECONDS:
            return
        if self._bar is None:
            # Imported only when needed: a start-up without a bar is a tenth faster.
            from rich.console import Console
            from rich.progress import (
                BarColumn,
                DownloadColumn,
                Progress,
                TextColumn,
                TimeRemainingColumn,
            )

            self._bar = Progress(
                TextColumn("Loading"),
                BarColumn(),
                DownloadColumn(),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._bar.add_task("load", total=total)
            self._bar.start()
        self._bar.update(self._bar.task_ids[0], completed=done)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
