"""ML.*: raw rows of jobs and models."""
