"""Arguments that the domain families share."""

from __future__ import annotations

from commands.engine.grammar import Argument, Integer

# Any moment of the clock plus this stays below 2**53, up to which a score is exact.
LONGEST_MS = 2**52
MOST = 2**31 - 1


def Milliseconds(  # noqa: N802 - it reads as a type in declarations
    name: str, token: str | None = None, *, low: int = 1, optional: bool = True
) -> Argument:
    """A duration. It is short enough to be added to any moment."""
    return Integer(
        name,
        token,
        optional=optional and token is not None,
        low=low,
        high=LONGEST_MS,
        unit="milliseconds",
    )


def Count(  # noqa: N802
    name: str, token: str | None = None, *, low: int = 1, high: int = MOST
) -> Argument:
    """How many of something."""
    return Integer(name, token, optional=token is not None, low=low, high=high)
