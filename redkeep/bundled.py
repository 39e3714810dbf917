"""Where the server's packages are.

In a checkout `server`, `commands` and `storage` stand beside this package. In an installed
wheel they lie in `redkeep/_app`, because people own packages of such names; only the
server's own process puts that folder on its path, and first, so that it finds ours.
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
