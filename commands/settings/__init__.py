"""Settings: their kinds, the table of all of them, and configuration files."""
