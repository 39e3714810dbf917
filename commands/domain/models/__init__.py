"""MODEL.*: versions of models."""
