"""CP.*: checkpoints of threads of work."""
