"""Redkeep: a Redis-protocol server with state for ML and agent systems."""
