"""Run the `redkeep` command as `python -m redkeep`."""

from redkeep.cli import main

main()
