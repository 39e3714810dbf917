"""Locates the server's packages.

In a checkout, `server`, `commands` and `storage` are next to this package. In an installed
wheel they are in `redkeep/_app`, because other projects have packages with these names. Only
the server's own process puts that folder on its import path, in first place, so that it finds
these packages and not those of a project in its working directory.
"""

from __future__ import annotations

import sys
from pathlib import Path

_APP = Path(__file__).parent / "_app"


def use() -> None:
    """Make the server's packages importable in this process."""
    folder = _APP if _APP.is_dir() else _APP.parent.parent
    if str(folder) not in sys.path[:1]:
        sys.path.insert(0, str(folder))
