"""Redkeep: a Redis-protocol server with state for ML and agent systems.

Users import and run this package. It never imports the server's packages into a user's
process: only the server's own process does, in `cli` and through `bundled`.
"""

__version__ = "0.1.0"
