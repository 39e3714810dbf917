"""`python -m redkeep`."""

from redkeep.cli import main

main()
