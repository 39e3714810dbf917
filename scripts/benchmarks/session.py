"""One run of the benchmark: two servers, and how thoroughly they are measured."""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType
from typing import Self

from scripts.benchmarks.drivers import Load, run_load
from scripts.benchmarks.sampling import alternate, median_ratio
from scripts.benchmarks.servers import REDKEEP, REFERENCE, Server


class Session:
    """Redkeep (`ours`) and the reference (`theirs`), running for the whole benchmark.

    `rounds` is the number of alternating pairs per figure, `scale` a factor on all sizes.
    """

    def __init__(self, rounds: int, scale: float) -> None:
        self.rounds = rounds
        self.scale = scale
        with ExitStack() as stack:
            self.ours = stack.enter_context(Server(REDKEEP))
            self.theirs = stack.enter_context(Server(REFERENCE))
            self._servers = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._servers.close()

    def scaled(self, count: int, at_least: int) -> int:
        """A size after scaling, but not so small that the figure would mean nothing."""
        return max(at_least, int(count * self.scale))

    def loads(self, *options: str) -> list[tuple[Load, Load]]:
        """Run redis-benchmark on both servers in alternation: pairs of ours and theirs."""
        return alternate(
            self.rounds,
            lambda: run_load(self.ours.port, *options),
            lambda: run_load(self.theirs.port, *options),
        )

    def throughput(self, *options: str) -> float:
        """The median ratio of requests per second."""
        return median_ratio(
            (ours.requests_per_second, theirs.requests_per_second)
            for ours, theirs in self.loads(*options)
        )

    def flush(self) -> None:
        """Empty both servers."""
        for server in (self.ours, self.theirs):
            server.call(b"FLUSHALL")
