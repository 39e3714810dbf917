"""Redkeep: a Redis-protocol server with state for ML and agent systems.

This package is what users import and run. It never imports the server's own packages
into a user's process: `cli` does so in the server's, through `bundled`.
"""

__version__ = "0.1.0"
